"""Draws of gamma, beta and count variables as functions of uniform noise.

The same numbers go in and the same draws come out in a graph, under XLA and in LiteRT:
there are no loops and no random operations, only fixed numbers of vectorised steps.
Noise has one axis more than the parameters, which it broadcasts against.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfvae._builtins import log1p
from tfvae.distributions.implicit import beta_slopes, gamma_slope, gamma_tail
from tfvae.distributions.saddle_point import deviance, log1p_error, stirling_error

__all__ = [
    "BETA_NOISE",
    "GAMMA_NOISE",
    "beta_logit",
    "log_gamma",
    "negative_binomial",
    "poisson",
]

PROPOSALS = 8
"""The chance that all are rejected is below 0.053^8 < 1e-10; then the mode is drawn."""

RAISED = 0.95
"""Concentrations below it are raised by one. At 1, where many a layer begins, rounding
would decide, and the draws of two runtimes would differ."""

GAMMA_NOISE = 2 * PROPOSALS + 1
BETA_NOISE = 2 * GAMMA_NOISE

WINDOW = 20
"""Counts from which a Poisson draw is chosen: the quantile is among them."""

FEW, MANY = 1.5, 10.0
"""Below the one rate the window begins at zero; above the other it begins so close to
the quantile that rounding does no harm."""


def log_gamma(noise: tf.Tensor, concentration: tf.Tensor) -> tf.Tensor:
    """Returns the logarithm of a draw of Gamma(concentration, 1).

    Marsaglia and Tsang's rejection with `PROPOSALS` proposals; concentrations below
    `RAISED` are raised by one, and the draw is multiplied by `u^(1 / concentration)`.
    The gradient is that of the quantile.

    Args:
        noise: Uniforms on (0, 1), [..., GAMMA_NOISE].
        concentration: Positive numbers, broadcast against [...].

    Reference: Marsaglia and Tsang, "A simple method for generating gamma variables",
    ACM Transactions on Mathematical Software 2000.
    """
    value = _log_gamma(noise, tf.stop_gradient(concentration))
    return _with_gamma_slope(value, concentration + tf.zeros_like(value))


def _log_gamma(noise: tf.Tensor, concentration: tf.Tensor) -> tf.Tensor:
    normals = _normals(noise[..., :PROPOSALS])
    levels, boost = noise[..., PROPOSALS : 2 * PROPOSALS], noise[..., -1]
    small = concentration < RAISED
    raised = tf.where(small, concentration + 1, concentration)
    d = raised - 1 / 3
    t = normals / tf.sqrt(9 * d)[..., None]
    inside = t > -1
    t = tf.where(inside, t, tf.zeros_like(t))
    # x^2 / 2 + d (1 - v + log v) for v = (1 + t)^3, x^2 = 9 d t^2, without cancelling.
    bound = tf.square(t) * (1.5 - t) + 3 * log1p_error(t, 1 + t)
    accepted = tf.cast(
        inside & (tf.math.log(levels) < d[..., None] * bound), noise.dtype
    )
    first = accepted * tf.cast(tf.cumsum(accepted, axis=-1) < 1.5, noise.dtype)
    log_v = tf.reduce_sum(first * 3 * log1p(t), axis=-1)
    lifted = tf.math.log(boost) / tf.minimum(concentration, 1)
    return tf.math.log(d) + log_v + tf.where(small, lifted, 0.0)


@tf.custom_gradient
def _with_gamma_slope(
    value: tf.Tensor, concentration: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.zeros_like(value), upstream * gamma_slope(value, concentration)

    return tf.identity(value), gradient


def beta_logit(noise: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Returns log(x / (1 - x)) of a draw x of Beta(a, b), the odds of two gammas.

    The gradient is that of the quantile.

    Args:
        noise: Uniforms on (0, 1), [..., BETA_NOISE].
        a: Positive numbers, broadcast against [...].
        b: Positive numbers, broadcast against [...].
    """
    one, other = noise[..., :GAMMA_NOISE], noise[..., GAMMA_NOISE:]
    value = _log_gamma(one, tf.stop_gradient(a))
    value -= _log_gamma(other, tf.stop_gradient(b))
    zero = tf.zeros_like(value)
    return _with_beta_slopes(value, a + zero, b + zero)


@tf.custom_gradient
def _with_beta_slopes(
    value: tf.Tensor, a: tf.Tensor, b: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        in_a, in_b = beta_slopes(value, a, b)
        return tf.zeros_like(value), upstream * in_a, upstream * in_b

    return tf.identity(value), gradient


def poisson(uniform: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    """Returns the smallest count whose distribution function exceeds a uniform number.

    It is one of `WINDOW` counts around an approximate quantile, whose masses are summed
    up from the exact distribution function below them. It carries no gradient.

    Args:
        uniform: Uniforms on (0, 1), [...].
        rate: Numbers from 0, broadcast against [...].
    """
    uniform, rate = tf.stop_gradient(uniform), tf.stop_gradient(rate)
    z = _approximate_normal(uniform)
    guess = rate + tf.sqrt(rate) * z + (tf.square(z) - 1) / 6
    start = tf.maximum(tf.floor(guess) - WINDOW // 2, 0)
    start = tf.where(rate < FEW, tf.zeros_like(start), start)

    # P(X < start) = P(Gamma(start) > rate), and the mass of `start`.
    a, m = tf.maximum(start, 1), tf.maximum(rate, FEW)
    scaled = tf.exp(-deviance(a, m) - stirling_error(a)) * tf.sqrt(a / (2 * math.pi))
    tail, upper = gamma_tail(a, m)
    tail *= scaled
    left = tf.where(upper, uniform - tail, tail - (1 - uniform))
    left = tf.where(start > 0, left, uniform)
    mass = tf.where(start > 0, scaled / a, tf.exp(-rate))

    # Rounded sums may end below the largest uniforms: where the masses fall fast, what
    # is left is nothing once the next one is.
    nothing = np.finfo(left.dtype.as_numpy_dtype).epsneg / 8
    count, reached = start, tf.zeros_like(left)
    for j in range(WINDOW):
        reached += mass
        mass *= rate / (start + (j + 1))
        more = (rate > MANY) | (mass > nothing) | (rate > start + j)
        count += tf.cast((reached <= left) & more, count.dtype)
    return count


def negative_binomial(
    noise: tf.Tensor, rate: tf.Tensor, total_count: tf.Tensor
) -> tf.Tensor:
    """Returns a Poisson draw whose rate is a gamma draw with the mean `rate`.

    Args:
        noise: Uniforms on (0, 1), [..., GAMMA_NOISE + 1].
        rate: Numbers from 0, broadcast against [...].
        total_count: Positive concentrations of the gamma, broadcast against [...].
    """
    rate, total_count = tf.stop_gradient(rate), tf.stop_gradient(total_count)
    drawn = tf.exp(_log_gamma(noise[..., 1:], total_count)) * (rate / total_count)
    return poisson(noise[..., 0], drawn)


def _normals(uniforms: tf.Tensor) -> tf.Tensor:
    """Standard normals [..., n] of as many uniforms (Box and Muller, both of each)."""
    u, v = tf.split(uniforms, 2, axis=-1)
    radius, angle = tf.sqrt(-2 * tf.math.log(u)), 2 * math.pi * v
    return tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=-1)


def _approximate_normal(u: tf.Tensor) -> tf.Tensor:
    """The normal quantile up to 1e-9 of itself (Acklam's rational functions)."""
    smaller, centre = tf.minimum(u, 1 - u), u - 0.5
    t, square = tf.sqrt(-2 * tf.math.log(smaller)), tf.square(centre)
    tail = _polynomial(TAIL[0], t) / _polynomial(TAIL[1], t)
    middle = centre * _polynomial(MIDDLE[0], square) / _polynomial(MIDDLE[1], square)
    return tf.where(smaller < 0.02425, tf.where(u < 0.5, tail, -tail), middle)


def _polynomial(coefficients: tuple[float, ...], x: tf.Tensor) -> tf.Tensor:
    value = tf.zeros_like(x)
    for coefficient in coefficients:
        value = value * x + coefficient
    return value


TAIL = (
    (
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e00,
        -2.549732539343734e00,
        4.374664141464968e00,
        2.938163982698783e00,
    ),
    (
        7.784695709041462e-03,
        3.224671290700398e-01,
        2.445134137142996e00,
        3.754408661907416e00,
        1.0,
    ),
)
MIDDLE = (
    (
        -3.969683028665376e01,
        2.209460984245205e02,
        -2.759285104469687e02,
        1.383577518672690e02,
        -3.066479806614716e01,
        2.506628277459239e00,
    ),
    (
        -5.447609879822406e01,
        1.615858368580409e02,
        -1.556989798598866e02,
        6.680131188771972e01,
        -1.328068155288572e01,
        1.0,
    ),
)
