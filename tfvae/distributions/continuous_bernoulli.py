"""The continuous Bernoulli distribution."""

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(tfp.distributions.ContinuousBernoulli):
    """`tfd.ContinuousBernoulli` with quantiles and a variance that can be exported.

        p(x) = eta e^(eta x) / (e^eta - 1),   0 <= x <= 1,   eta = logits
        x(u) = log(1 + u (e^eta - 1)) / eta
        Var[x] = 1 / eta^2 - e^eta / (e^eta - 1)^2

    `tfd.ContinuousBernoulli` takes the variance from `cosh`, which has no LiteRT
    builtin, and the quantile through `log1mexp`, which loses two digits of float32
    when it is lowered to builtins. Both forms here use the exponential of `-|eta|`
    alone and turn into their power series around `eta = 0`.

    Example:
    >>> p = tfvae.distributions.ContinuousBernoulli(logits=[0.0, 1e4])
    >>> p.quantile(0.5).numpy().round(4)
    array([0.5   , 0.9999], dtype=float32)

    Reference: Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a
    pervasive error in variational autoencoders", NeurIPS 2019,
    https://arxiv.org/abs/1907.06845.
    """

    def _quantile(self, p: tf.Tensor, logits: tf.Tensor | None = None) -> tf.Tensor:
        if logits is None:
            logits = self._logits_parameter_no_checks()
        u = tf.cast(p, logits.dtype)
        centre, size, small = _parts(logits, below=1e-2)
        series = (1 - 2 * u) / 3 + centre * (1 - 6 * u * (1 - u)) / 12
        series = u + centre * u * (1 - u) / 2 * (1 + centre * series)
        # Mirror positive logits onto negative ones: x(u; eta) = 1 - x(1 - u; -eta).
        mirrored = tf.where(logits > 0, 1 - u, u)
        share = mirrored * tf.math.expm1(-size)
        # At the far end the logarithm has no gradient.
        inside = share > -1
        lower = -tf.math.log1p(tf.where(inside, share, 0)) / size
        lower = tf.where(inside, lower, 1)
        value = tf.where(small, series, tf.where(logits > 0, 1 - lower, lower))
        return tf.clip_by_value(value, 0, 1)

    def _variance(self) -> tf.Tensor:
        centre, size, small = _parts(self._logits_parameter_no_checks(), below=0.5)
        square = tf.square(centre)
        series = 1 / 12 - square * (1 / 240 - square * (1 / 6048 - square / 172800))
        tail = tf.exp(-size) / tf.square(tf.math.expm1(-size))
        return tf.where(small, series, 1 / tf.square(size) - tail)


def _parts(logits: tf.Tensor, below: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns logits safe for a series, |logits| safe for the rest, and which is which.

    Each is replaced by a harmless number where the other form holds, so that no
    gradient passes through 0/0.
    """
    small = tf.abs(logits) < below
    centre = tf.where(small, logits, tf.zeros_like(logits))
    size = tf.where(small, tf.ones_like(logits), tf.abs(logits))
    return centre, size, small
