"""Bernoulli distributions."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import Bernoulli as BernoulliDistribution
from tfvae.layers.logits import LogitsLayer

__all__ = ["Bernoulli"]


@keras.saving.register_keras_serializable("tfvae")
class Bernoulli(LogitsLayer):
    """Independent Bernoulli variables, for data that are exactly 0 or 1.

        log p(x) = sum_i [ x_i log s(l_i) + (1 - x_i) log s(-l_i) ],
        s(l) = 1 / (1 + e^-l)

    Draws are `1[u < s(l)]`: they carry no gradient to the logits.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        **kwargs: Arguments of `DistributionLayer`.

    Example:
    >>> layer = tfvae.layers.Bernoulli((28, 28, 1))
    >>> p = layer(keras.ops.ones((8, 200)))
    >>> p.log_prob(keras.ops.zeros((8, 28, 28, 1))).shape
    TensorShape([8])
    """

    measure = "counting"
    reparameterized = False
    support = (
        "exactly 0 and 1 (for grey values use tfvae.layers.ContinuousBernoulli, or "
        "draw binary ones with tfvae.datasets.binarize)"
    )

    def _elements(self, logits: tf.Tensor) -> tfd.Distribution:
        return BernoulliDistribution(logits=logits, dtype=logits.dtype)

    def _draw(self, elements: tfd.Distribution, uniform: tf.Tensor) -> tf.Tensor:
        return tf.cast(uniform < elements.mean(), uniform.dtype)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bool:
            return tf.ones_like(x)
        return (x == 0) | (x == 1)
