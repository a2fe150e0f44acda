"""The categorical distribution over the indices of classes."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions.edges import outside

__all__ = ["Categorical"]


class Categorical(tfd.Categorical):
    """`tfd.Categorical` with a log mass that can be exported for any number of classes.

        log p(k) = log softmax(logits)_k,   k = 0 .. K-1

    and minus infinity for every other number, so also for a `k` that is not whole.
    `tfd.Categorical` clips the indices to 0 .. K-1 for that; with seven classes the
    converter of LiteRT makes a Relu6 of whole numbers of it, which has no builtin
    operation. Here the classes are compared with `k`.

    Example:
    >>> p = tfvae.distributions.Categorical(logits=[0.0, 0.0])
    >>> round(float(p.log_prob(1)), 4), float(p.log_prob(2))
    (-0.6931, -inf)
    """

    def _log_prob(self, k: tf.Tensor) -> tf.Tensor:
        logits = self.logits_parameter()
        classes = tf.range(logits.shape[-1], dtype=logits.dtype)
        # A slice of six axes has no builtin of LiteRT in older releases.
        k = tf.cast(k, logits.dtype)
        same = tf.expand_dims(k, -1) == classes
        mass = tf.where(same, tf.nn.log_softmax(logits), tf.zeros_like(logits))
        mass = tf.reduce_sum(mass, axis=-1)
        return tf.where(tf.reduce_any(same, axis=-1), mass, outside(k))
