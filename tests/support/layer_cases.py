"""Every distribution layer, in each of its forms, with the oracle of its densities."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from support import families

import tfvae
from tfvae.layers import DistributionLayer


@dataclasses.dataclass(frozen=True)
class Case:
    """One form of a layer.

    Attributes:
        name: Of the test.
        cls: The layer's class.
        arguments: Of its constructor, the event shape left out.
        family: Makes the oracle for events of so many elements.
        outside: Finite numbers that have no density.
        reparameterised: Whether draws carry a gradient to the parameters.
        image: Whether an event may have several axes.
    """

    name: str
    cls: type[DistributionLayer]
    arguments: dict[str, Any]
    family: Callable[[int], families.Family]
    outside: tuple[float, ...] = ()
    reparameterised: bool = False
    image: bool = True

    def layer(self, event_shape: int | Sequence[int], **kwargs: Any) -> Any:
        return self.cls(event_shape, **self.arguments, **kwargs)

    def oracle(self, event_shape: int | Sequence[int]) -> families.Family:
        return self.family(int(np.prod(event_shape)))

    def event(self) -> tuple[int, ...]:
        """An event with as many axes as the family may have."""
        return (5, 4, 2) if self.image else (5,)


def _binomial(total_count: int) -> Case:
    return Case(
        f"binomial-{total_count}",
        tfvae.layers.Binomial,
        {"total_count": total_count},
        lambda size: families.Binomial(size, total_count),
        outside=(-1.0, 0.5, total_count + 1.0),
    )


def _normal(scale: str | float) -> Case:
    return Case(
        f"normal-{scale}",
        tfvae.layers.Normal,
        {"scale": scale},
        lambda size: families.Normal(size, scale),
        reparameterised=True,
    )


CASES = [
    _normal("elementwise"),
    _normal("shared"),
    _normal(0.3),
    Case(
        "multivariate-normal",
        tfvae.layers.MultivariateNormalTriL,
        {},
        families.MultivariateNormalTriL,
        reparameterised=True,
        image=False,
    ),
    Case(
        "bernoulli",
        tfvae.layers.Bernoulli,
        {},
        families.Bernoulli,
        outside=(-1.0, 0.5, 1.0 + 1e-6, 2.0, 255.0),
    ),
    Case(
        "continuous-bernoulli",
        tfvae.layers.ContinuousBernoulli,
        {},
        families.ContinuousBernoulli,
        outside=(-1e-6, 1.0 + 1e-6, 255.0),
        reparameterised=True,
    ),
    _binomial(16),
    _binomial(255),
    _binomial(1000),
]

# One form of each class, for what does not depend on the numbers.
CLASSES = [case for case in CASES if case.name not in ("binomial-255", "binomial-1000")]


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


def from_raw(
    case: Case, raw: Any, event_shape: int | Sequence[int], dtype: str = "float64"
) -> tuple[DistributionLayer, Any, families.Parameters]:
    """A layer without projection, its distribution, the parameters in float64.

    The parameters are those that the distribution holds, rounded to its dtype, laid
    out flat: a density must be exact for the numbers that it was given.
    """
    layer = case.layer(event_shape, projection=None, dtype=dtype)
    q = layer(keras.ops.convert_to_tensor(np.asarray(raw, dtype)))
    return layer, q, flat_parameters(layer, q)


def flat_parameters(layer: DistributionLayer, q: Any) -> families.Parameters:
    """The parameters of `q`, batch shape [B], in float64 with flat events."""
    flat = {}
    for name, value in layer.parameters(q).items():
        number = np.asarray(value, np.float64)
        if number.shape[1:] == layer.event_shape:
            number = number.reshape(len(number), math.prod(layer.event_shape))
        flat[name] = number
    return flat


def raw_numbers(
    case: Case, batch: int, size: int, rng: np.random.Generator, spread: float = 1.0
) -> families.Array:
    """Raw parameters [B, F], normal with this standard deviation."""
    return rng.normal(0, spread, (batch, sum(case.oracle(size).sizes.values())))


def values(
    case: Case, p: families.Parameters, size: int, rng: np.random.Generator
) -> families.Array:
    """Values with a density, drawn by the oracle for these parameters: [B, N]."""
    family = case.oracle(size)
    batch = len(next(iter(p.values())))
    draw = rng.normal if case.cls.noise == "normal" else rng.uniform
    return family.draw(draw(size=(batch, size)), p)
