"""The gamma distribution."""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae.distributions.edges import at_end, outside
from tfvae.distributions.kl import register
from tfvae.distributions.saddle_point import (
    deviance,
    divergence_at_mean,
    in_double,
    log_power,
    stirling_error,
)

__all__ = ["Gamma"]


class Gamma(tfp.distributions.Gamma):
    """`tfd.Gamma` with a log density exact in float32.

        log p(x) = a log(b) + (a - 1) log(x) - b x - log Gamma(a)
                 = 1/2 log(a / (2 pi)) - log(x) - deviance(a, b x) - stirling_error(a)

    with a = concentration, b = rate. The first line loses the digits that its terms
    share: in float32 it is off by more than 0.1 at a concentration of a million.

    Args:
        concentration: Positive numbers a, a tensor of any shape.
        rate: Positive numbers b that broadcast against it.
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.Gamma(concentration=1e6, rate=1e6)
    >>> round(float(p.log_prob(1.0)), 4)
    5.9888

    Reference: Loader, "Fast and accurate computation of binomial probabilities",
    2000.
    """

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ) -> None:
        parameters = dict(locals())
        super().__init__(
            concentration,
            rate,
            force_probs_to_zero_outside_support=True,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            name=name,
        )
        self._parameters = parameters

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        properties = super()._parameter_properties(dtype, num_classes)
        return {name: properties[name] for name in ("concentration", "rate")}

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        a, b = (tf.convert_to_tensor(v) for v in (self.concentration, self.rate))
        inside = (x > 0) & tf.math.is_finite(x)
        elsewhere = tf.where(x == 0, at_end(a, tf.math.log(b)), outside(x))
        x = tf.where(inside, x, 1.0)
        # a - b x is a small difference of large numbers.
        excess = in_double(lambda a, b, x: a - b * x, a, b, x)
        peak = 0.5 * tf.math.log(a / (2 * math.pi)) - stirling_error(a)
        value = peak + log_power(tf.math.log(x), a, b, b * x, excess)
        return tf.where(inside, value, elsewhere)


def _kl(q: tfd.Gamma, p: tfd.Gamma, name: str | None = None) -> tf.Tensor:
    """Closed form, in double precision.

    The terms of the formula in TensorFlow Probability are of the size of `a log(a)`: in
    float32 it is off by more than 0.1 nats at a concentration of 86,000.
    """
    with tf.name_scope(name or "kl_gamma_gamma"):
        numbers = (q.concentration, q.rate, p.concentration, p.rate)
        return in_double(_divergence, *map(tf.convert_to_tensor, numbers))


def _divergence(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    """Of Gamma(a, b) from Gamma(c, d)."""
    return deviance(c, a / b * d) + divergence_at_mean(a, c)


register(Gamma, tfd.Gamma, _kl)
register(tfd.Gamma, Gamma, _kl)
