"""Every distribution layer, in each of its forms, and how a test gets at them."""

import importlib
import math
import pkgutil
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from support import cases
from support.cases import Case
from support.families import Array, Family, Parameters

from tfvae.layers import DistributionLayer

__all__ = [
    "CASES",
    "CLASSES",
    "Case",
    "flat_parameters",
    "from_raw",
    "names",
    "raw_numbers",
    "standard",
    "values",
]


def _cases() -> list[Case]:
    modules = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))
    return [
        case
        for name in modules
        for case in getattr(
            importlib.import_module(f"support.cases.{name}"), "CASES", ()
        )
    ]


CASES = _cases()

# For what does not depend on the numbers: the forms whose code differs. Scales that are
# learned, shared or fixed are those of `Normal` in every family.
_OTHER_NUMBERS = {
    "binomial-255",
    "binomial-1000",
    "categorical-7",
    "discretized-logistic-8",
    "discretized-logistic-mixture-10-256",
    "laplace-shared",
    "laplace-0.3",
    "log-normal-shared",
    "log-normal-0.3",
    "mixture-of-normals-shared",
    "multivariate-normal-low-rank-1",
    "student-t-shared-elementwise",
    "student-t-elementwise-shared",
    "zero-inflated-poisson-observed",
}
CLASSES = [case for case in CASES if case.name not in _OTHER_NUMBERS]


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


def from_raw(
    case: Case, raw: Any, event_shape: int | Sequence[int], dtype: str = "float64"
) -> tuple[DistributionLayer, Any, Parameters, Family]:
    """A layer without projection, its distribution, the parameters, the oracle.

    The parameters are those that the distribution holds, rounded to its dtype, laid
    out flat: a density must be exact for the numbers that it was given.
    """
    layer = case.layer(event_shape, projection=None, dtype=dtype)
    q = layer(keras.ops.convert_to_tensor(np.asarray(raw, dtype)))
    return layer, q, flat_parameters(layer, q), case.oracle(event_shape, layer)


def flat_parameters(layer: DistributionLayer, q: Any) -> Parameters:
    """The parameters of `q`, batch shape [B], in float64 with flat events."""
    flat, event = {}, layer.event_shape
    for name, value in layer.parameters(q).items():
        number = np.asarray(value, np.float64)
        inner = number.shape[1 : 1 + len(event)]
        if not layer.is_shared(name) and inner == event:
            rest = number.shape[1 + len(event) :]
            number = number.reshape(len(number), math.prod(event), *rest)
        flat[name] = number
    return flat


def raw_numbers(
    case: Case, batch: int, size: int, rng: np.random.Generator, spread: float = 1.0
) -> Array:
    """Raw parameters [B, F], normal with this standard deviation."""
    width = sum(case.oracle(size).sizes.values())
    return rng.normal(0, min(spread, case.widest), (batch, width))


def values(family: Family, p: Parameters, rng: np.random.Generator) -> Array:
    """Values with a density, drawn by the oracle for these parameters: [B, N]."""
    return family.sample(p, rng)


def standard(
    layer: DistributionLayer, lead: Sequence[int], rng: np.random.Generator
) -> Array:
    """The noise [*lead, *noise_shape] that a layer takes, in double precision."""
    shape = (*lead, *layer.noise_shape)
    return rng.normal(size=shape) if layer.noise == "normal" else rng.random(shape)
