"""Weights that change while a model trains, as functions of the number of updates.

They are Keras learning rate schedules, so that every weight of an objective takes these
and those of Keras alike. What they return follows from `optimizer.iterations` alone: a
run that is restarted goes on where it stopped.
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks

__all__ = ["Affine", "Cyclical", "Linear"]


@keras.saving.register_keras_serializable("tfvae")
class Linear(keras.optimizers.schedules.LearningRateSchedule):
    """A straight line, and then a constant: the warm-up of a weight.

        w(t) = start + (stop - start) min(t / num_steps, 1)

    Args:
        num_steps: Number of updates from `start` to `stop`.
        start: The weight at the first update. Default: 0.
        stop: The weight from update `num_steps` on. Default: 1.

    Raises:
        ValueError: If `num_steps` is no positive integer or a weight is not finite.

    Example:
    >>> float(tfvae.schedules.Linear(num_steps=10)(5))
    0.5

    Reference: Bowman et al., "Generating sentences from a continuous space", 2016,
    https://arxiv.org/abs/1511.06349; Sonderby et al., "Ladder variational
    autoencoders", 2016, https://arxiv.org/abs/1602.02282.
    """

    def __init__(self, num_steps: int, start: float = 0.0, stop: float = 1.0) -> None:
        self.num_steps = _checks.positive_int("num_steps", num_steps)
        self.start = _checks.finite_number("start", start)
        self.stop = _checks.finite_number("stop", stop)

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the weight at an update, a float32 scalar."""
        return _line(tf.cast(step, tf.float32) / self.num_steps, self.start, self.stop)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"num_steps": self.num_steps, "start": self.start, "stop": self.stop}


@keras.saving.register_keras_serializable("tfvae")
class Cyclical(keras.optimizers.schedules.LearningRateSchedule):
    """Straight lines that begin again: cyclical annealing.

        w(t) = start + (stop - start) min((t mod period) / (rise * period), 1)

    Args:
        period: Number of updates in a cycle.
        num_cycles: Number of cycles, after which the weight stays at `stop`.
            Default: 4.
        rise: Share of a cycle in which the weight rises, above 0 and at most 1.
            Default: 0.5.
        start: The weight at the first update of a cycle. Default: 0.
        stop: The weight at its end. Default: 1.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> schedule = tfvae.schedules.Cyclical(period=10, num_cycles=2)
    >>> [round(float(schedule(step)), 1) for step in (0, 4, 9, 11, 25)]
    [0.0, 0.8, 1.0, 0.2, 1.0]

    Reference: Fu et al., "Cyclical annealing schedule", 2019,
    https://arxiv.org/abs/1903.10145.
    """

    def __init__(
        self,
        period: int,
        num_cycles: int = 4,
        rise: float = 0.5,
        start: float = 0.0,
        stop: float = 1.0,
    ) -> None:
        self.period = _checks.positive_int("period", period)
        self.num_cycles = _checks.positive_int("num_cycles", num_cycles)
        self.rise = _checks.finite_number("rise", rise, above=0)
        if self.rise > 1:
            raise ValueError(f"`rise` must be at most 1. Received: {rise!r}.")
        self.start = _checks.finite_number("start", start)
        self.stop = _checks.finite_number("stop", stop)

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the weight at an update, a float32 scalar."""
        step = tf.cast(step, tf.int64)
        within = tf.cast(step % self.period, tf.float32) / self.period
        weight = _line(within / self.rise, self.start, self.stop)
        return tf.where(step < self.period * self.num_cycles, weight, self.stop)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        names = ("period", "num_cycles", "rise", "start", "stop")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("tfvae")
class Affine(keras.optimizers.schedules.LearningRateSchedule):
    """A multiple of another schedule, and a constant.

        w(t) = factor schedule(t) + constant

    Args:
        schedule: A schedule of this module or of Keras.
        factor: A finite number. Default: 1.
        constant: A finite number. Default: 0.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> beta = tfvae.schedules.Linear(num_steps=10, start=1.0, stop=6.0)
    >>> float(tfvae.schedules.Affine(beta, constant=-1.0)(10))
    5.0
    """

    def __init__(
        self, schedule: Any, factor: float = 1.0, constant: float = 0.0
    ) -> None:
        if isinstance(schedule, dict):
            schedule = keras.saving.deserialize_keras_object(schedule)
        if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            raise ValueError(
                "`schedule` must be a keras.optimizers.schedules.LearningRateSchedule. "
                f"Received: {_checks.describe(schedule)}."
            )
        self.schedule = schedule
        self.factor = _checks.finite_number("factor", factor)
        self.constant = _checks.finite_number("constant", constant)

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the weight at an update, a float32 scalar."""
        return self.factor * tf.cast(self.schedule(step), tf.float32) + self.constant

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "factor": self.factor,
            "constant": self.constant,
        }


def _line(share: tf.Tensor, start: float, stop: float) -> tf.Tensor:
    return start + (stop - start) * tf.minimum(share, 1.0)
