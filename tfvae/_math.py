"""Numerics shared by the floors above: stable sums, positive maps, noise."""

import math
import numbers
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae._builtins import softplus

__all__ = [
    "LOG_2PI",
    "MIN_SCALE",
    "as_seed",
    "fold_in",
    "log_mean_exp",
    "look_at_schedule",
    "mean_of_examples",
    "normal_from_uniforms",
    "normals_from_uniforms",
    "positive",
    "positive_inverse",
    "split_seed",
    "standard_noise",
    "uniforms_from_bits",
]

LOG_2PI = math.log(2.0 * math.pi)

_ALGORITHM = "philox"
"""By name: what "auto_select" makes of a negative seed differs under XLA."""

MIN_SCALE = 1e-6
"""The smallest scale that a layer can give, so that log densities stay finite."""


def positive(raw: tf.Tensor) -> tf.Tensor:
    """Maps the real line to positive scales: `softplus(raw) + MIN_SCALE`."""
    return softplus(raw) + tf.constant(MIN_SCALE, raw.dtype)


def positive_inverse(scale: Any) -> Any:
    """Returns the raw numbers, in NumPy, that `positive` maps to these scales."""
    above = np.asarray(scale, np.float64) - MIN_SCALE
    return above + np.log(-np.expm1(-above))


def log_mean_exp(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Returns `log(mean(exp(values)))` along `axis` without overflow."""
    count = tf.cast(tf.shape(values)[axis], values.dtype)
    return tf.reduce_logsumexp(values, axis=axis) - tf.math.log(count)


def mean_of_examples(
    values: tf.Tensor, weight: tf.Tensor | None, default: tf.Tensor
) -> tf.Tensor:
    """Returns sum(w v) / sum(w) over examples [B], and `default` where that is 0 / 0.

    A replica may be left without examples, and a batch without weights.
    """
    if weight is None:
        weight = tf.ones_like(values)
    weight = tf.cast(weight, values.dtype)
    total = tf.reduce_sum(weight)
    some = total > 0
    mean = tf.reduce_sum(weight * values) / tf.where(some, total, 1)
    return tf.where(some, mean, default)


def look_at_schedule(schedule: Any) -> tuple[list[float], str]:
    """Returns numbers that a schedule gives within a million steps, and names them."""
    steps = [0, *(10**power for power in range(7))]
    with tf.init_scope():
        numbers = [float(schedule(tf.constant(step, tf.int64))) for step in steps]
    return numbers, f"{numbers} at the steps {steps}"


def as_seed(seed: Any) -> tf.Tensor:
    """Returns a seed as the int32 pair that stateless random ops take.

    Args:
        seed: A non-negative int `s` below 2**62, which stands for the pair
            `(s % 2**31, s // 2**31)`, or a pair of ints, or an int32[2] tensor.

    Returns:
        An int32 tensor of shape [2].

    Raises:
        ValueError: If `seed` is anything else.
    """
    expected = "`seed` must be a non-negative integer below 2**62 or a pair of int32."
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        number = int(seed)
        if not 0 <= number < 2**62:
            raise ValueError(f"{expected} Received: {seed!r}.")
        seed = (number % 2**31, number // 2**31)
    try:
        pair = tf.convert_to_tensor(seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{expected} Received: {seed!r}.") from error
    if pair.shape != (2,) or not pair.dtype.is_integer:
        raise ValueError(f"{expected} Received: {seed!r}.")
    return tf.cast(pair, tf.int32)


def fold_in(seed: tf.Tensor, number: Any) -> tf.Tensor:
    """Returns a new seed made from `seed` (int32[2]) and an integer."""
    number = tf.cast(number, tf.int32)
    return tf.random.experimental.stateless_fold_in(seed, number, alg=_ALGORITHM)


def split_seed(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns two independent seeds made from one (int32[2])."""
    first, second = tf.unstack(
        tf.random.experimental.stateless_split(seed, num=2, alg=_ALGORITHM)
    )
    return first, second


def standard_noise(
    kind: str, shape: Any, seed: tf.Tensor, dtype: tf.DType
) -> tf.Tensor:
    """Draws standard normals (`kind="normal"`) or uniforms on (0, 1).

    They are made from random bits, which are the same with and without XLA; the
    numbers that TensorFlow draws are not. A uniform is the midpoint of one of 2**23
    cells (2**52 in float64), so that no quantile is asked for 0 or 1. The first numbers
    are the same however many follow.
    """
    dtype = tf.as_dtype(dtype)
    if kind == "uniform":
        return _uniform(shape, seed, dtype)
    size = tf.reduce_prod(tf.cast(shape, tf.int32))
    # A pair of uniforms makes a pair of normals, which stand side by side.
    pairs = _uniform(tf.stack([(size + 1) // 2, 2]), seed, dtype)
    normals = tf.stack(normals_from_uniforms(*tf.unstack(pairs, axis=-1)), axis=-1)
    return tf.reshape(tf.reshape(normals, [-1])[:size], shape)


def normals_from_uniforms(u: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes two standard normals of two uniforms on (0, 1) each (Box and Muller).

    sqrt(-2 log u) cos(2 pi v),   sqrt(-2 log u) sin(2 pi v)
    """
    radius = tf.sqrt(-2.0 * tf.math.log(u))
    cosine, sine = _on_circle(v)
    return radius * cosine, radius * sine


def normal_from_uniforms(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Makes a standard normal of two uniforms on (0, 1) each (Box and Muller).

    normal = sqrt(-2 log u) cos(2 pi v)
    """
    return normals_from_uniforms(u, v)[0]


def _on_circle(turns: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The cosine and the sine of 2 pi v, where 0 <= v <= 1.

    XLA takes several times as long for its own of any angle. Here the nearest quarter
    of a turn is taken off, which is exact, and Taylor's series serve for the rest.
    """
    quarters = tf.floor(4.0 * turns + 0.5)
    angle = (4.0 * turns - quarters) * (math.pi / 2)
    minus = -tf.square(angle)
    cosine = sine = 1.0
    # The terms of an eighth of a turn fall below the last digit.
    for k in reversed(range(1, 9 if turns.dtype == tf.float64 else 5)):
        cosine = 1.0 + minus / (2 * k * (2 * k - 1)) * cosine
        sine = 1.0 + minus / (2 * k * (2 * k + 1)) * sine
    sine = angle * sine
    odd = tf.math.floormod(quarters, 2.0) == 1.0
    first, second = tf.where(odd, sine, cosine), tf.where(odd, cosine, sine)
    return (
        tf.where(tf.abs(quarters - 1.5) < 1.0, -first, first),
        tf.where(tf.abs(quarters - 2.5) < 1.0, -second, second),
    )


def uniforms_from_bits(bits: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Makes uniforms on (0, 1) of random bits: 64 for float64, 32 for the others."""
    wide, digits = (tf.float64, 52) if dtype == tf.float64 else (tf.float32, 23)
    unused = tf.constant(bits.dtype.size * 8 - digits, bits.dtype)
    cell = tf.cast(tf.bitwise.right_shift(bits, unused), wide)
    return tf.cast((cell + 0.5) * 2.0**-digits, dtype)


def _uniform(shape: Any, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    bits = tf.random.stateless_uniform(
        shape,
        seed,
        minval=None,
        maxval=None,
        dtype=tf.uint64 if dtype == tf.float64 else tf.uint32,
        alg=_ALGORITHM,
    )
    return uniforms_from_bits(bits, dtype)
