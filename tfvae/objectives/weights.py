"""Weights that are a number or a schedule of the number of updates."""

from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tfvae import _checks

__all__ = ["Weight", "as_weight", "weight_at", "weight_config", "weights_from_config"]

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule

Weight: TypeAlias = float | Schedule


def as_weight(name: str, weight: Any, *, negative: bool = False) -> Weight:
    """Returns a schedule, or a finite float, or raises ValueError."""
    if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
        return weight
    number = _checks.finite_number(name, weight)
    if number < 0 and not negative:
        raise ValueError(f"`{name}` must not be negative. Received: {number}.")
    return number


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
