"""Count distributions with additional zeros."""

import abc
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfvae._builtins import softplus
from tfvae._math import as_seed, standard_noise
from tfvae.distributions import draws
from tfvae.distributions.negative_binomial import NegativeBinomial
from tfvae.distributions.poisson import Poisson

__all__ = ["ZeroInflatedNegativeBinomial", "ZeroInflatedPoisson"]


class _ZeroInflated(tfd.AutoCompositeTensorDistribution):
    """Zero with the probability `s(l)`, otherwise a count of another distribution.

    log p(0) = log(s(l) + s(-l) p0(0)),   log p(k) = log s(-l) + log p0(k)
    s(l) = 1 / (1 + e^-l),   l = inflation_logits
    """

    def __init__(
        self,
        counts: tfd.Distribution,
        inflation_logits: tf.Tensor,
        parameters: dict[str, Any],
        noise_size: int,
    ) -> None:
        self._counts, self._noise_size = counts, noise_size
        self._inflation_logits = inflation_logits
        super().__init__(
            dtype=inflation_logits.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=parameters["validate_args"],
            allow_nan_stats=parameters["allow_nan_stats"],
            parameters=parameters,
            name=parameters["name"],
        )

    @property
    def rate(self) -> tf.Tensor:
        """The mean of the counts, the additional zeros left out."""
        return self._counts.rate

    @property
    def inflation_logits(self) -> tf.Tensor:
        """Log-odds of an additional zero."""
        return self._inflation_logits

    @abc.abstractmethod
    def _draw(self, noise: tf.Tensor) -> tf.Tensor:
        """A count without additional zeros."""

    def _log_prob(self, counts: tf.Tensor) -> tf.Tensor:
        logits = self._inflation_logits
        counts = tf.cast(counts, logits.dtype)
        kept = -softplus(logits)
        some = kept + self._counts.log_prob(counts)
        # The mass of zero by itself: log p0(0) has another gradient than log p0(k).
        none = kept + self._counts.log_prob(tf.zeros_like(counts))
        added = -softplus(-logits)
        more = none - added
        zero = tf.where(more > 0, none + softplus(-more), added + softplus(more))
        return tf.where(counts == 0, zero, some)

    def _mean(self) -> tf.Tensor:
        return tf.sigmoid(-self._inflation_logits) * self._counts.mean()

    def _variance(self) -> tf.Tensor:
        added = tf.sigmoid(self._inflation_logits)
        spread = self._counts.variance() + added * tf.square(self._counts.mean())
        return tf.sigmoid(-self._inflation_logits) * spread

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        seed = as_seed(tfp.random.sanitize_seed(seed))
        shape = tf.concat([[n], self.batch_shape_tensor(), [self._noise_size]], axis=0)
        noise = standard_noise("uniform", shape, seed, self.dtype)
        return self.from_noise(noise)

    def from_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns draws for uniforms, of which the last axis holds those of one."""
        kept = noise[..., 0] >= tf.sigmoid(self._inflation_logits)
        drawn = self._draw(noise[..., 1:])
        return tf.where(kept, drawn, tf.zeros_like(drawn))

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _default_event_space_bijector(self) -> None:
        return None


class ZeroInflatedPoisson(_ZeroInflated):
    """Zero with some probability, otherwise a Poisson count.

        log p(0) = log(s(l) + s(-l) e^-rate),
        log p(k) = log s(-l) + log Poisson(k; rate),
        s(l) = 1 / (1 + e^-l),   l = inflation_logits

    TensorFlow Probability has `tfd.Inflated`, which takes the log-odds twice: its
    probability of an additional zero is `s(2 l)`.

    Args:
        rate: The mean of the Poisson distribution, numbers from 0.
        inflation_logits: Log-odds of an additional zero, of a shape that broadcasts
            against `rate`.
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.ZeroInflatedPoisson(rate=4.0, inflation_logits=0.0)
    >>> p.mean().numpy()
    np.float32(2.0)

    Reference: Lambert, "Zero-inflated Poisson regression, with an application to
    defects in manufacturing", Technometrics 1992.
    """

    def __init__(
        self,
        rate: Any,
        inflation_logits: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "ZeroInflatedPoisson",
    ) -> None:
        parameters = dict(locals())
        logits = tf.convert_to_tensor(inflation_logits)
        counts = Poisson(tf.convert_to_tensor(rate, logits.dtype))
        super().__init__(counts, logits, parameters, NOISE["poisson"])

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        rate = Poisson.parameter_properties(dtype)["rate"]
        return {"rate": rate, "inflation_logits": tfp.util.ParameterProperties()}

    def _draw(self, noise: tf.Tensor) -> tf.Tensor:
        return draws.poisson(noise[..., 0], self.rate)


class ZeroInflatedNegativeBinomial(_ZeroInflated):
    """Zero with some probability, otherwise a negative binomial count.

        log p(0) = log(s(l) + s(-l) NB(0)),   log p(k) = log s(-l) + log NB(k),
        NB = NegativeBinomial(rate, total_count),
        s(l) = 1 / (1 + e^-l),   l = inflation_logits

    TensorFlow Probability's class of this name takes the log-odds twice: its
    probability of an additional zero is `s(2 l)`.

    Args:
        rate: The mean of the negative binomial distribution, numbers from 0.
        total_count: Its inverse dispersion, positive numbers.
        inflation_logits: Log-odds of an additional zero. All three broadcast.
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.ZeroInflatedNegativeBinomial(
    ...     rate=4.0, total_count=2.0, inflation_logits=0.0
    ... )
    >>> p.mean().numpy()
    np.float32(2.0)

    Reference: Lopez, Regier, Cole, Jordan and Yosef, "Deep generative modeling for
    single-cell transcriptomics", Nature Methods 2018,
    https://arxiv.org/abs/1709.02082.
    """

    def __init__(
        self,
        rate: Any,
        total_count: Any,
        inflation_logits: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "ZeroInflatedNegativeBinomial",
    ) -> None:
        parameters = dict(locals())
        logits = tf.convert_to_tensor(inflation_logits)
        rate, trials = (
            tf.convert_to_tensor(value, logits.dtype) for value in (rate, total_count)
        )
        counts = NegativeBinomial(rate, trials)
        super().__init__(counts, logits, parameters, NOISE["negative_binomial"])

    @property
    def total_count(self) -> tf.Tensor:
        """The inverse dispersion of the counts."""
        return self._counts.total_count

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        counts = NegativeBinomial.parameter_properties(dtype)
        return counts | {"inflation_logits": tfp.util.ParameterProperties()}

    def _draw(self, noise: tf.Tensor) -> tf.Tensor:
        return draws.negative_binomial(noise, self.rate, self.total_count)


NOISE = {"poisson": 2, "negative_binomial": draws.GAMMA_NOISE + 2}
"""Uniforms for one draw."""
