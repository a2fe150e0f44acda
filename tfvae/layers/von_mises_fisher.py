"""Von Mises-Fisher distributions on the unit sphere."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import positive
from tfvae.distributions import VonMisesFisher as VonMisesFisherDistribution
from tfvae.layers.base import DistributionLayer
from tfvae.layers.directions import direction

__all__ = ["VonMisesFisher"]


@keras.saving.register_keras_serializable("tfvae")
class VonMisesFisher(DistributionLayer):
    """A von Mises-Fisher distribution over unit vectors of D dimensions.

        log p(x) = k m.x + log c_D(k),   |x| = |m| = 1

    The density is one of the area of the sphere: as a posterior it goes with the prior
    `tfvae.priors.UniformSphere`. The mean direction m is the raw vector divided by its
    length. One shorter than 1e-6 has no direction that is worth its name: its first
    element is raised by 2e-6, so that zero stands for the first axis. The concentration
    k is `softplus(raw) + 1e-6`.

    A draw is a smooth function of uniform noise and carries the gradient to m and k.

    Args:
        event_shape: The number of dimensions D, at least 2: an int or a sequence of
            one.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If the event shape is none of these.

    Example:
    >>> layer = tfvae.layers.VonMisesFisher(3)
    >>> q = layer(keras.ops.ones((8, 5)))
    >>> x, _ = layer.sample_and_log_prob(q, seed=0)
    >>> np.linalg.norm(x, axis=-1).round(4)
    array([1., 1., 1., 1., 1., 1., 1., 1.], dtype=float32)

    Reference: Davidson et al., "Hyperspherical variational auto-encoders", UAI 2018,
    https://arxiv.org/abs/1804.00891.
    """

    noise = "uniform"
    support = "vectors of length one"
    measure = "sphere"
    location_is_mean = False

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1 or self.event_shape[0] < 2:
            raise ValueError(
                "`event_shape` of VonMisesFisher must have one axis of at least two "
                f"dimensions. Received: {event_shape!r}."
            )

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return (1 + 2 * (self.event_shape[0] // 2),)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"mean_direction": self.event_shape, "concentration": ()}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            "mean_direction": direction(raw["mean_direction"]),
            "concentration": positive(raw["concentration"]),
        }

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return VonMisesFisherDistribution(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `mean_direction` [*batch, D] and `concentration` [*batch]."""
        return {"mean_direction": q.mean_direction, "concentration": q.concentration}

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the mean direction, whose location is on the sphere: [*batch, D].

        The mean lies inside of the sphere, nearer to its centre the smaller the
        concentration is.
        """
        return q.mean_direction

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return q.transform(noise)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(x, tf.float64)
        allowed = LONGEST_ERROR
        dtype = tf.as_dtype(x.dtype)
        if dtype.is_floating:
            allowed = max(allowed, 8 * float(np.finfo(dtype.as_numpy_dtype).eps))
        error = tf.abs(tf.norm(wide, axis=-1, keepdims=True) - 1)
        return tf.broadcast_to(error <= allowed, tf.shape(x))


LONGEST_ERROR = 1e-5
"""How far from one the length of a unit vector may be, half precision apart."""
