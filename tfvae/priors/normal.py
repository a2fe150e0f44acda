"""A prior of independent normals, learned."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import positive, positive_inverse
from tfvae.distributions import Normal as NormalDistribution
from tfvae.priors.base import Prior

__all__ = ["Normal"]


@keras.saving.register_keras_serializable("tfvae.priors")
class Normal(Prior):
    """Independent normals whose means and standard deviations are learned.

        log p(z) = sum_i [ -(z_i - loc_i)^2 / (2 scale_i^2) - log scale_i
                           - 1/2 log(2 pi) ]

    The scales are `softplus(raw) + 1e-6`. It starts as the standard normal.

    Args:
        event_shape: Shape of one latent z: a positive int or a non-empty sequence.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
    >>> prior = tfvae.priors.Normal(2)
    >>> prior.distribution.stddev().numpy()
    array([1., 1.], dtype=float32)
    """

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(event_shape, **kwargs)
        self.loc = self.add_weight(
            shape=self.event_shape, initializer="zeros", autocast=False, name="loc"
        )
        self.raw_scale = self.add_weight(
            shape=self.event_shape,
            initializer=keras.initializers.Constant(float(positive_inverse(1.0))),
            autocast=False,
            name="raw_scale",
        )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        elements = NormalDistribution(*self._parameters())
        return tfd.Independent(elements, len(self.event_shape))

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "normal"."""
        return "normal"

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns standard noise [*lead, *event] into draws z of the same shape."""
        loc, scale = self._parameters()
        return loc + scale * tf.cast(noise, loc.dtype)

    def _parameters(self) -> tuple[tf.Tensor, tf.Tensor]:
        raw_scale = tf.convert_to_tensor(self.raw_scale)
        return tf.convert_to_tensor(self.loc), positive(raw_scale)
