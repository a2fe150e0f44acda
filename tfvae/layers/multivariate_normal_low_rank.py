"""Normal distributions with a diagonal and a low-rank part of the covariance."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import positive
from tfvae.distributions import MultivariateNormalLowRank as LowRankDistribution
from tfvae.layers.base import DistributionLayer

__all__ = ["MultivariateNormalLowRank"]


@keras.saving.register_keras_serializable("tfvae")
class MultivariateNormalLowRank(DistributionLayer):
    """A multivariate normal with the covariance diag(d^2) + U U^T, U of R columns.

        x = loc + d e + U f,   e of D and f of R standard normals

    It has D (2 + R) parameters, where a full covariance has about D^2 / 2. The scales
    d are `softplus(raw) + 1e-6`; U is free. The time for a density grows with D R^2.

    Args:
        event_shape: The number of dimensions D, an int or a sequence of one.
        rank: The number of columns R, a positive int.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If the event shape has more than one axis, or `rank` is no such int.

    Example:
    >>> layer = tfvae.layers.MultivariateNormalLowRank(20, rank=2)
    >>> layer(keras.ops.ones((8, 5))).covariance().shape
    TensorShape([8, 20, 20])

    Reference: Rezende, Mohamed and Wierstra, "Stochastic backpropagation and
    approximate inference in deep generative models", ICML 2014,
    https://arxiv.org/abs/1401.4082.
    """

    noise = "normal"
    support = "finite real numbers"

    def __init__(
        self, event_shape: int | Sequence[int], rank: int, **kwargs: Any
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1:
            raise ValueError(
                "`event_shape` of MultivariateNormalLowRank must have one axis. "
                f"Received: {event_shape!r}."
            )
        self.rank = _checks.positive_int("rank", rank)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One normal for each dimension, and then one for each column."""
        (size,) = self.event_shape
        return (size + self.rank,)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        (size,) = self.event_shape
        return {
            "loc": (size,),
            "scale_diag": (size,),
            "scale_factor": (size, self.rank),
        }

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return raw | {"scale_diag": positive(raw["scale_diag"])}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return LowRankDistribution(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc`, `scale_diag` [*batch, D] and `scale_factor` [*batch, D, R]."""
        return {
            "loc": q.loc,
            "scale_diag": q.scale_diag,
            "scale_factor": q.scale_factor,
        }

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return q.draw(noise)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"rank": self.rank}
