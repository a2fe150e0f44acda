"""Log p(x) without draws, of models that are linear or have few latents."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.evidence._linear_gaussian import linear_gaussian
from tfvae.evidence._model import (
    draw_prior,
    has_real_latents,
    log_joint,
    numpy64,
    once,
    over_examples,
    require_real_latents,
    rows_at_once,
)
from tfvae.evidence._quadrature import log_integral

__all__ = ["exact", "has_exact"]

_MOST_LATENTS = 2
_STARTS = 100
_EXAMPLES = {1: 64, 2: 4}
_TOLERANCE = 1e-6
"""Nats. A smooth integrand is far below when the last doubling changes less."""


def exact(vae: Any, x: Any) -> np.ndarray:
    """Returns log p(x) without draws, for models where that can be had.

        log p(x) = log integral of p(x|z) p(z) dz

    A linear-Gaussian model, whose decoder is affine in z with a constant Gaussian
    noise and whose prior is Gaussian, has a closed form. It is recognised by decoding
    some latents:

        p(x) = N(b + W m, W C W^T + R),   p(x|z) = N(W z + b, R),   p(z) = N(m, C)

    A model is not called linear where the location of its likelihood departs from
    W z + b by a thousandth of the noise, be it by rounding.

    The integral of another model is computed by quadrature, for one or two latents.
    The sums are in float64; the integrand is as precise as the dtype of the model. All
    modes of p(x, z) are found that show on the way to them: along each axis, z is
    searched at 129 places, or at 33 for two latents, then at twice as many and more
    until the integral stays as it is, and from draws of q(z|x) and p(z). A mode may be
    as narrow as it likes where log p(x, z) climbs towards it from one place to the
    next; a spike between two places, of which neither they nor the draws know, is left
    out. So is a mode farther out than all draws, behind a trough of 45 nats or more: it
    has cost hundredths of a nat for decoders that oscillate with small noise.

    Args:
        vae: The `tfvae.VAE`.
        x: Data [N, *event] in the support of the likelihood.

    Returns:
        An array [N], nats, float64.

    Raises:
        ValueError: If `x` is not such data, the model is not linear and has more than
            two latents or latents that do not take all real values, or the integral
            does not settle: p(x, z) is too narrow for millions of places, not smooth,
            rounded too coarsely, or has too heavy tails.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(3)])
    >>> linear = tfvae.layers.Normal(4, scale=1.0, kernel_initializer="zeros")
    >>> decoder = keras.Sequential([keras.Input((3,)), linear])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> tfvae.evidence.exact(vae, np.zeros((1, 4)))
    array([-3.6758])

    Reference: Tipping and Bishop, "Probabilistic principal component analysis", 1999,
    https://doi.org/10.1111/1467-9868.00196; Trefethen and Weideman, "The exponentially
    convergent trapezoidal rule", 2014, https://doi.org/10.1137/130932132.
    """
    x = vae._check(x)
    linear = linear_gaussian(vae)
    if linear is not None:
        return linear.log_prob(numpy64(x).reshape(len(x), -1))
    size = math.prod(vae.posterior_layer.event_shape)
    if size > _MOST_LATENTS:
        raise ValueError(
            f"`exact` needs a model that is linear and Gaussian, or one with at most "
            f"{_MOST_LATENTS} latents. This one is not linear and has {size}. Use "
            "tfvae.evidence.importance or tfvae.evidence.annealed."
        )
    require_real_latents(vae, "exact")
    return _by_quadrature(vae, x, size)


def has_exact(vae: Any) -> bool:
    """Returns whether `exact` takes this model."""
    size = math.prod(vae.posterior_layer.event_shape)
    few = size <= _MOST_LATENTS and has_real_latents(vae)
    return few or linear_gaussian(vae) is not None


def _by_quadrature(vae: Any, x: tf.Tensor, size: int) -> np.ndarray:
    latent = vae.posterior_layer.event_shape
    log_density, starts = once(vae, _log_density), once(vae, _starts)

    dtype, step = x.dtype.as_numpy_dtype, rows_at_once(vae, 1)
    rounding = 4 * float(np.finfo(dtype).eps)

    def part(
        x: tf.Tensor, labels: np.ndarray, seed: tf.Tensor
    ) -> tuple[np.ndarray, ...]:
        def log_integrand(rows: np.ndarray, z: np.ndarray) -> np.ndarray:
            z = z.reshape(-1, *latent).astype(dtype)
            parts = (slice(i, i + step) for i in range(0, len(z), step))
            values = [log_density(tf.gather(x, rows[part]), z[part]) for part in parts]
            return np.concatenate([numpy64(value) for value in values])

        points = numpy64(starts(x, seed)).reshape(2 * _STARTS, len(x), size)
        return (log_integral(log_integrand, points, _TOLERANCE, rounding, labels),)

    seed = tf.zeros([2], tf.int32)
    return over_examples(part, _EXAMPLES[size], seed, x, np.arange(len(x)))[0]


def _log_density(vae: Any) -> Any:
    """Returns the function from x [B, *event] and z [B, *latent] to log p(x, z)."""

    @tf.function(autograph=False, reduce_retracing=True)
    def log_density(x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        log_likelihood, log_prior = log_joint(vae, x, z)
        return log_likelihood + log_prior

    return log_density


def _starts(vae: Any) -> Any:
    """Returns a function from x and a seed to draws of q and of p(z), [S, B, ...]."""

    @tf.function(autograph=False, reduce_retracing=True)
    def starts(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        q = vae.encoder(x, training=False)
        layer = vae.posterior_layer
        of_posterior, _ = layer.sample_and_log_prob(q, (_STARTS,), seed)
        of_prior = draw_prior(vae, _STARTS, seed)[:, None]
        return tf.concat([of_posterior, of_prior + tf.zeros_like(of_posterior)], 0)

    return starts
