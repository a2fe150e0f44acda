"""Normal distributions."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import traces_builtins_only
from tfvae._math import LOG_2PI

__all__ = ["MultivariateNormalTriL", "Normal"]


class Normal(tfd.Normal):
    """`tfd.Normal` with a log density that stays exact far from zero.

        log p(x) = -1/2 ((x - loc) / scale)^2 - log(scale) - 1/2 log(2 pi)

    `tfd.Normal` subtracts `x / scale - loc / scale`, which in float32 loses the
    digits that the two quotients share: at `loc = 100` it is off by more than 1e-5 at
    `scale = 0.9`, and by more than 1e-3 at `scale = 0.01`. Here the subtraction comes
    first.

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
    """`tfd.MultivariateNormalTriL` with an exact log density and cheap deviations.

        log p(x) = -1/2 |y|^2 - sum_i log L_ii - D/2 log(2 pi),
        y_i = (x_i - loc_i - sum_{j<i} L_ij y_j) / L_ii
        stddev_i = sqrt(sum_j L_ij^2)

    The solve for y multiplies rounding errors by the condition of L, so it runs in
    double precision, whatever the dtype of the distribution. LiteRT has neither
    double precision nor a builtin for a triangular solve or a matrix diagonal: inside
    `builtins_only`, up to `UNROLLED` dimensions, the solve is written out row by row.

    |y|^2 stops at 1e25, where single precision would soon have no numbers left for
    its gradients: a value so far out has no gradient.

    Example:
    >>> p = tfvae.distributions.MultivariateNormalTriL(
    ...     loc=[0.0, 0.0], scale_tril=[[2.0, 0.0], [3.0, 4.0]]
    ... )
    >>> p.stddev().numpy()
    array([2., 5.], dtype=float32)
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        if traces_builtins_only() and self.scale_tril.shape[-1] <= UNROLLED:
            return self._log_prob_row_by_row(x)
        wide, loc, scale_tril = (
            tf.cast(value, tf.float64) for value in (x, self._mean(), self.scale_tril)
        )
        scale = tf.linalg.LinearOperatorLowerTriangular(scale_tril)
        squares = tf.reduce_sum(tf.square(scale.solvevec(wide - loc)), axis=-1)
        constant = 0.5 * wide.shape[-1] * LOG_2PI
        log_density = (
            -0.5 * tf.minimum(squares, LARGEST) - scale.log_abs_determinant() - constant
        )
        return tf.cast(log_density, x.dtype)

    def _log_prob_row_by_row(self, x: tf.Tensor) -> tf.Tensor:
        scale_tril, residual = self.scale_tril, x - self._mean()
        size = scale_tril.shape[-1]
        solved: list[tf.Tensor] = []
        log_density = -0.5 * size * LOG_2PI
        for i in range(size):
            row = residual[..., i]
            for j, other in enumerate(solved):
                row -= scale_tril[..., i, j] * other
            diagonal = scale_tril[..., i, i]
            solved.append(row / diagonal)
            log_density -= 0.5 * tf.square(solved[-1]) + tf.math.log(diagonal)
        return log_density

    def _variance(self) -> tf.Tensor:
        variance = tf.reduce_sum(tf.square(self.scale.to_dense()), axis=-1)
        return tf.broadcast_to(variance, tf.shape(self._mean()))

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())


LARGEST = 1e25
"""The largest squared distance of a value from the mean, in standard deviations."""

UNROLLED = 16
"""The largest number of dimensions whose triangular solve is written out."""
