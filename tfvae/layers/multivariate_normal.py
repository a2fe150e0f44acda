"""Normal distributions with a full covariance."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import LOG_2PI, positive
from tfvae.distributions import MultivariateNormalTriL as TriLDistribution
from tfvae.layers.base import DistributionLayer

__all__ = ["MultivariateNormalTriL"]


@keras.saving.register_keras_serializable("tfvae")
class MultivariateNormalTriL(DistributionLayer):
    """A multivariate normal with a full covariance L L^T, L lower triangular.

        log p(x) = -1/2 |L^-1 (x - loc)|^2 - sum_i log L_ii - D/2 log(2 pi)

    The diagonal of L is `softplus(raw) + 1e-6`; the elements below it are free.

    Args:
        event_shape: The number of dimensions D, an int or a sequence of one.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If the event shape has more than one axis.

    Example:
    >>> layer = tfvae.layers.MultivariateNormalTriL(3)
    >>> layer(keras.ops.ones((8, 5))).covariance().shape
    TensorShape([8, 3, 3])
    """

    noise = "normal"
    support = "finite real numbers"

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1:
            raise ValueError(
                "`event_shape` of MultivariateNormalTriL must have one axis. "
                f"Received: {event_shape!r}."
            )

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        (size,) = self.event_shape
        return {"loc": (size,), "scale_tril": (size * (size + 1) // 2,)}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # A gather and two masks instead of FillScaleTriL, for LiteRT's builtins.
        (size,) = self.event_shape
        rows, columns = np.tril_indices(size)
        place = np.zeros((size, size), np.int32)
        place[rows, columns] = np.arange(len(rows))
        square = tf.gather(raw["scale_tril"], place, axis=-1)
        below = tf.constant(np.tril(np.ones((size, size)), -1), square.dtype)
        diagonal = tf.constant(np.eye(size), square.dtype)
        scale_tril = square * below + positive(square) * diagonal
        return {"loc": raw["loc"], "scale_tril": scale_tril}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return TriLDistribution(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` [*batch, D] and `scale_tril` [*batch, D, D]."""
        return {"loc": q.loc, "scale_tril": q.scale_tril}

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        (size,) = self.event_shape
        scale_tril = q.scale_tril
        diagonal = tf.reduce_sum(scale_tril * tf.eye(size, dtype=noise.dtype), axis=-1)
        elements = -0.5 * (tf.square(noise) + LOG_2PI) - tf.math.log(diagonal)
        return q.loc + tf.linalg.matvec(scale_tril, noise), tf.reduce_sum(elements, -1)
