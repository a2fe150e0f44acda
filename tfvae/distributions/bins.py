"""Distributions over the bins 0 .. N-1, and the masses that a logistic gives them."""

import abc
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae._builtins import expm1, softplus
from tfvae._math import as_seed, standard_noise

__all__ = ["Bins", "all_masses", "log_mass", "logistic_quantile"]


class Bins(tfd.AutoCompositeTensorDistribution):
    """What is common to distributions over the bins 0 .. N-1."""

    def __init__(
        self,
        num_bins: int,
        dtype: tf.DType,
        parameters: dict[str, Any],
        validate_args: bool,
        allow_nan_stats: bool,
        name: str,
    ) -> None:
        self._num_bins = int(num_bins)
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @property
    def num_bins(self) -> int:
        """The number of bins N."""
        return self._num_bins

    @abc.abstractmethod
    def draw(self, uniforms: tf.Tensor) -> tf.Tensor:
        """Turns uniforms on (0, 1) into draws, with the gradient of none."""

    @abc.abstractmethod
    def _noise_shape(self) -> tuple[int, ...]:
        """The uniforms that one draw takes."""

    @abc.abstractmethod
    def _masses(self) -> tf.Tensor:
        """The probability of each bin: [*batch, N]."""

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        noise_shape = tf.constant(self._noise_shape(), tf.int32)
        shape = tf.concat([[n], self.batch_shape_tensor(), noise_shape], axis=0)
        seed = as_seed(tfp.random.sanitize_seed(seed))
        return self.draw(standard_noise("uniform", shape, seed, self.dtype))

    def _mean(self) -> tf.Tensor:
        bins = tf.range(self._num_bins, dtype=self.dtype)
        return tf.reduce_sum(self._masses() * bins, axis=-1)

    def _variance(self) -> tf.Tensor:
        masses, bins = self._masses(), tf.range(self._num_bins, dtype=self.dtype)
        mean = tf.reduce_sum(masses * bins, axis=-1, keepdims=True)
        return tf.reduce_sum(masses * tf.square(bins - mean), axis=-1)

    def _valid(self, x: tf.Tensor) -> tf.Tensor:
        return (x >= 0) & (x < self._num_bins) & (x == tf.floor(x))


def log_mass(
    x: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, num_bins: int
) -> tf.Tensor:
    """Returns log P(x) of whole numbers 0 .. N-1; the ends take the tails."""
    above, below = ((x + 0.5) - loc) / scale, (loc - (x - 0.5)) / scale
    log_upper, log_lower = -softplus(-above), -softplus(-below)
    inside = log_upper + log_lower + tf.math.log(-expm1(-1 / scale))
    return tf.where(x == 0, log_upper, tf.where(x == num_bins - 1, log_lower, inside))


def all_masses(loc: tf.Tensor, scale: tf.Tensor, num_bins: int) -> tf.Tensor:
    """The mass of each bin [*batch, N], as `log_mass` with its terms multiplied."""
    loc, scale = loc[..., None], scale[..., None]
    bins = tf.range(num_bins, dtype=loc.dtype)
    upper = tf.sigmoid(((bins + 0.5) - loc) / scale)
    lower = tf.sigmoid((loc - (bins - 0.5)) / scale)
    inside = upper * lower * -expm1(-1 / scale)
    return tf.where(bins == 0, upper, tf.where(bins == num_bins - 1, lower, inside))


def logistic_quantile(
    uniform: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, num_bins: int
) -> tf.Tensor:
    """Returns the bin into which the quantile of the logistic falls."""
    standard = tf.math.log(uniform) - tf.math.log(1 - uniform)
    x = tf.round(loc + scale * standard)
    return tf.stop_gradient(tf.clip_by_value(x, 0, num_bins - 1))
