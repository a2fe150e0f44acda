"""The uniform distribution on a sphere as a prior."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.priors.base import Prior

__all__ = ["UniformSphere"]


@keras.saving.register_keras_serializable("tfvae")
class UniformSphere(Prior):
    """The uniform distribution over unit vectors, with no weights.

        log p(z) = -log area = log Gamma(D/2) - log 2 - D/2 log(pi)

    It goes with the posterior `tfvae.layers.VonMisesFisher`: both are densities with
    respect to the area of the sphere.

    Args:
        event_shape: The number of dimensions D, at least 2, an int or a sequence of
            one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the event shape is none of these.

    Example:
    >>> prior = tfvae.priors.UniformSphere(3)
    >>> float(prior.distribution.log_prob([0.0, 0.0, 1.0]))  # -log(4 pi)
    -2.53

    Reference: Davidson et al., "Hyperspherical variational auto-encoders", 2018,
    https://arxiv.org/abs/1804.00891.
    """

    measure = "sphere"

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1 or self.event_shape[0] < 2:
            raise ValueError(
                "`event_shape` of UniformSphere must have one axis of at least two "
                f"dimensions. Received: {event_shape!r}."
            )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        return tfd.SphericalUniform(self.event_shape[0], dtype=self.variable_dtype)

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "normal"."""
        return "normal"

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns standard noise [*lead, D] into unit vectors of the same shape."""
        noise = tf.cast(noise, self.variable_dtype)
        return noise / tf.norm(noise, axis=-1, keepdims=True)
