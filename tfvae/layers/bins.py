"""What the layers over the whole numbers 0 .. N-1 share."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import positive
from tfvae.layers.base import DistributionLayer

__all__ = ["BinsLayer"]

MAX_BINS = 65_536
"""The moments hold the masses of all bins in memory."""


class BinsLayer(DistributionLayer):
    """What is common to the layers over the whole numbers 0 .. N-1."""

    noise = "uniform"
    measure = "counting"
    reparameterized = False
    bits_per_dimension = True

    def __init__(
        self, event_shape: int | Sequence[int], num_bins: int = 256, **kwargs: Any
    ) -> None:
        super().__init__(event_shape, **kwargs)
        self.num_bins = _checks.positive_int("num_bins", num_bins)
        if not 2 <= self.num_bins <= MAX_BINS:
            raise ValueError(
                f"`num_bins` must be from 2 to {MAX_BINS}. Received: {num_bins!r}."
            )

    @property
    def support(self) -> str:  # type: ignore[override]
        """The values that have a density, in words for an error message."""
        return f"whole numbers from 0 to {self.num_bins - 1}"

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        half = (self.num_bins - 1) / 2
        loc, scale = half * (1 + raw["loc"]), half * positive(raw["scale"])
        return raw | {"loc": loc, "scale": scale}

    def exported_parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns the parameters, `loc` and `scale` in half ranges.

        From -1 to 1, as the raw numbers are: near the value 0 a `loc` in units of the
        values has no more digits than 255 has.
        """
        half, parameters = (self.num_bins - 1) / 2, self.parameters(q)
        scaled = {
            "loc": parameters["loc"] / half - 1,
            "scale": parameters["scale"] / half,
        }
        return parameters | scaled

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = q.distribution.draw(noise)
        return x, q.log_prob(x)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float64)
        return (x >= 0) & (x < self.num_bins) & (x == tf.floor(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"num_bins": self.num_bins}
