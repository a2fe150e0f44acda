"""The normal distribution whose covariance is a diagonal and a few directions."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae._builtins import traces_builtins_only
from tfvae._math import LOG_2PI, as_seed, standard_noise

__all__ = ["MultivariateNormalLowRank"]


class MultivariateNormalLowRank(tfd.AutoCompositeTensorDistribution):
    """A multivariate normal with the covariance diag(d^2) + U U^T.

        log p(x) = -1/2 min_z (|r - W z|^2 + |z|^2) - sum_i log d_i
                   - 1/2 log det(I + W^T W) - D/2 log(2 pi),
        r = (x - loc) / d,   W = diag(1/d) U,   d = scale_diag,   U = scale_factor

    The minimum is the quadratic form of the matrix determinant lemma, without its
    difference of two large numbers: W and the identity below it are orthogonalised
    column by column (modified Gram-Schmidt), and what is left of r is what none of
    the columns explains. `tfd.MultivariateNormalDiagPlusLowRankCovariance` is off by
    more than 1e-3 in float32 where U is ten times d, and by more than one nat where
    it is 10,000 times d. This runs in double precision, whatever the dtype of the
    distribution, except inside `builtins_only`, since LiteRT has none.

    Args:
        loc: The mean, a tensor [*batch, D].
        scale_diag: d, positive: [*batch, D].
        scale_factor: U, any real numbers: [*batch, D, R].
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.MultivariateNormalLowRank(
    ...     loc=[0.0, 0.0], scale_diag=[3.0, 12.0], scale_factor=[[4.0], [5.0]]
    ... )
    >>> p.stddev().numpy()
    array([ 5., 13.], dtype=float32)

    Reference: Rezende, Mohamed and Wierstra, "Stochastic backpropagation and
    approximate inference in deep generative models", ICML 2014,
    https://arxiv.org/abs/1401.4082; Bjorck, "Solving linear least squares problems by
    Gram-Schmidt orthogonalization", BIT 1967.
    """

    def __init__(
        self,
        loc: Any,
        scale_diag: Any,
        scale_factor: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalLowRank",
    ) -> None:
        parameters = dict(locals())
        self._loc = tf.convert_to_tensor(loc)
        dtype = self._loc.dtype
        self._scale_diag = tf.convert_to_tensor(scale_diag, dtype)
        self._scale_factor = tf.convert_to_tensor(scale_factor, dtype)
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        return {
            "loc": tfp.util.ParameterProperties(event_ndims=1),
            "scale_diag": tfp.util.ParameterProperties(event_ndims=1),
            "scale_factor": tfp.util.ParameterProperties(event_ndims=2),
        }

    @property
    def loc(self) -> tf.Tensor:
        """The mean."""
        return self._loc

    @property
    def scale_diag(self) -> tf.Tensor:
        """The standard deviations d of the independent part."""
        return self._scale_diag

    @property
    def scale_factor(self) -> tf.Tensor:
        """The directions U of the rest, with their lengths, as columns."""
        return self._scale_factor

    def _event_shape(self) -> tf.TensorShape:
        return self._scale_factor.shape[-2:-1]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._scale_factor)[-2:-1]

    def draw(self, normals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Turns standard normals into draws and their log density.

        x = loc + d e + U f

        Args:
            normals: e and f, one after the other: [*lead, *batch, D + R].

        Returns:
            Draws [*lead, *batch, D] and log p at the draws [*lead, *batch] in nats,
            before they are rounded.
        """
        size = self._scale_factor.shape[-2]
        own, common = normals[..., :size], normals[..., size:]
        factor = self._scale_factor
        x = self._loc + self._scale_diag * own + tf.linalg.matvec(factor, common)
        # r - W f = e, and no column explains more than r.
        return x, self._log_density(tf.concat([own, -common], axis=-1), x.dtype)

    def log_determinant(self) -> tf.Tensor:
        """Returns log det(diag(d^2) + U U^T): [*batch]."""
        return tf.cast(self._orthogonal()[1], self.dtype)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        size, rank = self._scale_factor.shape[-2:]
        shape = tf.concat([[n], self.batch_shape_tensor(), [size + rank]], axis=0)
        seed = as_seed(tfp.random.sanitize_seed(seed))
        return self.draw(standard_noise("normal", shape, seed, self.dtype))[0]

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        wide = self._wide()
        residual = (tf.cast(x, wide) - tf.cast(self._loc, wide)) / tf.cast(
            self._scale_diag, wide
        )
        below = tf.zeros_like(residual[..., :1])
        below = tf.repeat(below, self._scale_factor.shape[-1], axis=-1)
        return self._log_density(tf.concat([residual, below], axis=-1), x.dtype)

    def _log_density(self, target: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """From a vector [..., D + R] that differs from (r, 0) by columns of (W, I)."""
        columns, log_determinant = self._orthogonal()
        left = tf.cast(target, self._wide())
        for column in columns:
            left -= column * tf.reduce_sum(column * left, axis=-1, keepdims=True)
        constant = self._scale_factor.shape[-2] * LOG_2PI
        square = tf.reduce_sum(tf.square(left), axis=-1)
        return tf.cast(-0.5 * (square + log_determinant + constant), dtype)

    def _orthogonal(self) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Orthonormal columns [*batch, D + R] that span (W, I), and log det."""
        wide = self._wide()
        scale = tf.cast(self._scale_diag, wide)
        whitened = tf.cast(self._scale_factor, wide) / scale[..., None]
        log_determinant = 2 * tf.reduce_sum(tf.math.log(scale), axis=-1)
        rank = whitened.shape[-1]
        columns: list[tf.Tensor] = []
        for k, column in enumerate(tf.unstack(whitened, axis=-1)):
            unit = tf.one_hot(k, rank, dtype=wide) + tf.zeros_like(whitened[..., 0, :])
            left = tf.concat([column, unit], axis=-1)
            for other in columns:
                left -= other * tf.reduce_sum(other * left, axis=-1, keepdims=True)
            square = tf.reduce_sum(tf.square(left), axis=-1, keepdims=True)
            columns.append(left * tf.math.rsqrt(square))
            log_determinant += tf.math.log(square[..., 0])
        return columns, log_determinant

    def _wide(self) -> tf.DType:
        return self.dtype if traces_builtins_only() else tf.float64

    def _mean(self) -> tf.Tensor:
        shape = tf.concat([self.batch_shape_tensor(), self.event_shape_tensor()], 0)
        return tf.broadcast_to(self._loc, shape)

    def _mode(self) -> tf.Tensor:
        return self._mean()

    def _entropy(self) -> tf.Tensor:
        constant = self._scale_factor.shape[-2] * (1 + LOG_2PI)
        entropy = 0.5 * (self.log_determinant() + constant)
        return tf.broadcast_to(entropy, self.batch_shape_tensor())

    def _variance(self) -> tf.Tensor:
        common = tf.reduce_sum(tf.square(self._scale_factor), axis=-1)
        return tf.square(self._scale_diag) + common + tf.zeros_like(self._mean())

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())

    def _covariance(self) -> tf.Tensor:
        diagonal = tf.linalg.diag(tf.square(self._scale_diag))
        factor = self._scale_factor
        return diagonal + tf.matmul(factor, factor, transpose_b=True)
