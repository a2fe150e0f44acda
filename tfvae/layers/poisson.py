"""Poisson distributions with independent elements."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import Poisson as PoissonDistribution
from tfvae.distributions import draws
from tfvae.layers.counts import CountsLayer

__all__ = ["Poisson"]


@keras.saving.register_keras_serializable("tfvae")
class Poisson(CountsLayer):
    """Independent Poisson counts.

        log p(x) = sum_i [ x_i log(rate_i) - rate_i - log(x_i!) ]

    Rates are `softplus(raw) + 1e-6`, or shares of the observed total. A draw is the
    smallest count whose distribution function exceeds a uniform number: it carries no
    gradient.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        library_size: None; or "observed", for rates that are the total of the example
            times a softmax over the event, so that log p(x) is conditional on the
            total. Without data, as in samples of a model, it is the one that
            training has seen, averaged on a log scale. Default: None.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `library_size` is neither.

    Example:
    >>> layer = tfvae.layers.Poisson(3)
    >>> p = layer(keras.ops.ones((2, 10)))
    >>> p.mean().shape
    TensorShape([2, 3])
    """

    draw_size = 0

    def _elements(self, parameters: dict[str, tf.Tensor]) -> tfd.Distribution:
        return PoissonDistribution(**parameters)

    def _draw(self, elements: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
        return draws.poisson(noise, elements.rate)
