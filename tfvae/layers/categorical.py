"""Categorical distributions over the indices of classes."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.distributions import Categorical as CategoricalDistribution
from tfvae.distributions.choice import choose
from tfvae.layers.base import DistributionLayer

__all__ = ["Categorical"]


@keras.saving.register_keras_serializable("tfvae")
class Categorical(DistributionLayer):
    """Independent classes, for data that hold the index of one at each position.

        log p(x) = sum_i log softmax(logits_i)[x_i]

    Values are whole numbers from 0 to K - 1 that have no order: there is no mean and
    no standard deviation, and `location` is the most probable class. Draws have the
    dtype of the layer and carry no gradient to the logits.

    Features [B, *event_shape, F], such as the segmentation map that a convolution
    leaves, are projected to the K logits of each position along the last axis.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        num_classes: The number of classes K, an int of at least 2.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `num_classes` is no such int.

    Example:
    >>> layer = tfvae.layers.Categorical((8, 8), num_classes=5)
    >>> p = layer(keras.ops.ones((2, 8, 8, 16)))
    >>> p.log_prob(keras.ops.zeros((2, 8, 8))).shape
    TensorShape([2])
    """

    noise = "uniform"
    measure = "counting"
    reparameterized = False
    location_is_mean = False

    def __init__(
        self, event_shape: int | Sequence[int], num_classes: int, **kwargs: Any
    ) -> None:
        super().__init__(event_shape, **kwargs)
        self.num_classes = _checks.positive_int("num_classes", num_classes)
        if self.num_classes < 2:
            raise ValueError(
                f"`num_classes` must be at least 2. Received: {num_classes!r}."
            )

    @property
    def support(self) -> str:  # type: ignore[override]
        """The values that have a density, in words for an error message."""
        return f"whole numbers from 0 to {self.num_classes - 1}"

    def _lead(self) -> tuple[int, ...]:
        return self.event_shape

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"logits": (*self.event_shape, self.num_classes)}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return raw

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        logits = parameters["logits"]
        elements = CategoricalDistribution(logits, dtype=logits.dtype)
        return tfd.Independent(elements, len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `logits` [*batch, *event, K]."""
        return {"logits": q.distribution.logits}

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the location, the most probable class: [*batch, *event]."""
        logits = q.distribution.logits
        return tf.cast(tf.argmax(logits, axis=-1), logits.dtype)

    def stddev(self, q: tfd.Distribution) -> None:
        """Returns None: the numbers of classes have no distances."""

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        classes = tf.range(self.num_classes, dtype=noise.dtype)
        chosen = choose(q.distribution.logits, noise)
        x = tf.reduce_sum(chosen * classes, axis=-1)
        return x, q.log_prob(x)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float64)
        return (x >= 0) & (x < self.num_classes) & (x == tf.floor(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"num_classes": self.num_classes}
