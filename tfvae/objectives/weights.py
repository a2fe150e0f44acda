"""Weights that are a number or a schedule of the number of updates."""

import math
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae._math import look_at_schedule

__all__ = ["Weight", "as_weight", "weight_at", "weight_config", "weights_from_config"]

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule

Weight: TypeAlias = float | Schedule


def as_weight(name: str, weight: Any, *, most: float = math.inf) -> Weight:
    """Returns a schedule or a float, from 0 to `most`.

    Raises:
        ValueError: If it is neither, or the number, or one that the schedule gives
            within a million updates, is out of this range.
    """
    numbers, received = [weight], repr(weight)
    if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
        numbers, received = look_at_schedule(weight)
    else:
        weight = numbers[0] = _checks.finite_number(name, weight)
    if not all(number >= 0 for number in numbers):
        raise ValueError(f"`{name}` must not be negative. Received: {received}.")
    if not all(number <= most for number in numbers):
        raise ValueError(f"`{name}` must be at most {most:g}. Received: {received}.")
    return weight


def weight_at(weight: Weight, step: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the weight at an update, a scalar."""
    return tf.cast(weight(step) if callable(weight) else weight, dtype)


def weight_config(weight: Weight) -> Any:
    """Returns what a configuration holds of a weight."""
    if callable(weight):
        return keras.saving.serialize_keras_object(weight)
    return weight


def weights_from_config(config: dict[str, Any], *names: str) -> dict[str, Any]:
    """Returns a configuration with the weights of these names in place of theirs."""
    found = {name: config[name] for name in names if isinstance(config.get(name), dict)}
    deserialize = keras.saving.deserialize_keras_object
    return config | {name: deserialize(value) for name, value in found.items()}
