"""Negative binomial distributions with independent elements."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import NegativeBinomial as NegativeBinomialDistribution
from tfvae.distributions import draws
from tfvae.layers.counts import OverdispersedLayer

__all__ = ["NegativeBinomial"]


@keras.saving.register_keras_serializable("tfvae")
class NegativeBinomial(OverdispersedLayer):
    """Independent counts that vary more than Poisson counts of the same mean.

        log p(x) = sum_i [ log Gamma(x_i + r_i) - log Gamma(r_i) - log(x_i!)
                           + r_i log(r_i / (r_i + m_i)) + x_i log(m_i / (r_i + m_i)) ],
        m = rate, r = total_count;   E[x] = m,  Var[x] = m + m^2 / r

    Rates are `softplus(raw) + 1e-6`, or shares of the observed total; inverse
    dispersions are `softplus(raw) + 1e-6`. A draw is a Poisson draw whose rate is a
    gamma draw: it carries no gradient.

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
    >>> layer = tfvae.layers.NegativeBinomial(
    ...     2000, dispersion="shared", library_size="observed"
    ... )
    >>> p = layer(keras.ops.ones((4, 10)))
    >>> p.batch_shape, p.event_shape
    (TensorShape([4]), TensorShape([2000]))

    Reference: Lopez, Regier, Cole, Jordan and Yosef, "Deep generative modeling for
    single-cell transcriptomics", Nature Methods 2018,
    https://arxiv.org/abs/1709.02082.
    """

    draw_size = draws.GAMMA_NOISE + 1

    def _elements(self, parameters: dict[str, tf.Tensor]) -> tfd.Distribution:
        return NegativeBinomialDistribution(**parameters)

    def _draw(self, elements: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
        return draws.negative_binomial(noise, elements.rate, elements.total_count)
