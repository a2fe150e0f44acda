"""Poisson distributions with additional zeros and independent elements."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import ZeroInflatedPoisson as ZeroInflatedPoissonDistribution
from tfvae.layers.counts import CountsLayer

__all__ = ["ZeroInflatedPoisson"]


@keras.saving.register_keras_serializable("tfvae")
class ZeroInflatedPoisson(CountsLayer):
    """Independent counts: zero with some probability, otherwise a Poisson count.

        log p(x) = sum_i log( s(l_i) [x_i = 0] + s(-l_i) Poisson(x_i; rate_i) ),
        s(l) = 1 / (1 + e^-l),   l = inflation_logits

    Rates are `softplus(raw) + 1e-6`, or shares of the observed total; they are the
    means of the counts before zeros are added. A draw carries no gradient.

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
    >>> layer = tfvae.layers.ZeroInflatedPoisson(3)
    >>> p = layer(keras.ops.ones((2, 10)))
    >>> sorted(layer.parameters(p))
    ['inflation_logits', 'rate']

    Reference: Lambert, "Zero-inflated Poisson regression, with an application to
    defects in manufacturing", Technometrics 1992.
    """

    draw_size = 2

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return super()._raw_shapes() | {"inflation_logits": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        logits = raw["inflation_logits"]
        return super()._constrain(raw) | {"inflation_logits": logits}

    def _names(self) -> tuple[str, ...]:
        return (*super()._names(), "inflation_logits")

    def _elements(self, parameters: dict[str, tf.Tensor]) -> tfd.Distribution:
        return ZeroInflatedPoissonDistribution(**parameters)

    def _draw(self, elements: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
        return elements.from_noise(noise)
