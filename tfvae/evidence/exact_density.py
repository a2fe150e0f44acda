"""Log p(x) without draws, of models that are linear or have few latents."""

import math
import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.evidence._linear_gaussian import linear_gaussian
from tfvae.evidence._model import (
    as_decoded,
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

__all__ = ["exact", "exact_or_nan", "has_exact"]

_MOST_LATENTS = 2
_STARTS = 100
_REACH = 4.0
"""The search begins with draws of the prior and the same, so many times as far out."""

_FOR_REACH = 10_000
"""Draws of the prior of which the outermost are taken, so that rare components show."""

_EXAMPLES = {1: 64, 2: 4}
_TOLERANCE = 1e-6
"""Nats. A smooth integrand is far below when the last doubling changes less."""

_ALLOWED = 1e-4
"""Nats that the last change of an integral has at most, if it is to be believed."""


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
    searched at 513 places, or at 33 for two latents, then at twice as many and more
    until the integral stays as it is. The search begins four times as far out as 100
    draws of p(z) and as far as the outermost of 10,000, goes on where p(x, z) has mass
    or rises, and returns to where it has some. A mode may be as narrow as it likes
    where log p(x, z) climbs towards it from one place to the next. What is left out is
    a spike between two places, of which neither they nor draws of q(z|x) and p(z) know,
    and a component of the prior that is too rare for those draws and lies far outside.

    An example takes milliseconds where p(x, z) is smooth, and up to a minute with two
    latents and kinks or hundreds of modes.

    Where the last step of that search changes more than 1e-4 nats, and more than
    rounding does, the example has NaN: p(x, z) is too narrow for millions of places,
    has jumps or too heavy tails, or is rounded too coarsely.

    Args:
        vae: The `tfvae.VAE`.
        x: Data [N, *event] in the support of the likelihood.

    Returns:
        An array [N], nats, float64.

    Raises:
        ValueError: If `x` is not such data, or the model is not linear and has more
            than two latents or latents that do not take all real values.

    Warns:
        UserWarning: If examples have NaN.

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
    found = exact_or_nan(vae, vae._check(x))
    lost = np.flatnonzero(np.isnan(found))
    if len(lost):
        warnings.warn(
            f"The integral over z does not settle for {len(lost)} of {len(found)} "
            f"examples, such as that at [{lost[0]}], which have NaN: p(x, z) is too "
            "narrow, has jumps or too heavy tails, or its dtype is too coarse. Use "
            "tfvae.evidence.importance or tfvae.evidence.annealed for them.",
            stacklevel=2,
        )
    return found


def exact_or_nan(vae: Any, x: tf.Tensor) -> np.ndarray:
    """As `exact`, [N] nats, of checked data and without a warning."""
    linear = linear_gaussian(vae)
    if linear is not None:
        return linear.log_prob(numpy64(x).reshape(len(x), -1))
    require_real_latents(vae, "exact")
    size = math.prod(vae.posterior_layer.event_shape)
    if size > _MOST_LATENTS:
        raise ValueError(
            f"`exact` needs a model that is linear and Gaussian, or one with at most "
            f"{_MOST_LATENTS} latents. This one is not linear{_coarse(vae)} and has "
            f"{size}. Use tfvae.evidence.importance or tfvae.evidence.annealed."
        )
    return _by_quadrature(vae, x, size)


def has_exact(vae: Any) -> bool:
    """Returns whether `exact` takes this model."""
    size = math.prod(vae.posterior_layer.event_shape)
    few = size <= _MOST_LATENTS and has_real_latents(vae)
    return few or linear_gaussian(vae) is not None


def _coarse(vae: Any) -> str:
    """Says what rounds even a linear decoder so that it is none."""
    dtype = vae.likelihood_layer.compute_dtype
    return f" (it computes in {dtype})" if dtype in ("float16", "bfloat16") else ""


def _by_quadrature(vae: Any, x: tf.Tensor, size: int) -> np.ndarray:
    latent = vae.posterior_layer.event_shape
    log_density, starts = once(vae, _log_density), once(vae, _starts)

    dtype, step = x.dtype.as_numpy_dtype, rows_at_once(vae, 1)
    rounding = 4 * float(np.finfo(dtype).eps)

    def part(x: tf.Tensor, seed: tf.Tensor) -> tuple[np.ndarray, ...]:
        def log_integrand(rows: np.ndarray, z: np.ndarray) -> np.ndarray:
            z = as_decoded(vae, z.reshape(-1, *latent))
            parts = (slice(i, i + step) for i in range(0, len(z), step))
            values = [log_density(tf.gather(x, rows[part]), z[part]) for part in parts]
            return np.concatenate([numpy64(value) for value in values])

        points = numpy64(starts(x, seed)).reshape(-1, len(x), size)
        return log_integral(log_integrand, points, _TOLERANCE, rounding)

    found, change = over_examples(part, _EXAMPLES[size], tf.zeros([2], tf.int32), x)
    allowed = np.maximum(_ALLOWED, rounding * np.abs(found))
    return np.where(change <= allowed, found, np.nan)


def _log_density(vae: Any) -> Any:
    """Returns the function from x [B, *event] and z [B, *latent] to log p(x, z)."""

    @tf.function(autograph=False, reduce_retracing=True)
    def log_density(x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        log_likelihood, log_prior = log_joint(vae, x, z)
        return log_likelihood + log_prior

    return log_density


def _starts(vae: Any) -> Any:
    """Returns a function from x and a seed to where to begin, [P, B, *latent]."""

    @tf.function(autograph=False, reduce_retracing=True)
    def starts(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        q = vae.encoder(x, training=False)
        layer = vae.posterior_layer
        of_posterior, _ = layer.sample_and_log_prob(q, (_STARTS,), seed)
        of_prior = draw_prior(vae, _FOR_REACH, seed)
        some, flat = of_prior[:_STARTS], tf.reshape(of_prior, (_FOR_REACH, -1))
        ends = tf.concat([tf.argmin(flat, axis=0), tf.argmax(flat, axis=0)], 0)
        center = tf.reduce_mean(some, axis=0)
        farther = center + _REACH * (some - center)
        around = tf.concat([some, farther, tf.gather(of_prior, ends)], 0)[:, None]
        return tf.concat([of_posterior, tf.repeat(around, tf.shape(x)[0], axis=1)], 0)

    return starts
