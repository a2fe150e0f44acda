"""Argument checks: each names the argument, what was expected and what came."""

import math
import numbers
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "describe",
    "ends_with",
    "event_shape",
    "features",
    "finite_number",
    "has_shape",
    "one_of",
    "positive_int",
    "sample_shape",
    "seed",
]


def positive_int(name: str, value: Any) -> int:
    """Returns `value` as an int of at least 1, or raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {value!r}.")
    return int(value)


def finite_number(
    name: str, value: Any, *, above: float = -math.inf, dtype: str = "float64"
) -> float:
    """Returns `value` as a finite float greater than `above`, or raises ValueError.

    It must be so in this dtype too, of which subnormal numbers are no part: most
    devices take them for zero.
    """
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    bound = "" if above == -math.inf else f" greater than {above:g}"
    if not valid or not math.isfinite(value) or value <= above:
        raise ValueError(
            f"`{name}` must be a finite number{bound}. Received: {value!r}."
        )
    with np.errstate(over="ignore"):
        rounded = float(np.dtype(dtype).type(value))
    if not math.isfinite(rounded) or rounded - above < float(np.finfo(dtype).tiny):
        raise ValueError(
            f"`{name}` must be a finite number{bound} in {dtype}. Received: {value!r}."
        )
    return float(value)


def one_of(name: str, value: Any, options: Collection[Any]) -> Any:
    """Returns `value` if it is one of `options`, or raises ValueError."""
    if not any(isinstance(value, type(o)) and value == o for o in options):
        expected = ", ".join(repr(option) for option in options)
        raise ValueError(f"`{name}` must be one of {expected}. Received: {value!r}.")
    return value


def event_shape(value: int | Sequence[int]) -> tuple[int, ...]:
    """Returns an event shape as a tuple of at least one positive int."""
    axes = [value] if isinstance(value, numbers.Integral) else value
    if isinstance(axes, str | bytes) or not isinstance(axes, Sequence) or not axes:
        raise ValueError(
            "`event_shape` must be a positive integer or a non-empty sequence of "
            f"them. Received: {value!r}."
        )
    return tuple(positive_int("event_shape", axis) for axis in axes)


def seed(value: int | None) -> int | None:
    """Returns the seed of weights or of NumPy, an int or None, or raises ValueError."""
    if value is None:
        return None
    number = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not number or not 0 <= value < 2**31:
        raise ValueError(
            "`seed` must be a non-negative integer below 2**31 or None. "
            f"Received: {value!r}."
        )
    return int(value)


def sample_shape(value: Sequence[int]) -> tuple[int, ...]:
    """Returns the leading axes of draws as a tuple of ints, or raises ValueError."""
    axes = tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(axis, numbers.Integral) and axis >= 0 for axis in axes):
        raise ValueError(
            "`sample_shape` must be a sequence of non-negative integers. "
            f"Received: {value!r}."
        )
    return tuple(map(int, axes))


def has_shape(name: str, shape: Sequence[int | None], expected: Sequence[int]) -> None:
    """Raises ValueError unless `shape` is `[batch, *expected]`."""
    fits = len(shape) == len(expected) + 1 and all(
        size is None or size == want
        for size, want in zip(shape[1:], expected, strict=True)
    )
    if not fits:
        hint = ""
        if list(shape) == list(expected):
            hint = (
                " The batch axis is missing: pass `x[None]` for one example, or "
                "`dataset.batch(...)` for a dataset of single ones."
            )
        want = ", ".join(["batch", *map(str, expected)])
        raise ValueError(
            f"`{name}` must have the shape [{want}]. "
            f"Received the shape {list(shape)}.{hint}"
        )


def ends_with(name: str, shape: Any, expected: Sequence[int | None]) -> None:
    """Raises ValueError unless the `tf.TensorShape` is `[..., *expected]`.

    Axes that are not known, and a rank that is not, fit.
    """
    if shape.rank is None:
        return
    lead = shape.rank - len(expected)
    if lead < 0 or not shape[lead:].is_compatible_with(expected):
        want = ", ".join(["...", *map(str, expected)])
        raise ValueError(
            f"`{name}` must have the shape [{want}]. "
            f"Received the shape {shape.as_list()}."
        )


def features(layer: str, shape: Sequence[int | None], lead: Sequence[int]) -> None:
    """Raises ValueError unless `shape` is `[batch, F]` or `[batch, *lead, F]`."""
    if len(shape) < 2 or tuple(shape[1:-1]) not in ((), tuple(lead)):
        image = ", ".join(["batch", *map(str, lead), "features"])
        raise ValueError(
            f"{layer} takes features of the shape [batch, features] or [{image}]. "
            f"Received the shape {list(shape)}; put a Flatten or a Reshape in between."
        )
    if shape[-1] is None:
        raise ValueError(
            f"{layer} needs the last axis of its features to be known. "
            f"Received the shape {list(shape)}."
        )


def describe(value: Any) -> str:
    """Returns a short description of a value for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {list(value.shape)} and dtype {value.dtype}"
    return f"{type(value).__name__}"
