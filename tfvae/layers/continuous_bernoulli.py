"""Continuous Bernoulli distributions."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import ContinuousBernoulli as ContinuousBernoulliDistribution
from tfvae.layers.logits import LogitsLayer

__all__ = ["ContinuousBernoulli"]


@keras.saving.register_keras_serializable("tfvae")
class ContinuousBernoulli(LogitsLayer):
    """Independent continuous Bernoulli variables, for grey values in [0, 1].

        log p(x) = sum_i [ l_i x_i - log((e^l_i - 1) / l_i) ],   l = logits

    The second term is the normaliser that binary cross-entropy on grey values lacks.
    The mean is not `sigmoid(l)`: `location` and `mean()` give the true one.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        **kwargs: Arguments of `DistributionLayer`.

    Example:
    >>> layer = tfvae.layers.ContinuousBernoulli((8, 8, 1))
    >>> p = layer(keras.ops.ones((2, 8, 8, 16)))
    >>> p.mean().shape
    TensorShape([2, 8, 8, 1])

    Reference: Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a
    pervasive error in variational autoencoders", NeurIPS 2019,
    https://arxiv.org/abs/1907.06845.
    """

    support = "numbers from 0 to 1 (divide 8-bit images by 255)"

    def _elements(self, logits: tf.Tensor) -> tfd.Distribution:
        return ContinuousBernoulliDistribution(logits=logits, dtype=logits.dtype)

    def _draw(self, elements: tfd.Distribution, uniform: tf.Tensor) -> tf.Tensor:
        return elements.quantile(uniform)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bool:
            return tf.ones_like(x)
        return (x >= 0) & (x <= 1)
