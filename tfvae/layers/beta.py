"""Beta distributions with independent elements."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import positive
from tfvae.distributions import Beta as BetaDistribution
from tfvae.distributions import draws
from tfvae.layers.base import DistributionLayer
from tfvae.layers.gamma import log_smallest

__all__ = ["Beta"]


@keras.saving.register_keras_serializable("tfvae")
class Beta(DistributionLayer):
    """Independent beta variables, for numbers between 0 and 1.

        log p(x) = sum_i [ (a_i - 1) log(x_i) + (b_i - 1) log(1 - x_i)
                           - log B(a_i, b_i) ],
        a = concentration1, b = concentration0

    Both parameters are `softplus(raw) + 1e-6`. The ends have no density: data that hold
    0 or 1 need another likelihood. The gradient of a draw is that of the quantile; a
    draw too close to an end is moved to the nearest number that keeps its digits.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        **kwargs: Arguments of `DistributionLayer`.

    Example:
    >>> layer = tfvae.layers.Beta(3)
    >>> p = layer(keras.ops.ones((2, 10)))
    >>> p.mean().shape
    TensorShape([2, 3])

    Reference: Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients",
    NeurIPS 2018, https://arxiv.org/abs/1805.08498.
    """

    noise = "uniform"
    support = "numbers between 0 and 1, without the ends"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return (*self.event_shape, draws.BETA_NOISE)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"concentration1": self.event_shape, "concentration0": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: positive(value) for name, value in raw.items()}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(BetaDistribution(**parameters), len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `concentration1` and `concentration0`, both [*batch, *event]."""
        elements = q.distribution
        return {name: getattr(elements, name) for name in self._raw_shapes()}

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        elements = q.distribution
        logit = draws.beta_logit(
            noise, elements.concentration1, elements.concentration0
        )
        x = tf.sigmoid(tf.maximum(logit, log_smallest(logit.dtype)))
        x = tf.minimum(x, 1 - np.finfo(x.dtype.as_numpy_dtype).epsneg)
        return x, q.log_prob(x)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        if not tf.as_dtype(x.dtype).is_floating:
            return tf.zeros_like(x, dtype=tf.bool)
        # In the precision of the density, where the ends are nearer.
        x = tf.cast(x, self.variable_dtype)
        return (x >= np.finfo(self.variable_dtype).tiny) & (x < 1)
