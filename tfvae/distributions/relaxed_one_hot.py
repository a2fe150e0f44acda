"""The relaxed one-hot categorical (Concrete) distribution."""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae._builtins import traces_builtins_only
from tfvae._math import as_seed, standard_noise
from tfvae.distributions.edges import outside

__all__ = ["ROUNDING", "RelaxedOneHotCategorical"]


class RelaxedOneHotCategorical(tfd.AutoCompositeTensorDistribution):
    """`tfd.RelaxedOneHotCategorical` with a finite density at every draw.

        x = softmax((logits + g) / t),   g_k = -log(-log u_k),   t = temperature
        p(x) = (n-1)! t^(n-1) prod_{k: x_k > 0} [ w_k x_k^(-t-1) ] / s^n,
        s = sum_k w_k max(x_k, c)^-t,   w = softmax(logits),   n = #{k: x_k > 0}

    At low temperatures most coordinates are smaller than any float: at `t = 0.1` and
    50 classes every fifth draw of `tfd.RelaxedOneHotCategorical` in float32 holds one
    that is rounded to zero, and the log density there is not finite. Here the
    coordinates below c (2^-120 in float32, 2^-1000 in float64) are zero by
    definition. Where none is, p is the density of Maddison et al. with respect to
    volume in the first K - 1 coordinates. Otherwise it is the exact density of what is
    left: with respect to volume on the face of the simplex where these are zero, and
    including the probability that they are below c. So log q(x) - log p(x) of two of
    these distributions is that of the numbers that were drawn, and its mean a
    divergence. The gradient of a draw leaves out that a coordinate may pass c. Off the
    simplex there is no density; sums may miss one by 0.001, as in half precision.

    The terms cancel where some coordinates are small and the temperature is high, so
    the density is computed in double precision, whatever the dtype of the
    distribution, except inside `builtins_only`, since LiteRT has none. There is no
    closed form of mean and variance.

    Args:
        temperature: A positive tensor [*batch] or a number.
        logits: Logarithms of w up to a constant: [*batch, K].
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.RelaxedOneHotCategorical(1.0, logits=[0.0, 0.0])
    >>> round(float(p.log_prob([0.3, 0.7])), 4)
    0.0

    Reference: Maddison, Mnih and Teh, "The Concrete distribution: a continuous
    relaxation of discrete random variables", ICLR 2017,
    https://arxiv.org/abs/1611.00712.
    """

    def __init__(
        self,
        temperature: Any,
        logits: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "RelaxedOneHotCategorical",
    ) -> None:
        parameters = dict(locals())
        self._logits = tf.convert_to_tensor(logits)
        dtype = self._logits.dtype
        self._temperature = tf.convert_to_tensor(temperature, dtype)
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
            "temperature": tfp.util.ParameterProperties(),
            "logits": tfp.util.ParameterProperties(event_ndims=1),
        }

    @property
    def temperature(self) -> tf.Tensor:
        """The temperature t."""
        return self._temperature

    @property
    def logits(self) -> tf.Tensor:
        """Logarithms of the weights of the classes, up to a constant: [*batch, K]."""
        return self._logits

    def _event_shape(self) -> tf.TensorShape:
        return self._logits.shape[-1:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._logits)[-1:]

    def draw(self, uniforms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Turns uniforms on (0, 1) into draws and their log density.

        Args:
            uniforms: Of the shape [*lead, *batch, K].

        Returns:
            Draws [*lead, *batch, K] and log p at the draws [*lead, *batch] in nats,
            from the logarithms of the draws, before these are rounded.
        """
        gumbel = -tf.math.log(-tf.math.log(uniforms))
        scores = (self._logits + gumbel) / self._temperature[..., None]
        logarithm = tf.nn.log_softmax(scores)
        bound = tf.constant(self._log_bound(), self.dtype)
        zero = logarithm < bound
        logarithm = tf.maximum(logarithm, bound)
        x = tf.where(zero, tf.zeros_like(logarithm), tf.exp(logarithm))
        return x, self._log_density(logarithm, zero)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        shape = tf.concat(
            [[n], self.batch_shape_tensor(), self.event_shape_tensor()], axis=0
        )
        seed = as_seed(tfp.random.sanitize_seed(seed))
        return self.draw(standard_noise("uniform", shape, seed, self.dtype))[0]

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        total = tf.reduce_sum(tf.cast(x, self._wide()), axis=-1)
        inside = tf.reduce_all(x >= 0, axis=-1) & (tf.abs(total - 1) <= ROUNDING)
        elsewhere = tf.cast(outside(total), self.dtype)
        zero = x < tf.constant(math.exp(self._log_bound()), x.dtype)
        x = tf.cast(tf.where(zero, tf.ones_like(x), x), self._wide())
        bound = tf.constant(self._log_bound(), x.dtype)
        log_density = self._log_density(tf.where(zero, bound, tf.math.log(x)), zero)
        return tf.where(inside, log_density, elsewhere)

    def _log_density(self, logarithm: tf.Tensor, zero: tf.Tensor) -> tf.Tensor:
        """From log max(x, c) and which coordinates are zero."""
        temperature, logits, logarithm = (
            tf.cast(value, self._wide())
            for value in (self._temperature, self._logits, logarithm)
        )
        terms = tf.nn.log_softmax(logits - temperature[..., None] * logarithm)
        terms = tf.where(zero, tf.zeros_like(terms), terms - logarithm)
        others = tf.reduce_sum(tf.cast(~zero, tf.int32), axis=-1) - 1
        table = [math.lgamma(n + 1) for n in range(self._logits.shape[-1])]
        factorial = tf.gather(tf.constant(table, terms.dtype), tf.maximum(others, 0))
        power = tf.cast(others, terms.dtype) * tf.math.log(temperature)
        return tf.cast(tf.reduce_sum(terms, axis=-1) + factorial + power, self.dtype)

    def _wide(self) -> tf.DType:
        return self.dtype if traces_builtins_only() else tf.float64

    def _log_bound(self) -> float:
        """Log of the smallest coordinate c that is not zero."""
        return -(1000 if self.dtype == tf.float64 else 120) * math.log(2)


ROUNDING = 1e-3
"""How far a sum may be from one, for numbers in half precision."""
