"""Student's t distribution."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import log1p, traces_builtins_only
from tfvae._math import LOG_2PI

__all__ = ["StudentT"]

STEPS = 4
"""So far is the argument of the asymptotic series moved up."""

FAR = 1e4
"""From here on the logarithm of a square is twice that of the number."""


class StudentT(tfd.StudentT):
    """`tfd.StudentT` with a log density that keeps its digits in LiteRT.

        log p(x) = h(v/2) - 1/2 log(2 pi) - log(scale) - (v + 1)/2 log(1 + y^2 / v),
        y = (x - loc) / scale,   v = df,
        h(a) = log G(a + 1/2) - log G(a) - 1/2 log(a)

    `tfd.StudentT` is exact in float32, but the form that LiteRT makes of it is off
    by 5e-3 at `df = 1e5`. Inside `builtins_only` it is written with logarithms and
    quotients alone: h from its asymptotic series, after four steps of the recurrence.

    Example:
    >>> p = tfvae.distributions.StudentT(df=5.0, loc=0.0, scale=1.0)
    >>> round(float(p.log_prob(1.0)), 4)
    -1.5155
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        if not traces_builtins_only():
            return super()._log_prob(x)
        df, scale = tf.convert_to_tensor(self.df), tf.convert_to_tensor(self.scale)
        ratio = tf.abs((x - self.loc) / scale) * tf.math.rsqrt(df)
        near, far = tf.minimum(ratio, FAR), tf.maximum(ratio, FAR)
        growth = tf.where(ratio < FAR, log1p(tf.square(near)), 2 * tf.math.log(far))
        constant = _half_step(df / 2) - 0.5 * LOG_2PI
        return constant - tf.math.log(scale) - (df + 1) / 2 * growth


def _half_step(a: tf.Tensor) -> tf.Tensor:
    """Returns log G(a + 1/2) - log G(a) - 1/2 log(a) for a > 0 in float32."""
    product = tf.ones_like(a)
    for k in range(STEPS):
        product *= (a + k + 0.5) / (a + k)
    inverse = 1 / (a + STEPS)
    square = tf.square(inverse)
    series = inverse * (-1 / 8 + square * (1 / 192 - square / 640))
    return series + 0.5 * tf.math.log((a + STEPS) / a) - tf.math.log(product)
