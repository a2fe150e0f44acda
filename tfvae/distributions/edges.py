"""Log densities where no formula holds: outside of the support, and at its ends."""

import math

import tensorflow as tf

__all__ = ["at_end", "outside"]


def outside(x: tf.Tensor) -> tf.Tensor:
    """Returns minus infinity, and NaN where `x` is NaN, without a gradient."""
    nowhere = tf.constant(-math.inf, x.dtype)
    return tf.where(tf.math.is_nan(x), tf.constant(math.nan, x.dtype), nowhere)


def at_end(power: tf.Tensor, log_density: tf.Tensor) -> tf.Tensor:
    """Returns the log of a density x^(power - 1) f(x) at x = 0, given log f(0)."""
    infinite = tf.constant(math.inf, power.dtype)
    pole_or_none = tf.where(power < 1, infinite, -infinite)
    return tf.where(power == 1, log_density, pole_or_none)
