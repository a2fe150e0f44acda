"""The standard normal prior."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import Normal
from tfvae.priors.base import Prior

__all__ = ["StandardNormal"]


@keras.saving.register_keras_serializable("tfvae")
class StandardNormal(Prior):
    """Independent normals of mean 0 and standard deviation 1, with no weights.

        log p(z) = sum_i [ -z_i^2 / 2 - 1/2 log(2 pi) ]

    Args:
        event_shape: Shape of one latent z: a positive int or a non-empty sequence.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
    >>> tfvae.priors.StandardNormal(2).distribution.sample(5, seed=0).shape
    TensorShape([5, 2])
    """

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        zeros = tf.zeros(self.event_shape, self.variable_dtype)
        elements = Normal(zeros, tf.ones([], self.variable_dtype))
        return tfd.Independent(elements, len(self.event_shape))

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "normal"."""
        return "normal"

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns `noise` itself, in the dtype of the prior."""
        return tf.cast(noise, self.variable_dtype)
