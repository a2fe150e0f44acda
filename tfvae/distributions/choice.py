"""Probabilities of classes, and draws of one from a uniform number."""

import tensorflow as tf

__all__ = ["choose", "softmax"]


def softmax(logits: tf.Tensor) -> tf.Tensor:
    """Returns the probabilities of classes along the last axis, for any rank.

    The softmax of TensorFlow takes at most five axes where it runs on oneDNN.
    """
    return tf.exp(tf.nn.log_softmax(logits))


def choose(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Chooses classes in proportion to their weights, softmax(logits).

    The chosen class is the first one whose cumulative weight exceeds the uniform
    number.

    Args:
        logits: Logarithms of the weights up to a constant: [*batch, K].
        uniform: Numbers on (0, 1): [*lead, *batch].

    Returns:
        One-hot vectors [*lead, *batch, K], without a gradient.
    """
    # Up to what rounding makes of one, so that the largest uniforms stay below the end.
    reached = tf.cumsum(softmax(logits), axis=-1)
    uniform = tf.expand_dims(uniform, -1)
    passed = uniform * reached[..., -1:] >= reached[..., :-1]
    passed = tf.cast(passed, logits.dtype)
    ones, zeros = tf.ones_like(uniform), tf.zeros_like(uniform)
    return tf.concat([ones, passed], axis=-1) - tf.concat([passed, zeros], axis=-1)
