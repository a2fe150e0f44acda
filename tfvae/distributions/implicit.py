"""Tails of the gamma and the beta distribution, and how their quantiles move.

A draw x of F(x; theta) carries the gradient

    dx / dtheta = -(dF / dtheta) / p(x)

which needs integrals over a tail, such as `int_0^x p(t) / p(x) dt`. In the variable
`s = |log(t / x)|` (of the odds, for the beta) the integrand `e^h(s)` falls from one
with a concave `h`, so that a fixed number of Gauss-Legendre nodes up to where it is
negligible gives all digits. No loop and no special function that XLA or LiteRT lacks.

Reference: Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", NeurIPS
2018, https://arxiv.org/abs/1805.08498.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfvae._builtins import expm1, log1p, softplus
from tfvae.distributions.saddle_point import digamma_error, log_ratio

__all__ = ["beta_slopes", "gamma_slope", "gamma_tail"]

NODES = {tf.float32: (20, 20.0), tf.float64: (40, 38.0)}
"""Number of nodes, and the `-h` at which a tail is cut off."""

SHIFT = 3
"""Concentrations are raised by this much, where the integrand has a single scale."""


def gamma_tail(a: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the tail of Gamma(a, 1) beyond x over `x p(x)`, and whether it is upper.

    It is the smaller one, or nearly: `int_x^inf p` above the mean and `int_0^x p`
    below. For `a >= 1`.
    """
    upper = x > a
    return _gamma_integrals(a, x, upper)[0], upper


def gamma_slope(log_x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
    """Returns d log(x) / da of a draw x of Gamma(a, 1)."""
    # A draw too small for a number of its own counts as a small one, not as zero.
    smallest = np.log(np.finfo(a.dtype.as_numpy_dtype).tiny) + 1
    x = tf.exp(tf.maximum(log_x, smallest))
    upper = x > tf.maximum(a, 1.5)
    # Lower tail: T(a) = (1 + x T(a + 1)) / a by parts, and so for its slope.
    raised = tf.where(upper, a, a + SHIFT)
    tail, slope = _gamma_integrals(raised, x, upper)
    for j in reversed(range(SHIFT)):
        low = a + j
        by_parts = (1 + x * tail) / low
        # The slope without the part `-T / a`, which cancels in the last step.
        rest = x * slope / low
        tail = tf.where(upper, tail, by_parts)
        slope = tf.where(upper, slope, rest if j == 0 else rest - by_parts / low)
    # log(x) - psi(a), where psi(a) = psi(a + 1) - 1/a and the 1/a has cancelled.
    reference = tf.where(upper, a, a + 1)
    centre = log_ratio(x, reference, x - reference) - digamma_error(reference)
    centre += tf.minimum(log_x - smallest, 0)
    value = centre * tail + slope
    return tf.where(upper, value, -value)


def _gamma_integrals(
    a: tf.Tensor, x: tf.Tensor, upper: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Of e^h and of e^h log(t / x), h = -|a - x| s - x (e^+-s - 1 -+ s)."""
    distance, cut = tf.abs(a - x), NODES[a.dtype][1]
    below = _root(distance, x, cut)
    above = 2 * cut / (distance + tf.sqrt(tf.square(distance) + 2 * cut * x))
    for _ in range(3):
        above = tf.minimum(above, log1p(above + cut / x))
    sign = tf.where(upper, tf.ones_like(a), -tf.ones_like(a))

    def exponent(s: tf.Tensor) -> tuple[tf.Tensor, ...]:
        t = sign[..., None] * s
        h = -distance[..., None] * s - x[..., None] * _expm1_error(t)
        return h, t

    return _integrals(exponent, tf.where(upper, above, below))


def beta_slopes(
    logit: tf.Tensor, a: tf.Tensor, b: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns d logit(x) / da and d logit(x) / db of a draw x of Beta(a, b)."""
    x, rest = tf.sigmoid(logit), tf.sigmoid(-logit)
    # The upper tail is the lower one of 1 - x, whose parameters have changed places.
    upper = a * rest < b * x
    turn = [tf.where(upper, one, two) for one, two in ((b, a), (a, b))]
    x, rest = tf.where(upper, rest, x), tf.where(upper, x, rest)
    near, far = _lower_beta_slopes(x, rest, tf.where(upper, -logit, logit), *turn)
    return tf.where(upper, -far, near), tf.where(upper, -near, far)


def _lower_beta_slopes(
    x: tf.Tensor, rest: tf.Tensor, logit: tf.Tensor, a: tf.Tensor, b: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Of the logit, below the mean, in the two parameters; rest = 1 - x."""
    n = a + b
    tail, in_a, in_b = _beta_integrals(x, rest, logit, a + SHIFT, b)
    for j in reversed(range(SHIFT)):
        # T(a, b) = (1 + (a + b) x T(a + 1, b)) / a by parts, and so for its slopes.
        low, total = a + j, n + j
        in_b = x * (tail + total * in_b) / low
        in_a = x * (tail + total * in_a) / low
        tail = (1 + total * x * tail) / low
        if j > 0:
            in_a -= tail / low
    # log(x) - psi(a + 1) + psi(n) and log(1 - x) - psi(b) + psi(n).
    excess = (b * x - a * rest - 1) / (a + 1)
    near = tf.abs(excess) < 0.5
    log_x = -softplus(-logit)
    centre_a = tf.where(
        near,
        log1p(tf.where(near, excess, 0.0)),
        log_x + tf.math.log(n) - tf.math.log(a + 1),
    )
    centre_a += digamma_error(n) - digamma_error(a + 1)
    centre_b = log_ratio(n * rest, b, a * rest - b * x)
    centre_b += digamma_error(n) - digamma_error(b)
    return -(centre_a * tail + in_a), -(centre_b * tail + in_b)


def _beta_integrals(
    x: tf.Tensor, rest: tf.Tensor, logit: tf.Tensor, a: tf.Tensor, b: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Of e^h, e^h log(t / x) and e^h log((1 - t) / (1 - x)).

    h = -(a - n x) s - n (log(1 - x + x e^-s) + x s),  n = a + b
    """
    n, cut = a + b, NODES[a.dtype][1]
    distance = a * rest - b * x
    top = _root(distance, n * x * rest, cut)
    top = tf.minimum(top, (cut + n * softplus(logit)) / a)

    def exponent(s: tf.Tensor) -> tuple[tf.Tensor, ...]:
        share, other = x[..., None], rest[..., None]
        # log(1 - x + x e^-s) = log((1 - x) e^s + x) - s, where the term is small.
        step = share * expm1(-s)
        growth = other * expm1(tf.minimum(s, 80.0))
        falls, grows = step > -0.5, (other < share) & (growth < 1)
        fall = tf.where(
            falls,
            log1p(tf.where(falls, step, 0.0)),
            tf.math.log(other + share * tf.exp(-s)),
        )
        grow = log1p(tf.where(grows, growth, 0.0))
        log_rest = tf.where(grows, grow - s, fall)
        log_share = tf.where(grows, -grow, -s - fall)
        divergence = tf.where(grows, grow - other * s, fall + share * s)
        divergence = tf.where(s < 0.05, _small_divergence(share, other, s), divergence)
        h = -distance[..., None] * s - n[..., None] * divergence
        return h, log_share, -log_rest

    return _integrals(exponent, top)


def _small_divergence(x: tf.Tensor, rest: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
    """Returns log(1 - x + x e^-s) + x s to the sixth order in a small s."""
    square, skew, small = x * rest, rest - x, tf.minimum(s, 0.05)
    series = (1 - 30 * square * (1 - 4 * square)) / 720
    series = skew * (1 - 12 * square) / 120 - small * series
    series = (1 - 6 * square) / 24 - small * series
    series = 1 / 2 - small * (skew / 6 - small * series)
    return square * tf.square(small) * series


def _integrals(
    exponent: Callable[[tf.Tensor], tuple[tf.Tensor, ...]], top: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Of e^h and of each factor times e^h, over s from 0 to `top`."""
    u, weights = np.polynomial.legendre.leggauss(NODES[top.dtype][0])
    s = top[..., None] * tf.constant((u + 1) / 2, top.dtype)
    h, *factors = exponent(s)
    mass = tf.exp(h) * tf.constant(weights / 2, top.dtype)
    return tuple(
        top * tf.reduce_sum(value, -1)
        for value in (mass, *(mass * factor for factor in factors))
    )


def _root(slope: tf.Tensor, curvature: tf.Tensor, cut: float) -> tf.Tensor:
    """Where slope s + curvature s^2 / (2 + s), which is below -h, comes to `cut`."""
    square, linear = slope + curvature, 2 * slope - cut
    root = tf.sqrt(tf.square(linear) + 8 * cut * square)
    return tf.where(
        linear > 0, 4 * cut / (root + tf.abs(linear)), (root - linear) / (2 * square)
    )


def _expm1_error(t: tf.Tensor) -> tf.Tensor:
    """Returns e^t - 1 - t, about t^2 / 2."""
    small = tf.clip_by_value(t, -0.25, 0.25)
    series = tf.ones_like(t)
    for j in range(12, 2, -1):
        series = 1 + small / j * series
    near = tf.abs(t) < 0.25
    return tf.where(near, tf.square(small) / 2 * series, expm1(t) - t)
