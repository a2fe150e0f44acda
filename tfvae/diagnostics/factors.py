"""What the three scores of disentanglement share: codes, factors and scikit-learn."""

import importlib
from typing import Any

import numpy as np

from tfvae import _checks

__all__ = ["check_codes_and_factors", "classes", "gaps", "scikit_learn"]


def scikit_learn(function: str, module: str) -> Any:
    """Imports a module of scikit-learn, or says how to install it."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError(
            f"diagnostics.{function} needs scikit-learn: pip install 'tfvae[metrics]'."
        ) from error


def check_codes_and_factors(codes: Any, factors: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes [N, D] and factors [N, K] as float64.

    Raises:
        ValueError: If they are not finite numbers of these shapes, or a factor has
            one value alone.
    """
    codes, factors = _table("codes", codes), _table("factors", factors)
    if len(codes) != len(factors):
        raise ValueError(
            "`codes` and `factors` must have a row for each example. Received "
            f"{len(codes)} and {len(factors)} rows."
        )
    constant = np.flatnonzero(np.ptp(factors, axis=0) == 0)
    if len(constant):
        raise ValueError(
            "Each factor must take at least two values. Received a constant in the "
            f"columns {constant.tolist()} of `factors`."
        )
    return codes, factors


def classes(factor: np.ndarray) -> np.ndarray | None:
    """Returns a factor [N] of whole numbers as classes 0 to C - 1, else None."""
    if not np.array_equal(factor, np.round(factor)):
        return None
    return np.unique(factor, return_inverse=True)[1]


def gaps(scores: np.ndarray) -> np.ndarray:
    """Returns the largest score of each factor less the second largest.

    Args:
        scores: Scores of codes for factors [D, K]; a lone code has 0 for a second.

    Returns:
        An array [K].
    """
    if len(scores) == 1:
        return scores[0]
    second, first = np.sort(scores, axis=0)[-2:]
    return first - second


def _table(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        hints = {
            "codes": "diagnostics.codes(vae, x) makes them",
            "factors": "np.unique(..., return_inverse=True) makes classes of names",
        }
        raise ValueError(
            f"`{name}` must hold real numbers; {hints[name]}. "
            f"Received: {_checks.describe(array)}."
        )
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        hint = " Pass `v[:, None]` for a single column." if array.ndim == 1 else ""
        raise ValueError(
            f"`{name}` must have the shape [examples, columns], with at least two "
            f"examples. Received the shape {list(array.shape)}.{hint}"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"`{name}` must hold finite numbers. "
            f"Received: {array[tuple(place)]} at {place.tolist()}."
        )
    return array
