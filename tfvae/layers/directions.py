"""Unit vectors from raw numbers."""

import tensorflow as tf

__all__ = ["SHORTEST", "direction"]

SHORTEST = 1e-6
"""The length of the shortest raw vector whose direction counts."""


def direction(raw: tf.Tensor) -> tf.Tensor:
    """Divides vectors [..., D] by their length, with finite numbers and gradients.

    A vector shorter than `SHORTEST` has its first element raised by twice that, so that
    zero stands for the first axis.
    """
    first = 2 * SHORTEST * tf.one_hot(0, raw.shape[-1], dtype=raw.dtype)
    short = tf.norm(raw, axis=-1, keepdims=True) < SHORTEST
    raw = tf.where(short, raw + first, raw)
    return raw / tf.norm(raw, axis=-1, keepdims=True)
