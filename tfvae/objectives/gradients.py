"""Gradient estimators: what is differentiated so that a bound F(v) rises.

v [S, B] are the values of the draws z = g(noise; phi), such as log weights, phi the
parameters of q and theta all others. For every F of `weightings` the total derivative
in phi is

    sum_s F_s (dv_s/dz dz/dphi - dlog q(z_s)/dphi),    F_s = dF/dv_s

reparameterized  as it stands.
stl              without the score dlog q/dphi ("sticking the landing"). Its expectation
                 is zero if F_s does not depend on z_s, as for the ELBO; elsewhere the
                 estimator is biased, and the less the more the posterior fits.
dreg             the score reparameterised once more, so that it leaves
                 sum_s (F_s - dF_s/dv_s) dv_s/dz dz/dphi, unbiased for every F.
score            no derivative of z at all, for draws that have none:
                 sum_s (F(v) - F(v with v_s replaced)) dlog q(z_s)/dphi + dF(v)/dphi,
                 where the mean of the other draws takes the place of v_s (VIMCO).

References: Roeder, Wu and Duvenaud, "Sticking the landing", 2017,
https://arxiv.org/abs/1703.09194; Tucker et al., "Doubly reparameterized gradient
estimators for Monte Carlo objectives", 2019, https://arxiv.org/abs/1810.04152; Mnih and
Rezende, "Variational inference for Monte Carlo objectives", 2016,
https://arxiv.org/abs/1602.06725.
"""

from collections.abc import Callable

import tensorflow as tf

from tfvae.objectives.terms import Terms
from tfvae.objectives.weightings import Weighting

__all__ = ["GRADIENTS", "encoder_surrogate", "surrogate"]

GRADIENTS = ("reparameterized", "stl", "dreg", "score")

Values = Callable[[tf.Tensor], tf.Tensor]


def surrogate(
    gradient: str, weighting: Weighting, values: Values, terms: Terms
) -> tf.Tensor:
    """Returns what rises with the bound along the gradient of theta, [B].

    Args:
        gradient: One of `GRADIENTS`.
        weighting: F.
        values: Maps log q(z|x) at the draws, [S, B], to their values v, [S, B].
        terms: The terms of the batch.
    """
    if gradient in ("reparameterized", "dreg"):
        return weighting.value(values(terms.log_posterior))
    if gradient == "stl":
        return weighting.value(values(terms.log_posterior_detached))
    v = values(terms.log_posterior)
    signal = tf.stop_gradient(weighting.value(v) - _left_out(weighting, v))
    return weighting.value(v) + tf.reduce_sum(signal * terms.log_posterior, axis=0)


def encoder_surrogate(
    gradient: str, weighting: Weighting, values: Values, terms: Terms
) -> tf.Tensor:
    """Returns what rises with the bound along the gradient of phi, [B]."""
    if gradient != "dreg":
        return surrogate(gradient, weighting, values, terms)
    v = values(terms.log_posterior_detached)
    once, twice = (tf.stop_gradient(slope) for slope in weighting.slopes(v))
    through_draws = tf.reduce_sum(twice * v, axis=0)
    # A prior may hold the encoder's weights (pseudo-inputs), and has no score.
    log_prior = terms.prior.log_prob(tf.stop_gradient(terms.z))
    return through_draws + tf.reduce_sum((once - twice) * log_prior, axis=0)


def _left_out(weighting: Weighting, v: tf.Tensor) -> tf.Tensor:
    """F(v) with v_s replaced by the mean of the others, for each s: [S, B]."""
    size = tf.shape(v)[0]
    here = tf.eye(size, dtype=tf.bool)[:, :, None]
    # Added up without v_s: it may be minus infinity, which cannot be taken off again.
    others = tf.reduce_sum(tf.where(here, tf.zeros_like(v), v), axis=1)
    others /= tf.cast(size - 1, v.dtype)
    replaced = tf.where(here, others[:, None], v[None])
    return tf.map_fn(weighting.value, replaced)
