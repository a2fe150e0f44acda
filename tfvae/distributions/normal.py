"""Normal distributions."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import LOG_2PI

__all__ = ["MultivariateNormalTriL", "Normal"]


class Normal(tfd.Normal):
    """`tfd.Normal` with a log density that stays exact far from zero.

        log p(x) = -1/2 ((x - loc) / scale)^2 - log(scale) - 1/2 log(2 pi)

    `tfd.Normal` subtracts `x / scale - loc / scale`, which in float32 loses the
    digits that the two quotients share: at `loc = 100` and `scale = 1` it is off by
    1e-5 and at `scale = 0.01` by 1e-1. Here the subtraction comes first.

    Example:
    >>> p = tfvae.distributions.Normal(100.0, 1.0)
    >>> round(float(p.log_prob(101.0)), 4)
    -1.4189
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        scale = tf.convert_to_tensor(self.scale)
        residual = (x - self.loc) / scale
        return (
            -0.5 * tf.square(residual)
            - tf.math.log(scale)
            - tf.constant(0.5 * LOG_2PI, scale.dtype)
        )


class MultivariateNormalTriL(tfd.MultivariateNormalTriL):
    """`tfd.MultivariateNormalTriL` whose standard deviations need no D^3 product.

        stddev_i = sqrt(sum_j L_ij^2)

    The row sums also convert to LiteRT builtins, which the diagonal of `L L^T` does
    not.

    Example:
    >>> p = tfvae.distributions.MultivariateNormalTriL(
    ...     loc=[0.0, 0.0], scale_tril=[[2.0, 0.0], [3.0, 4.0]]
    ... )
    >>> p.stddev().numpy()
    array([2., 5.], dtype=float32)
    """

    def _variance(self) -> tf.Tensor:
        variance = tf.reduce_sum(tf.square(self.scale.to_dense()), axis=-1)
        return tf.broadcast_to(variance, tf.shape(self._mean()))

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())
