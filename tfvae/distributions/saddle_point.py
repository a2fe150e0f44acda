"""Parts of log densities that lose no digits where large terms would cancel.

    log Gamma(x + 1) = (x + 1/2) log x - x + 1/2 log(2 pi) + stirling_error(x)
    x log(x / m) + m - x = deviance(x, m)
    psi(x) = log x + digamma_error(x)

With these the density of a count or of a gamma variable is its value at the mode times
`exp(-deviance)`, and neither is the difference of two large numbers.

Reference: Loader, "Fast and accurate computation of binomial probabilities", 2000.
"""

from collections.abc import Callable

import tensorflow as tf

from tfvae._builtins import traces_builtins_only

__all__ = [
    "deviance",
    "digamma_error",
    "divergence_at_mean",
    "in_double",
    "log1p_error",
    "log_power",
    "log_ratio",
    "same_shape",
    "stirling_error",
]

SHIFT = 8
"""Stirling's series is used for numbers from here on, the smaller are shifted by it."""

STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def stirling_error(x: tf.Tensor) -> tf.Tensor:
    """Returns log Gamma(x+1) less Stirling's formula, for x from 1e-18 on.

    At small x it grows like `-log(2 pi x) / 2`.
    """
    large = x >= SHIFT
    small = tf.where(large, tf.ones_like(x), x)
    shifted = small + SHIFT
    product = tf.ones_like(x)
    for j in range(1, SHIFT):
        product *= (small + j) / shifted
    shift = (small + 0.5) * tf.math.log(shifted / small) - SHIFT - tf.math.log(product)
    y = tf.where(large, x, shifted)
    series = _horner(STIRLING, 1 / tf.square(y)) / y
    return series + tf.where(large, tf.zeros_like(x), shift)


def digamma_error(x: tf.Tensor) -> tf.Tensor:
    """Returns psi(x) - log(x), about -1/(2x), for x from 1e-18 on."""
    large = x >= SHIFT
    small = tf.where(large, tf.ones_like(x), x)
    shifted = small + SHIFT
    shift = tf.math.log(shifted / small)
    for j in range(SHIFT):
        shift -= 1 / (small + j)
    y = tf.where(large, x, shifted)
    inverse = tf.square(1 / y)
    series = -0.5 / y - inverse * _horner(DIGAMMA, inverse)
    return series + tf.where(large, tf.zeros_like(x), shift)


def deviance(
    x: tf.Tensor, mean: tf.Tensor, excess: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns x log(x / mean) + mean - x, at least 0, for positive numbers.

    Near `x = mean` the terms cancel to (x - mean)^2 / (2 mean): there it is a series in
    `v = (x - mean) / (x + mean)`.

    Args:
        x: Positive numbers.
        mean: Positive numbers.
        excess: `x - mean`, from those who know it better. No gradient flows through it.
            Default: the difference.

    Returns:
        The deviance, whose gradients are log(x / mean) and 1 - x / mean.
    """
    excess = x - mean if excess is None else excess
    excess = tf.stop_gradient(excess)
    x, mean, excess = same_shape(x, mean, excess)
    return _deviance(x, mean, excess)


@tf.custom_gradient
def _deviance(
    x: tf.Tensor, mean: tf.Tensor, excess: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    total = x + mean
    near = tf.abs(excess) < NEAR * total
    v = tf.where(near, excess / total, tf.zeros_like(x))
    # 2 atanh(v) - 2 v = 2 v^3 (1/3 + v^2/5 + ...)
    series = _horner(ATANH, tf.square(v))
    close = v * (excess + 2 * x * tf.square(v) * series)
    far = x * tf.math.log(tf.where(near, tf.ones_like(x), x / mean)) - excess

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        in_x = log_ratio(x, mean, excess)
        return upstream * in_x, -upstream * excess / mean, tf.zeros_like(excess)

    return tf.where(near, close, far), gradient


NEAR = 0.2
"""Where `|v|` is smaller, the series of `atanh(v) / v - 1` has all digits."""

ATANH = tuple(1 / (2 * j + 1) for j in range(1, 12))


def log_ratio(x: tf.Tensor, mean: tf.Tensor, excess: tf.Tensor) -> tf.Tensor:
    """Returns log(x / mean), given `excess = x - mean`."""
    share = excess / mean
    near = tf.abs(share) < 0.5
    far = tf.math.log(tf.where(near, tf.ones_like(x), x / mean))
    return tf.where(near, tf.math.log1p(tf.where(near, share, 0.0)), far)


def divergence_at_mean(a: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
    """Returns the divergence of Gamma(a, a) from Gamma(c, c), whose means are one.

    log Gamma(c) - log Gamma(a) + (a - c) psi(a) + c log(a / c) + c - a
    """
    value = 0.5 * (tf.math.log(a) - tf.math.log(c)) + (a - c) * digamma_error(a)
    return value + stirling_error(c) - stirling_error(a)


def log1p_error(t: tf.Tensor, one_more: tf.Tensor) -> tf.Tensor:
    """Returns log(1 + t) - t, about -t^2 / 2, given `one_more = 1 + t > 0`."""
    near = tf.abs(t) < 2 * NEAR
    v = tf.where(near, t / (2 + t), tf.zeros_like(t))
    square = tf.square(v)
    close = -t * v + 2 * v * square * _horner(ATANH, square)
    return tf.where(
        near, close, tf.math.log(tf.where(near, tf.ones_like(one_more), one_more)) - t
    )


def in_double(function: Callable[..., tf.Tensor], *values: tf.Tensor) -> tf.Tensor:
    """Returns `function(*values)`, computed in double precision and rounded once.

    LiteRT has no double precision: inside `builtins_only` it is rounded as it comes.
    """
    if traces_builtins_only():
        return function(*values)
    wide = function(*(tf.cast(value, tf.float64) for value in values))
    return tf.cast(wide, values[0].dtype)


def log_power(
    log_x: tf.Tensor, a: tf.Tensor, rate: tf.Tensor, mean: tf.Tensor, excess: tf.Tensor
) -> tf.Tensor:
    """Returns -deviance(a, mean) - log(x) for mean = rate x, excess = a - mean.

    Where the mean is much smaller than `a`, two logarithms of x would cancel, or the
    mean be too small for a number of its own: there they are (a - 1) log(x).
    """
    low = mean < 0.01 * a
    one = tf.ones_like(mean)
    distance = deviance(
        tf.where(low, one, a),
        tf.where(low, one, mean),
        tf.where(low, tf.zeros_like(excess), excess),
    )
    power = (a - 1) * log_x + a * (tf.math.log(rate) - tf.math.log(a)) + (a - mean)
    return tf.where(low, power, -distance - log_x)


def _horner(coefficients: tuple[float, ...], x: tf.Tensor) -> tf.Tensor:
    value = tf.fill(tf.shape(x), tf.constant(coefficients[-1], x.dtype))
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + tf.constant(coefficient, x.dtype)
    return value


def same_shape(*values: tf.Tensor) -> list[tf.Tensor]:
    """Broadcasts, so that a gradient written out has the shape of its argument."""
    zero = sum((tf.zeros_like(value) for value in values[1:]), tf.zeros_like(values[0]))
    return [value + zero for value in values]
