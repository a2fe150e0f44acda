"""Mixtures of discretized logistic distributions, for 8-bit images."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.distributions import DiscretizedLogisticMixture as MixtureDistribution
from tfvae.layers.bins import BinsLayer

__all__ = ["DiscretizedLogisticMixture"]


@keras.saving.register_keras_serializable("tfvae")
class DiscretizedLogisticMixture(BinsLayer):
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
