"""Normal distributions with independent elements."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import LOG_2PI, MIN_SCALE, positive
from tfvae.distributions import Normal as NormalDistribution
from tfvae.layers.base import DistributionLayer

__all__ = ["Normal"]


@keras.saving.register_keras_serializable("tfvae")
class Normal(DistributionLayer):
    """Independent normals: a Gaussian posterior or a Gaussian likelihood.

        log p(x) = sum_i [ -(x_i - loc_i)^2 / (2 scale_i^2) - log scale_i
                           - 1/2 log(2 pi) ]

    Learned scales are `softplus(raw) + 1e-6`.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        scale: "elementwise", a scale for each element that depends on the features;
            "shared", one trainable number; or a fixed positive number. Default:
            "elementwise".
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `scale` is none of these.

    Example:
    >>> layer = tfvae.layers.Normal(2)
    >>> q = layer(keras.ops.ones((8, 3)))
    >>> q.batch_shape, q.event_shape
    (TensorShape([8]), TensorShape([2]))

    Reference: Kingma and Welling, "Auto-encoding variational Bayes", 2014,
    https://arxiv.org/abs/1312.6114.
    """

    noise = "normal"
    support = "finite real numbers"

    def __init__(
        self,
        event_shape: int | Sequence[int],
        scale: str | float = "elementwise",
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if isinstance(scale, str):
            self.scale = _checks.one_of("scale", scale, ("elementwise", "shared"))
        else:
            self.scale = _checks.finite_number("scale", scale, above=0)

    def _add_weights(self) -> None:
        if self.scale == "shared":
            self.raw_scale = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(RAW_ONE),
                autocast=False,
                name="raw_scale",
            )

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = {"loc": self.event_shape}
        if self.scale == "elementwise":
            shapes["scale"] = self.event_shape
        return shapes

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if self.scale == "elementwise":
            scale = positive(raw["scale"])
        elif self.scale == "shared":
            scale = positive(tf.convert_to_tensor(self.raw_scale))
        else:
            scale = tf.constant(self.scale, raw["loc"].dtype)
        return {"loc": raw["loc"], "scale": scale}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(NormalDistribution(**parameters), len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` [*batch, *event] and `scale`, like `loc` or a scalar."""
        return {"loc": q.distribution.loc, "scale": q.distribution.scale}

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loc, scale = q.distribution.loc, q.distribution.scale
        elements = -0.5 * (tf.square(noise) + LOG_2PI) - tf.math.log(scale)
        axes = list(range(-len(self.event_shape), 0))
        return loc + scale * noise, tf.reduce_sum(elements, axes)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"scale": self.scale}


RAW_ONE = math.log(math.expm1(1 - MIN_SCALE))
"""The raw value of a scale of one, where a shared scale starts."""
