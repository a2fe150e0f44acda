"""The binomial distribution."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.edges import outside

__all__ = ["Binomial"]

NEAR, FAR = 0.05, 5.0
"""Logits that differ by less than the one give a power series; where they differ by
more than the other, `exp(shift)` is factored out."""


class Binomial(tfp.distributions.Binomial):
    """`tfd.Binomial` with one static count and a log mass exact in float32.

        log p(k) = log C(n, k) + k log s(l) + (n - k) log s(-l),   s(l) = 1/(1+e^-l)

    Summed as it stands, terms of size `n` cancel to a result of size one. Here the
    mass is written around its mode: the largest mass that `k` can have, at the logit
    `l_k = log(k / (n - k))`, from a table made in double precision, less `n` times
    the divergence of Bernoulli(k / n) from Bernoulli(s(l)), which is computed from
    the difference of the logits (Loader's saddle-point form).

    Args:
        total_count: The number of trials n, a positive int.
        logits: Log-odds of success, a tensor of any shape.
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.Binomial(16, logits=0.0)
    >>> round(float(p.log_prob(8.0)), 4)
    -1.6277

    Reference: Loader, "Fast and accurate computation of binomial probabilities",
    2000.
    """

    def __init__(
        self,
        total_count: int,
        logits: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Binomial",
    ) -> None:
        parameters = dict(locals())
        self._trials = int(total_count)
        super().__init__(
            total_count=float(total_count),
            logits=logits,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            name=name,
        )
        self._parameters = parameters

    @property
    def total_count(self) -> int:
        """The number of trials n: an int, so that it stays static in a graph."""
        return self._trials

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        return {"logits": tfp.util.ParameterProperties()}

    def _log_prob(self, counts: tf.Tensor) -> tf.Tensor:
        logits = tf.convert_to_tensor(self.logits)
        n = self._trials
        peak_table, logit_table = (
            tf.constant(table, logits.dtype) for table in _tables(n)
        )
        k = tf.cast(counts, logits.dtype)
        valid = (k >= 0) & (k <= n) & (k == tf.floor(k))
        index = tf.cast(tf.where(valid, k, 0), tf.int32)
        # Seen from the rarer outcome, whose share is at most a half. At the ends it
        # would be zero, without a finite gradient; they have a form of their own.
        share = tf.where((k > 0) & (k < n), tf.minimum(k, n - k) / n, 0.5)
        shift = logits - tf.gather(logit_table, index)
        shift = tf.where(k <= n - k, shift, -shift)
        inside = tf.gather(peak_table, index) - n * _divergence(share, shift)
        # At the ends the mode lies at infinity, and the plain form has one term.
        none, every = -n * tf.math.softplus(logits), -n * tf.math.softplus(-logits)
        mass = tf.where(k == 0, none, tf.where(k == n, every, inside))
        return tf.where(valid, mass, outside(k))


def _divergence(share: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Of Bernoulli(share) from the one whose logit is larger by `shift`.

    log(1 + share (e^shift - 1)) - share shift, the two terms of which cancel to
    the square of a small shift: to the series of the cumulants.
    """
    small = tf.clip_by_value(shift, -NEAR, NEAR)
    middle, far = tf.minimum(shift, FAR), tf.maximum(shift, FAR)
    spread, skew = share * (1 - share), 1 - 2 * share
    series = (1 - 30 * spread * (1 - 4 * spread)) / 720
    series = skew * (1 - 12 * spread) / 120 + small * series
    series = (1 - 6 * spread) / 24 + small * series
    series = 1 / 2 + small * (skew / 6 + small * series)
    return tf.where(
        tf.abs(shift) < NEAR,
        spread * tf.square(small) * series,
        tf.where(
            shift < FAR,
            tf.math.log1p(share * tf.math.expm1(middle)) - share * middle,
            tf.math.log(share + (1 - share) * tf.exp(-far)) + (1 - share) * far,
        ),
    )


def _tables(n: int) -> tuple[np.ndarray, np.ndarray]:
    """For k = 0..n: the largest log mass that k can have, and the logit of it."""
    k = np.arange(1, n, dtype=np.float64)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    peak = np.zeros(n + 1)
    peak[1:n] = choose[1:n] + k * np.log(k / n) + (n - k) * np.log1p(-k / n)
    logit = np.zeros(n + 1)
    logit[1:n] = np.log(k) - np.log(n - k)
    return peak, logit
