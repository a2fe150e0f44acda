"""Discretized logistic distributions, for 8-bit images."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import DiscretizedLogistic as LogisticDistribution
from tfvae.layers.bins import BinsLayer

__all__ = ["DiscretizedLogistic"]


@keras.saving.register_keras_serializable("tfvae")
class DiscretizedLogistic(BinsLayer):
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
