"""Normal distributions that a Householder flow gives a full covariance."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import positive
from tfvae.distributions import MultivariateNormalHouseholder
from tfvae.layers.base import DistributionLayer
from tfvae.layers.directions import direction

__all__ = ["HouseholderFlow"]


@keras.saving.register_keras_serializable("tfvae")
class HouseholderFlow(DistributionLayer):
    """A normal with independent elements, reflected at planes that the features choose.

        z = H_K ... H_1 (loc + scale * eps),   H_k = I - 2 v_k v_k^T

    A Gaussian with the covariance H diag(scale^2) H^T. Reflections keep volumes, so
    that its density is that of eps over the product of the scales. With as many
    reflections as dimensions less one it is any Gaussian.

    Scales are `softplus(raw) + 1e-6`. The vectors v_k are raw vectors divided by their
    lengths; one shorter than 1e-6 has its first element raised by 2e-6, so that zero
    stands for the first axis. All of them come from the features, where the paper makes
    each from the one before.

    Args:
        event_shape: The number of dimensions D, an int or a sequence of one.
        num_reflections: The number K of reflections, a positive int. Default: 4.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> layer = tfvae.layers.HouseholderFlow(3, num_reflections=2)
    >>> layer(keras.ops.ones((8, 5))).covariance().shape
    TensorShape([8, 3, 3])

    Reference: Tomczak and Welling, "Improving variational auto-encoders using
    Householder flow", 2016, https://arxiv.org/abs/1611.09630.
    """

    noise = "normal"
    support = "finite real numbers"

    def __init__(
        self, event_shape: int | Sequence[int], num_reflections: int = 4, **kwargs: Any
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1:
            raise ValueError(
                "`event_shape` of HouseholderFlow must have one axis. "
                f"Received: {event_shape!r}."
            )
        self.num_reflections = _checks.positive_int("num_reflections", num_reflections)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "loc": self.event_shape,
            "scale": self.event_shape,
            "reflections": (self.num_reflections, *self.event_shape),
        }

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            "loc": raw["loc"],
            "scale": positive(raw["scale"]),
            "reflections": direction(raw["reflections"]),
        }

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return MultivariateNormalHouseholder(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` and `scale` [*batch, D] and `reflections` [*batch, K, D]."""
        return {"loc": q.loc, "scale": q.scale, "reflections": q.reflections}

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return q.transform(noise)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"num_reflections": self.num_reflections}
