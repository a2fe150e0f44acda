"""Constrained optimisation with a learned multiplier."""

from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty
from tfvae.objectives.terms import Terms

__all__ = ["GECO"]

_LARGEST = 15.0
"""Of the logarithm of the multiplier, either way."""


@keras.saving.register_keras_serializable("tfvae")
class GECO(Penalty):
    """Trains for the smallest KL at which the reconstruction reaches a target.

        minimise KL(q(z|x) || p(z))   subject to   mean_b E_q[log p(x_b|z)] >= target

    Added to the loss of `ELBO`, KL - E_q[log p(x|z)], is

        (lambda - 1) (target - E_q[log p(x|z)])

    which leaves KL + lambda (target - E_q[log p(x|z)]) and a constant. The multiplier
    lambda begins at one, where the objective is the ELBO. After each batch it is
    multiplied by exp(rate c), c the moving average of target - E_q[log p(x|z)]: it
    rises while the target is missed, and falls to let the KL fall once it is met.

    Args:
        target: The reconstruction to reach, nats per example.
        rate: Rate of the multiplier, per nat. Default: 1e-3.
        momentum: Of the moving average, from 0 and below 1. Default: 0.99.
        **kwargs: Arguments of `Penalty`, whose weight stays 1 as a rule.

    Attributes:
        multiplier: lambda, a scalar tensor.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> geco = tfvae.objectives.GECO(target=-80.0)
    >>> float(geco.multiplier)
    1.0
    >>> objective = tfvae.objectives.ELBO(penalties=[geco])

    Reference: Rezende and Viola, "Taming VAEs", 2018,
    https://arxiv.org/abs/1810.00597.
    """

    def __init__(
        self, target: float, rate: float = 1e-3, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.target = _checks.finite_number("target", target)
        self.rate = _checks.finite_number("rate", rate, above=0)
        self.momentum = _checks.finite_number("momentum", momentum)
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"`momentum` must be at least 0 and below 1. Received: {momentum!r}."
            )

        def state(name: str) -> keras.Variable:
            return self.add_weight(
                name=name, initializer="zeros", trainable=False, aggregation="mean"
            )

        self._log_multiplier = state("log_multiplier")
        self._average, self._count = state("average"), state("count")

    @property
    def multiplier(self) -> tf.Tensor:
        """The multiplier lambda of the constraint, a scalar."""
        return tf.exp(tf.convert_to_tensor(self._log_multiplier))

    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        missing = self.target - terms.reconstruction
        excess = tf.cast(self.multiplier, missing.dtype) - 1
        if context.training:
            with tf.control_dependencies([excess]):
                self._update(tf.stop_gradient(missing), terms.sample_weight)
        return excess * missing

    def _update(self, missing: tf.Tensor, weight: tf.Tensor | None) -> None:
        weight = tf.ones_like(missing) if weight is None else weight
        missing = tf.cast(missing, self.variable_dtype)
        weight = tf.cast(weight, self.variable_dtype)
        sums = tf.stack([tf.reduce_sum(weight * missing), tf.reduce_sum(weight)])
        # One multiplier for all replicas, of which one may have no example.
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            replica = tf.distribute.get_replica_context()
            sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        total, size = tf.unstack(sums)
        some = size > 0
        mean = total / tf.where(some, size, 1)
        old = tf.convert_to_tensor(self._average)
        average = tf.where(some, old + (1 - self.momentum) * (mean - old), old)
        count = tf.convert_to_tensor(self._count) + tf.cast(some, old.dtype)
        # What a moving average that began at zero lacks in its first updates.
        begun = 1 - tf.pow(tf.constant(self.momentum, old.dtype), count)
        step = tf.math.divide_no_nan(self.rate * average, begun)
        log = tf.convert_to_tensor(self._log_multiplier)
        moved = tf.clip_by_value(log + step, -_LARGEST, _LARGEST)
        self._log_multiplier.assign(tf.where(some, moved, log))
        self._average.assign(average)
        self._count.assign(count)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        names = ("target", "rate", "momentum")
        return super().get_config() | {name: getattr(self, name) for name in names}
