"""Numerics shared by the floors above: stable sums, positive maps, noise."""

import math
from typing import Any

import tensorflow as tf

__all__ = [
    "LOG_2PI",
    "MIN_SCALE",
    "as_seed",
    "fold_in",
    "log_mean_exp",
    "positive",
    "split_seed",
    "standard_noise",
]

LOG_2PI = math.log(2.0 * math.pi)

MIN_SCALE = 1e-6
"""The smallest scale that a layer can give, so that log densities stay finite."""


def positive(raw: tf.Tensor) -> tf.Tensor:
    """Maps the real line to positive scales: `softplus(raw) + MIN_SCALE`."""
    return tf.math.softplus(raw) + tf.cast(MIN_SCALE, raw.dtype)


def log_mean_exp(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Returns `log(mean(exp(values)))` along `axis` without overflow."""
    count = tf.cast(tf.shape(values)[axis], values.dtype)
    return tf.reduce_logsumexp(values, axis=axis) - tf.math.log(count)


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
    if isinstance(seed, int) and not isinstance(seed, bool):
        if not 0 <= seed < 2**62:
            raise ValueError(f"{expected} Received: {seed!r}.")
        seed = (seed % 2**31, seed // 2**31)
    try:
        pair = tf.cast(tf.convert_to_tensor(seed), tf.int32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{expected} Received: {seed!r}.") from error
    if pair.shape != (2,):
        raise ValueError(f"{expected} Received: {seed!r}.")
    return pair


def fold_in(seed: tf.Tensor, number: Any) -> tf.Tensor:
    """Returns a new seed made from `seed` (int32[2]) and an integer."""
    number = tf.cast(number, tf.int32)
    return tf.random.experimental.stateless_fold_in(seed, number, alg="philox")


def split_seed(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns two independent seeds made from one (int32[2])."""
    first, second = tf.unstack(
        tf.random.experimental.stateless_split(seed, num=2, alg="philox")
    )
    return first, second


def standard_noise(
    kind: str, shape: Any, seed: tf.Tensor, dtype: tf.DType
) -> tf.Tensor:
    """Draws standard normals (`kind="normal"`) or uniforms on [0, 1)."""
    draw = {
        "normal": tf.random.stateless_normal,
        "uniform": tf.random.stateless_uniform,
    }[kind]
    return draw(shape, seed=seed, dtype=dtype, alg="philox")
