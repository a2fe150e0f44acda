"""Discretized logistic distributions and mixtures of them, for 8-bit images."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import positive
from tfvae.distributions import DiscretizedLogistic as LogisticDistribution
from tfvae.distributions import DiscretizedLogisticMixture as MixtureDistribution
from tfvae.layers.base import DistributionLayer

__all__ = ["DiscretizedLogistic", "DiscretizedLogisticMixture"]


class _Bins(DistributionLayer):
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


@keras.saving.register_keras_serializable("tfvae")
class DiscretizedLogistic(_Bins):
    """Independent whole numbers from 0 to N - 1: rounded logistic variables.

        P(x) = prod_i [ F((x_i + 1/2 - loc_i) / scale_i)
                        - F((x_i - 1/2 - loc_i) / scale_i) ],   F(y) = 1 / (1 + e^-y)

    where the first and the last value take the tails as well. Data are 8-bit images as
    they are, from 0 to 255. A raw location of 0 is the middle of the range and -1 and 1
    are its ends: `loc = (N-1)/2 (1 + raw)`, `scale = (N-1)/2 (softplus(raw) + 1e-6)`.

    A draw is the rounded quantile of a uniform number: it carries no gradient.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        num_bins: The number of values N, an int from 2 to 65,536. Default: 256.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `num_bins` is no such int.

    Example:
    >>> layer = tfvae.layers.DiscretizedLogistic((28, 28, 1))
    >>> layer(keras.ops.ones((8, 200))).mean().shape
    TensorShape([8, 28, 28, 1])

    Reference: Salimans et al., "PixelCNN++: improving the PixelCNN with discretized
    logistic mixture likelihood and other modifications", ICLR 2017,
    https://arxiv.org/abs/1701.05517.
    """

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"loc": self.event_shape, "scale": self.event_shape}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        elements = LogisticDistribution(**parameters, num_bins=self.num_bins)
        return tfd.Independent(elements, len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` and `scale` [*batch, *event], in units of the values."""
        return {"loc": q.distribution.loc, "scale": q.distribution.scale}


@keras.saving.register_keras_serializable("tfvae")
class DiscretizedLogisticMixture(_Bins):
    """Independent whole numbers from 0 to N - 1: mixtures of rounded logistics.

        P(x) = prod_i sum_j softmax(logits_i)_j P(x_i; loc_ij, scale_ij)

    with the masses and the raw numbers of `DiscretizedLogistic`. Each element has J
    components of its own, independent of the other elements: the channels of a pixel
    are not conditioned on each other, as they are in PixelCNN++.

    A draw takes two uniform numbers, for the component and for its quantile, and
    carries no gradient.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        num_components: The number of components J, a positive int. Default: 10.
        num_bins: The number of values N, an int from 2 to 65,536. Default: 256.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `num_components` or `num_bins` is no such int.

    Example:
    >>> layer = tfvae.layers.DiscretizedLogisticMixture((28, 28, 1), num_components=5)
    >>> layer(keras.ops.ones((8, 28, 28, 16))).mean().shape
    TensorShape([8, 28, 28, 1])

    Reference: Salimans et al., "PixelCNN++: improving the PixelCNN with discretized
    logistic mixture likelihood and other modifications", ICLR 2017,
    https://arxiv.org/abs/1701.05517.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_components: int = 10,
        num_bins: int = 256,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, num_bins=num_bins, **kwargs)
        self.num_components = _checks.positive_int("num_components", num_components)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Two uniform numbers for each element."""
        return (*self.event_shape, 2)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (*self.event_shape, self.num_components)
        return {"logits": shape, "loc": shape, "scale": shape}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        elements = MixtureDistribution(**parameters, num_bins=self.num_bins)
        return tfd.Independent(elements, len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `logits`, `loc` and `scale`, each [*batch, *event, J]."""
        elements = q.distribution
        return {
            "logits": elements.logits,
            "loc": elements.loc,
            "scale": elements.scale,
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"num_components": self.num_components}


MAX_BINS = 65_536
"""The moments hold the masses of all bins in memory."""
