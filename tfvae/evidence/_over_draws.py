"""Sums over draws of z, a few at a time: the log of a mean of weights, and a mean.

Their sums run over a few samples at a time and keep one number for each example, so
their memory does not grow with S, and their value does not depend on how many samples
share a pass. `blockwise` does the same for the examples.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfvae._math import fold_in

__all__ = ["BLOCK", "blockwise", "log_mean_weight", "mean", "static_size"]

BLOCK = 256
"""Examples in a block."""


def static_size(x: tf.Tensor) -> Any:
    """Returns the number of examples in x, an int where it is known to the graph."""
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def blockwise(
    block: Callable[[Any, Any, tf.Tensor], tf.Tensor],
    size: Any,
    seed: tf.Tensor,
    shape: Sequence[int],
    dtype: tf.DType,
) -> tf.Tensor:
    """Computes something for many examples, a block of them at a time.

    Args:
        block: Maps the first index of a block, the index after its last and the seed
            of the block, int32[2], to a tensor [stop - start, *shape].
        size: The number of examples N, an int or an int32 scalar.
        seed: The seed that those of the blocks are made from, int32[2].
        shape: Shape of the result for one example.
        dtype: The dtype of the result.

    Returns:
        A tensor [N, *shape].
    """
    if isinstance(size, int) and size <= BLOCK:
        return block(0, size, fold_in(seed, 0))
    size = tf.cast(size, tf.int32)
    # One empty block where there are no examples, for the shape of the result.
    count = tf.maximum((size + BLOCK - 1) // BLOCK, 1)
    blocks = tf.TensorArray(
        dtype, count, infer_shape=False, element_shape=(None, *shape)
    )

    def add(i: tf.Tensor, blocks: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        start = i * BLOCK
        stop = tf.minimum(start + BLOCK, size)
        return i + 1, blocks.write(i, block(start, stop, fold_in(seed, i)))

    _, blocks = tf.while_loop(
        lambda i, blocks: i < count,
        add,
        (tf.constant(0), blocks),
        parallel_iterations=1,
    )
    return tf.ensure_shape(blocks.concat(), (None, *shape))


def log_mean_weight(
    log_weights: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    num_samples: Any,
    samples_per_pass: Any,
    batch_size: Any,
    dtype: tf.DType,
) -> tf.Tensor:
    """The importance-weighted estimate of log p(x), a lower bound in expectation.

        log 1/S sum_s w_s,   w_s = p(x, z_s) / q(z_s | x),   z_s ~ q(z|x)

    Args:
        log_weights: Maps the index of the first of some samples and their number s
            to their log weights [s, B], nats.
        num_samples: Number S of samples, an int or an int32 scalar.
        samples_per_pass: How many samples `log_weights` is asked for at once at most,
            an int or an int32 scalar.
        batch_size: The number of examples B.
        dtype: The dtype of the log weights.

    Returns:
        A tensor [B] in nats.

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519.
    """
    lowest = tf.constant(-float("inf"), dtype)
    total = _accumulate(
        tf.reduce_logsumexp,
        lowest,
        log_weights,
        num_samples,
        samples_per_pass,
        batch_size,
    )
    return total - tf.math.log(tf.cast(num_samples, dtype))


def mean(
    values: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    num_samples: Any,
    samples_per_pass: Any,
    batch_size: Any,
    dtype: tf.DType,
) -> tf.Tensor:
    """The mean over samples of a quantity of each example.

        1/S sum_s v_s

    Args:
        values: Maps the index of the first of some samples and their number s to
            their values [s, B].
        num_samples: As in `log_mean_weight`, like the rest.
        samples_per_pass: How many samples `values` is asked for at once at most.
        batch_size: The number of examples B.
        dtype: The dtype of the values.

    Returns:
        A tensor [B].
    """
    zero = tf.zeros([], dtype)
    total = _accumulate(
        tf.reduce_sum, zero, values, num_samples, samples_per_pass, batch_size
    )
    return total / tf.cast(num_samples, dtype)


def _accumulate(
    reduce: Callable[..., tf.Tensor],
    neutral: tf.Tensor,
    values: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    num_samples: Any,
    samples_per_pass: Any,
    batch_size: Any,
) -> tf.Tensor:
    """Reduces `values` over all samples, a pass at a time."""
    if isinstance(samples_per_pass, int) and num_samples <= samples_per_pass:
        return reduce(values(0, num_samples), axis=0)
    num_samples = tf.cast(num_samples, tf.int32)

    def add(start: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.minimum(samples_per_pass, num_samples - start)
        found = values(start, count)
        total = reduce(tf.concat([total[None], found], axis=0), axis=0)
        return start + count, total

    _, total = tf.while_loop(
        lambda start, total: start < num_samples,
        add,
        (tf.constant(0), tf.fill([batch_size], neutral)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
        parallel_iterations=1,
    )
    return total
