"""Binomial distributions."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.distributions import Binomial as BinomialDistribution
from tfvae.layers.logits import LogitsLayer

__all__ = ["Binomial"]


@keras.saving.register_keras_serializable("tfvae")
class Binomial(LogitsLayer):
    """Independent binomial counts, for whole numbers from 0 to `total_count`.

        log p(x) = sum_i [ log C(n, x_i) + x_i log s(l_i) + (n - x_i) log s(-l_i) ],
        n = total_count, s(l) = 1 / (1 + e^-l)

    A draw is the smallest count whose distribution function exceeds a uniform
    number: it carries no gradient to the logits.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        total_count: The number of trials n, a positive int up to 65,535.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `total_count` is no such int.

    Example:
    >>> layer = tfvae.layers.Binomial((8, 8, 1), total_count=16)
    >>> p = layer(keras.ops.ones((2, 10)))
    >>> p.mean().shape
    TensorShape([2, 8, 8, 1])
    """

    measure = "counting"
    reparameterized = False

    def __init__(
        self, event_shape: int | Sequence[int], total_count: int, **kwargs: Any
    ) -> None:
        super().__init__(event_shape, **kwargs)
        self.total_count = _checks.positive_int("total_count", total_count)
        if self.total_count > MAX_COUNT:
            raise ValueError(
                f"`total_count` must be at most {MAX_COUNT}. Received: {total_count}."
            )

    @property
    def support(self) -> str:  # type: ignore[override]
        """The values that have a density, in words for an error message."""
        return f"whole numbers from 0 to {self.total_count}"

    def _elements(self, logits: tf.Tensor) -> tfd.Distribution:
        return BinomialDistribution(self.total_count, logits)

    def _draw(self, elements: tfd.Distribution, uniform: tf.Tensor) -> tf.Tensor:
        # The masses have an axis more than the result. They are summed to what
        # rounding makes of one, so that the largest uniforms stay below the end.
        counts = tf.range(self.total_count + 1.0, dtype=uniform.dtype)
        mass = self._elements(elements.logits[..., None]).prob(counts)
        reached = tf.cumsum(mass, axis=-1)
        passed = uniform[..., None] * reached[..., -1:] >= reached[..., :-1]
        return tf.reduce_sum(tf.cast(passed, uniform.dtype), axis=-1)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bool:
            return tf.ones_like(x)
        x = tf.cast(x, tf.float64)
        return (x >= 0) & (x <= self.total_count) & (x == tf.floor(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"total_count": self.total_count}


MAX_COUNT = 65_535
"""A table of this many masses is kept in the model."""
