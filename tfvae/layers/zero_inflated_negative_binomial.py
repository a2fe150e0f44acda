"""Negative binomial distributions with additional zeros and independent elements."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.distributions import draws
from tfvae.layers.counts import OverdispersedLayer

__all__ = ["ZeroInflatedNegativeBinomial"]


@keras.saving.register_keras_serializable("tfvae")
class ZeroInflatedNegativeBinomial(OverdispersedLayer):
    """Independent counts: zero with some probability, otherwise negative binomial.

        log p(x) = sum_i log( s(l_i) [x_i = 0] + s(-l_i) NB(x_i; m_i, r_i) ),
        s(l) = 1 / (1 + e^-l),   l = inflation_logits, m = rate, r = total_count

    Rates are `softplus(raw) + 1e-6`, or shares of the observed total; they are the
    means of the counts before zeros are added. Inverse dispersions are
    `softplus(raw) + 1e-6`. A draw carries no gradient.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        dispersion: "elementwise", an inverse dispersion for each element that depends
            on the features, or "shared", one trainable number for each element, the
            same for all examples. Default: "elementwise".
        library_size: None; or "observed", for rates that are the total of the example
            times a softmax over the event, so that log p(x) is conditional on the
            total. Without data, as in samples of a model, it is the one that
            training has seen, averaged on a log scale. Default: None.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `dispersion` or `library_size` is none of these.

    Example:
    >>> layer = tfvae.layers.ZeroInflatedNegativeBinomial(
    ...     2000, dispersion="shared", library_size="observed"
    ... )
    >>> p = layer(keras.ops.ones((4, 10)))
    >>> p.batch_shape, p.event_shape
    (TensorShape([4]), TensorShape([2000]))

    Reference: Lopez, Regier, Cole, Jordan and Yosef, "Deep generative modeling for
    single-cell transcriptomics", Nature Methods 2018,
    https://arxiv.org/abs/1709.02082.
    """

    draw_size = draws.GAMMA_NOISE + 2

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return super()._raw_shapes() | {"inflation_logits": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        logits = raw["inflation_logits"]
        return super()._constrain(raw) | {"inflation_logits": logits}

    def _names(self) -> tuple[str, ...]:
        return (*super()._names(), "inflation_logits")

    def _elements(self, parameters: dict[str, tf.Tensor]) -> tfd.Distribution:
        return distributions.ZeroInflatedNegativeBinomial(**parameters)

    def _draw(self, elements: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
        return elements.from_noise(noise)
