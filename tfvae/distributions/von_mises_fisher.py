"""The von Mises-Fisher distribution on the unit sphere."""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae._builtins import traces_builtins_only
from tfvae._math import standard_noise
from tfvae.distributions.edges import outside
from tfvae.distributions.kl import register
from tfvae.distributions.polar_angle import PolarAngle

__all__ = ["VonMisesFisher"]


class VonMisesFisher(tfd.VonMisesFisher):
    """`tfd.VonMisesFisher` for any number of dimensions, exact in float32.

        log p(x) = -k (1 - m.x) - log A_(D-1) - log Z(k),
        Z(k) = int_0^pi sin(t)^(D-2) e^(-k (1 - cos t)) dt

    A_n is the area of the sphere in n dimensions; the density is one of the area. The
    normaliser, which is a Bessel function, and all moments are integrals over the
    angle t between x and m, by a fixed rule (`PolarAngle`). They are computed in
    double precision, but not inside `builtins_only`, as LiteRT has none.

    `tfd.VonMisesFisher` multiplies k by the rounded product m.x, so that its log
    density is off by more than 1e-3 at k = 1e5 in float32, and gives no gradient to
    its draws, which come from a loop of rejections, save in three dimensions. Here
    `1 - m.x` is taken from the difference of the vectors, whose lengths are divided
    out (zero has none, and no density); a draw is a smooth function of uniform noise,

        x = cos(t) m + sin(t) y,

    t the quantile of the angle and y a uniform unit vector orthogonal to m, so that
    it carries the gradient to both parameters.

    Args:
        mean_direction: Unit vectors m, [*batch, D] with D of at least 2.
        concentration: k, numbers from 0 to 1e6, [*batch].
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.VonMisesFisher([0.0, 0.6, 0.8], concentration=2.0)
    >>> round(float(p.log_prob([0.0, 0.6, 0.8])), 4)
    -1.1262

    Reference: Davidson et al., "Hyperspherical variational auto-encoders", UAI 2018,
    https://arxiv.org/abs/1804.00891.
    """

    @property
    def reparameterization_type(self) -> Any:
        """Draws carry the full gradient for any number of dimensions."""
        return tfd.FULLY_REPARAMETERIZED

    @property
    def noise_shape(self) -> tuple[int]:
        """Shape of the uniforms that one draw takes."""
        return (1 + 2 * (self._dimension // 2),)

    def transform(self, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Turns uniform noise into draws and their log density.

        Args:
            noise: Uniforms on (0, 1), [*lead, *batch, *noise_shape]: the first for
                t, then those for the lengths of D // 2 pairs of normals, then those
                for their angles. The direction of the first D - 1 normals is that of
                y before the reflection that takes the first axis to m or to -m.

        Returns:
            Draws [*lead, *batch, D] and log p at the draws [*lead, *batch].
        """
        angle = self._angle()
        distance, from_pi = angle.quantile(noise[..., 0])
        near = 2 * tf.square(tf.sin(distance / 2))
        versine = tf.where(from_pi, 2 - near, near)
        cosine = tf.cos(distance)
        cosine = tf.where(from_pi, -cosine, cosine)[..., None]
        across = _orthogonal(self.mean_direction, _uniform_direction(noise[..., 1:]))
        x = cosine * self.mean_direction + tf.sin(distance)[..., None] * across
        return x, self._log_density(versine, angle)

    @property
    def _dimension(self) -> int:
        return self.mean_direction.shape[-1]

    def _angle(self) -> PolarAngle:
        dtype = self.dtype if traces_builtins_only() else tf.float64
        return PolarAngle(tf.cast(self.concentration, dtype), self._dimension)

    def _log_density(self, versine: tf.Tensor, angle: PolarAngle) -> tf.Tensor:
        wide = tf.cast(versine, angle.concentration.dtype)
        log_density = -angle.concentration * wide - angle.log_normaliser()
        return tf.cast(log_density - _log_area(self._dimension - 1), self.dtype)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        angle = self._angle()
        x, m = (
            tf.cast(value, angle.concentration.dtype)
            for value in (x, self.mean_direction)
        )
        nowhere = tf.reduce_all(x == 0, axis=-1)
        x = tf.where(nowhere[..., None], tf.ones_like(x), x)
        # 1 - cos of the angle between vectors of any length, without cancellation.
        x_length, m_length = tf.norm(x, axis=-1), tf.norm(m, axis=-1)
        squared = tf.reduce_sum(tf.math.squared_difference(x, m), axis=-1)
        squared -= tf.math.squared_difference(x_length, m_length)
        log_density = self._log_density(squared / (2 * x_length * m_length), angle)
        return tf.where(nowhere, outside(log_density), log_density)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        shape = tf.concat([[n], self.batch_shape_tensor(), self.noise_shape], axis=0)
        seed = tfp.random.sanitize_seed(seed)
        return self.transform(standard_noise("uniform", shape, seed, self.dtype))[0]

    def _mean(self) -> tf.Tensor:
        cosine = tf.cast(1 - self._angle().mean_versine(), self.dtype)
        return cosine[..., None] * self.mean_direction

    def _moments(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The variance along the mean direction, and in each of the others."""
        along, across = self._angle().variances()
        across /= self._dimension - 1
        return tuple(
            tf.cast(variance, self.dtype)[..., None] for variance in (along, across)
        )

    def _variance(self) -> tf.Tensor:
        along, across = self._moments()
        square = tf.square(self.mean_direction)
        return along * square + across * (1 - square)

    def _covariance(self) -> tf.Tensor:
        along, across = (variance[..., None] for variance in self._moments())
        m = self.mean_direction
        outer = m[..., :, None] * m[..., None, :]
        identity = tf.eye(self._dimension, dtype=self.dtype)
        return along * outer + across * (identity - outer)

    def _entropy(self) -> tf.Tensor:
        angle = self._angle()
        entropy = angle.concentration * angle.mean_versine() + angle.log_normaliser()
        entropy = tf.cast(entropy + _log_area(self._dimension - 1), self.dtype)
        return tf.broadcast_to(entropy, self.batch_shape_tensor())

    def _divergence_from_uniform(self) -> tf.Tensor:
        """E[log p(x)] + log A_D: [*batch]."""
        angle, dimension = self._angle(), self._dimension
        negative = angle.concentration * angle.mean_versine() + angle.log_normaliser()
        ratio = _log_area(dimension) - _log_area(dimension - 1)
        divergence = tf.cast(ratio - negative, self.dtype)
        return tf.broadcast_to(divergence, self.batch_shape_tensor())


def _log_area(dimension: int) -> float:
    """Of the unit sphere in so many dimensions: 2 pi^(n/2) / Gamma(n/2)."""
    half = dimension / 2
    return math.log(2) + half * math.log(math.pi) - math.lgamma(half)


def _uniform_direction(noise: tf.Tensor) -> tf.Tensor:
    """Two uniforms for each two normals, and their direction."""
    pairs = noise.shape[-1] // 2
    radius = tf.sqrt(-2 * tf.math.log(noise[..., :pairs]))
    angle = 2 * math.pi * noise[..., pairs:]
    return tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=-1)


def _orthogonal(m: tf.Tensor, normals: tf.Tensor) -> tf.Tensor:
    """Unit vectors orthogonal to `m`, uniform if `normals` are standard normals.

    The direction of the normals, orthogonal to the first axis, is reflected at the
    plane that takes that axis to m or to -m, whichever is the farther: the nearer
    one would leave no plane at the axis itself.
    """
    normals = normals[..., : m.shape[-1] - 1]
    # Normals that are all zero stand for any direction.
    largest = tf.reduce_max(tf.abs(normals), axis=-1, keepdims=True)
    normals = tf.where(largest > 0, normals, tf.ones_like(normals))
    direction = normals / tf.norm(normals, axis=-1, keepdims=True)
    first, rest = m[..., :1], m[..., 1:]
    sign = tf.where(first < 0, -tf.ones_like(first), tf.ones_like(first))
    along = tf.reduce_sum(rest * direction, axis=-1, keepdims=True)
    along /= 1 + tf.abs(first)
    return tf.concat([-along * (first + sign), direction - along * rest], axis=-1)


def _kl_uniform(
    q: VonMisesFisher, p: tfd.SphericalUniform, name: str | None = None
) -> tf.Tensor:
    """KL(q || p) = k E[m.x] + log c(k) + log A_D, from the same integrals."""
    if q.event_shape != p.event_shape:
        raise ValueError(
            "Both distributions must have the same number of dimensions. Received: "
            f"{q.event_shape[0]} and {p.event_shape[0]}."
        )
    with tf.name_scope(name or "kl_von_mises_fisher_uniform"):
        return q._divergence_from_uniform() + tf.zeros(p.batch_shape_tensor(), q.dtype)


register(VonMisesFisher, tfd.SphericalUniform, _kl_uniform)
