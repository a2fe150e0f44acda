"""Categorical distributions over one-hot vectors."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions.choice import choose, softmax
from tfvae.layers.base import DistributionLayer

__all__ = ["OneHotCategorical"]


@keras.saving.register_keras_serializable("tfvae")
class OneHotCategorical(DistributionLayer):
    """Independent one-hot vectors along the last axis of the event.

        log p(x) = sum_i sum_k x_ik log softmax(logits_i)_k

    The mean is the vector of probabilities. Draws carry no gradient to the logits.

    Args:
        event_shape: Shape of one event, the number of classes last, at least 2: a
            positive int or a non-empty sequence.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If there are fewer than two classes.

    Example:
    >>> layer = tfvae.layers.OneHotCategorical((6, 4))
    >>> q = layer(keras.ops.zeros((2, 10)))
    >>> q.mean()[0, 0].numpy()
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """

    noise = "uniform"
    measure = "counting"
    reparameterized = False
    support = "vectors with a single 1 and zeros elsewhere, along the last axis"

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(event_shape, **kwargs)
        if self.event_shape[-1] < 2:
            raise ValueError(
                "`event_shape` of OneHotCategorical must end in at least two classes. "
                f"Received: {event_shape!r}."
            )

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One uniform number for each vector."""
        return self.event_shape[:-1]

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"logits": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return raw

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        logits = parameters["logits"]
        vectors = tfd.OneHotCategorical(logits, dtype=logits.dtype)
        return tfd.Independent(vectors, len(self.event_shape) - 1)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `logits` [*batch, *event]."""
        return {"logits": q.distribution.logits}

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the location, the mean softmax(logits): [*batch, *event]."""
        return softmax(q.distribution.logits)

    def stddev(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the standard deviations sqrt(p (1 - p)): [*batch, *event]."""
        mean = self.location(q)
        return tf.sqrt(mean * (1 - mean))

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = choose(q.distribution.logits, noise)
        return x, q.log_prob(x)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float64)
        valid = tf.reduce_all((x == 0) | (x == 1), axis=-1, keepdims=True)
        valid &= tf.reduce_sum(x, axis=-1, keepdims=True) == 1
        return tf.broadcast_to(valid, tf.shape(x))
