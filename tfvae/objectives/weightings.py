"""How a bound puts the values of S draws together: functions F of v [S, B].

    ELBO            F(v) = mean_s v_s
    IWAE            F(v) = log mean_s exp(v_s)
    MIWAE           F(v) = mean_m log mean_k exp(v_mk)
    CIWAE           F(v) = beta mean_s v_s + (1 - beta) log mean_s exp(v_s)
    Renyi           F(v) = log mean_s exp((1 - alpha) v_s) / (1 - alpha)

Next to its value each gives two slopes for each draw: dF/dv_s, what the draw counts for
in the gradient, and dF/dv_s - d2F/dv_s2, what is left of it once the score function is
taken out of the gradient of the posterior by reparameterising once more (`gradients`).
"""

import abc
import dataclasses
import math

import tensorflow as tf

from tfvae._math import log_mean_exp

__all__ = ["Combination", "LogMeanExp", "Mean", "Power", "Weighting"]


class Weighting(abc.ABC):
    """A function of the values of the draws, [S, B] -> [B]."""

    @abc.abstractmethod
    def value(self, v: tf.Tensor) -> tf.Tensor:
        """Returns F(v), [B]."""

    @abc.abstractmethod
    def slopes(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns dF/dv_s and dF/dv_s - d2F/dv_s2, [S, B] each."""


@dataclasses.dataclass(frozen=True)
class Mean(Weighting):
    """The mean of the draws."""

    def value(self, v: tf.Tensor) -> tf.Tensor:
        """Returns mean_s v_s."""
        return tf.reduce_mean(v, axis=0)

    def slopes(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns 1 / S twice, for there is no second derivative."""
        share = tf.ones_like(v) / tf.cast(tf.shape(v)[0], v.dtype)
        return share, share


@dataclasses.dataclass(frozen=True)
class LogMeanExp(Weighting):
    """The logarithm of the mean weight of a group of draws, and the mean over groups.

    Attributes:
        num_groups: Number M of groups; M divides S. Default: 1.
    """

    num_groups: int = 1

    def value(self, v: tf.Tensor) -> tf.Tensor:
        """Returns mean_m log mean_k exp(v_mk)."""
        return tf.reduce_mean(log_mean_exp(self._grouped(v), axis=1), axis=0)

    def slopes(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns w / M and w^2 / M, w the normalised weights of each group."""
        weights = tf.nn.softmax(self._grouped(v), axis=1)
        return tuple(
            tf.reshape(slope, tf.shape(v)) / self.num_groups
            for slope in (weights, tf.square(weights))
        )

    def _grouped(self, v: tf.Tensor) -> tf.Tensor:
        return tf.reshape(v, (self.num_groups, -1, tf.shape(v)[1]))


@dataclasses.dataclass(frozen=True)
class Combination(Weighting):
    """A mixture of the two above.

    Attributes:
        beta: The share of the mean, a scalar of any dtype.
    """

    beta: tf.Tensor

    def value(self, v: tf.Tensor) -> tf.Tensor:
        """Returns beta mean_s v_s + (1 - beta) log mean_s exp(v_s)."""
        beta = tf.cast(self.beta, v.dtype)
        return beta * Mean().value(v) + (1 - beta) * LogMeanExp().value(v)

    def slopes(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the same mixture of both slopes."""
        beta = tf.cast(self.beta, v.dtype)
        return tuple(
            beta * one + (1 - beta) * other
            for one, other in zip(Mean().slopes(v), LogMeanExp().slopes(v), strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Power(Weighting):
    """The logarithm of a power mean of the weights, with the exponent 1 - alpha.

    Attributes:
        alpha: Any number; at 1 it is the mean of the logarithms.
    """

    alpha: float

    def value(self, v: tf.Tensor) -> tf.Tensor:
        """Returns log mean_s exp((1 - alpha) v_s) / (1 - alpha)."""
        power = 1 - self.alpha
        if power == 0:
            return Mean().value(v)
        # Less the largest the values are small where the power is, and then the
        # exponentials are too near to one to be added up.
        largest = tf.reduce_max(v, axis=0)
        largest = tf.where(tf.math.is_finite(largest), largest, tf.zeros_like(largest))
        largest = tf.stop_gradient(largest)
        scaled = power * (v - largest)
        near = tf.reduce_max(tf.abs(scaled), axis=0) < math.log(2)
        small = tf.where(near, scaled, tf.zeros_like(scaled))
        precise = tf.math.log1p(tf.reduce_mean(tf.math.expm1(small), axis=0))
        return largest + tf.where(near, precise, log_mean_exp(scaled)) / power

    def slopes(self, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns w and w (alpha + (1 - alpha) w), w ~ exp((1 - alpha) v)."""
        if self.alpha == 1:
            return Mean().slopes(v)
        weights = tf.nn.softmax((1 - self.alpha) * v, axis=0)
        return weights, weights * (self.alpha + (1 - self.alpha) * weights)
