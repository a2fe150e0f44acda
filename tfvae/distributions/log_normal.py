"""The log-normal distribution."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import expm1, traces_builtins_only
from tfvae._math import LOG_2PI
from tfvae.distributions.edges import outside
from tfvae.distributions.kl import register
from tfvae.distributions.normal import Normal

__all__ = ["LogNormal"]


class LogNormal(tfd.LogNormal):
    """`tfd.LogNormal` with an exact log density and an exact standard deviation.

        log p(x) = -1/2 ((log x - loc) / scale)^2 - log(scale) - log x
                   - 1/2 log(2 pi),   x > 0
        E[x] = exp(loc + scale^2 / 2),   Var[x] = E[x]^2 (exp(scale^2) - 1)

    The logarithm of x in single precision has an error of its own, which the small
    scale magnifies: at `loc = 5` and `scale = 0.001` the log density of
    `tfd.LogNormal` is off by more than 1e-3. Here it is computed in double precision,
    whatever the dtype of the distribution; LiteRT has none, so inside
    `builtins_only` it is not.

    Example:
    >>> p = tfvae.distributions.LogNormal(loc=0.0, scale=1.0)
    >>> round(float(p.log_prob(1.0)), 4)
    -0.9189
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        wide = x.dtype if traces_builtins_only() else tf.float64
        loc, scale = tf.cast(self.loc, wide), tf.cast(self.scale, wide)
        positive = x > 0
        logarithm = tf.math.log(tf.cast(tf.where(positive, x, 1), wide))
        log_density = (
            -0.5 * tf.square((logarithm - loc) / scale)
            - tf.math.log(scale)
            - logarithm
            - 0.5 * LOG_2PI
        )
        return tf.where(positive, tf.cast(log_density, x.dtype), outside(x))

    def _stddev(self) -> tf.Tensor:
        return self._mean() * tf.sqrt(expm1(tf.square(self.scale)))

    def _variance(self) -> tf.Tensor:
        return tf.square(self._mean()) * expm1(tf.square(self.scale))


def _kl(q: tfd.LogNormal, p: tfd.LogNormal, name: str | None = None) -> tf.Tensor:
    """That of the logarithms, which is exact in float32 for this package's normals."""
    return tfd.kl_divergence(
        Normal(q.loc, q.scale), Normal(p.loc, p.scale), name=name or "kl_log_normals"
    )


register(LogNormal, tfd.LogNormal, _kl)
register(tfd.LogNormal, LogNormal, _kl)
