"""Estimators of the evidence log p(x)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["importance"]


def importance(
    log_weights: Callable[[tf.Tensor], tf.Tensor],
    num_samples: Any,
    samples_per_pass: int,
    batch_size: Any,
    dtype: tf.DType,
) -> tf.Tensor:
    """The importance-weighted estimate of log p(x), a lower bound in expectation.

        log 1/S sum_s w_s,   w_s = p(x, z_s) / q(z_s | x),   z_s ~ q(z|x)

    The sum runs over a few samples at a time and keeps one number for each example,
    so its memory does not grow with S, and its value does not depend on how many
    samples share a pass.

    Args:
        log_weights: Maps the indices [s] of some samples to their log weights
            [s, B], nats.
        num_samples: Number S of samples, an int or an int32 scalar.
        samples_per_pass: How many indices `log_weights` is given at once.
        batch_size: The number of examples B.
        dtype: The dtype of the log weights.

    Returns:
        A tensor [B] in nats.

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519.
    """
    num_samples = tf.cast(num_samples, tf.int32)
    lowest = tf.constant(-float("inf"), dtype)

    def add(start: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        indices = start + tf.range(samples_per_pass)
        weights = log_weights(indices)
        weights = tf.where((indices < num_samples)[:, None], weights, lowest)
        total = tf.reduce_logsumexp(tf.concat([total[None], weights], axis=0), axis=0)
        return start + samples_per_pass, total

    _, total = tf.while_loop(
        lambda start, total: start < num_samples,
        add,
        (tf.constant(0), tf.fill([batch_size], lowest)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
        parallel_iterations=1,
    )
    return total - tf.math.log(tf.cast(num_samples, dtype))
