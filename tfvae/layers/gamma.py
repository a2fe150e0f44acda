"""Gamma distributions with independent elements."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import positive
from tfvae.distributions import Gamma as GammaDistribution
from tfvae.distributions import draws
from tfvae.layers.base import DistributionLayer

__all__ = ["Gamma"]


@keras.saving.register_keras_serializable("tfvae")
class Gamma(DistributionLayer):
    """Independent gamma variables, for positive numbers.

        log p(x) = sum_i [ a_i log(b_i) + (a_i - 1) log(x_i) - b_i x_i
                           - log Gamma(a_i) ],   a = concentration, b = rate

    Both parameters are `softplus(raw) + 1e-6`. The gradient of a draw is that of the
    quantile; a draw too small for a number of its own is raised to the smallest one
    that keeps its digits.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        **kwargs: Arguments of `DistributionLayer`.

    Example:
    >>> layer = tfvae.layers.Gamma(3)
    >>> p = layer(keras.ops.ones((2, 10)))
    >>> p.mean().shape
    TensorShape([2, 3])

    Reference: Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients",
    NeurIPS 2018, https://arxiv.org/abs/1805.08498.
    """

    noise = "uniform"
    support = "positive finite numbers"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return (*self.event_shape, draws.GAMMA_NOISE)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"concentration": self.event_shape, "rate": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: positive(value) for name, value in raw.items()}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(GammaDistribution(**parameters), len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `concentration` and `rate`, both [*batch, *event]."""
        elements = q.distribution
        return {"concentration": elements.concentration, "rate": elements.rate}

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        elements = q.distribution
        log_x = draws.log_gamma(noise, elements.concentration)
        log_x -= tf.math.log(elements.rate)
        x = tf.exp(tf.maximum(log_x, log_smallest(log_x.dtype)))
        return x, q.log_prob(x)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        # In the precision of the density, where smaller numbers are zero.
        smallest = np.finfo(self.variable_dtype).tiny
        return tf.cast(x, self.variable_dtype) >= smallest


def log_smallest(dtype: tf.DType) -> float:
    """The logarithm of a number whose inverse is finite, with room to spare."""
    return float(np.log(np.finfo(dtype.as_numpy_dtype).tiny)) + 4
