"""The contract of penalties."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfvae.objectives.base import Context
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import (
    Weight,
    as_weight,
    weight_at,
    weight_config,
    weights_from_config,
)

__all__ = ["Penalty", "as_penalties", "shares"]


class Penalty(keras.layers.Layer, abc.ABC):
    """Base class of what is added to the loss of a bound, `weight` times.

    It is a Keras layer so that state of its own is saved with the model. Means over a
    batch are those of `sample_weight`, and over the examples of one replica.

    Args:
        weight: A non-negative number, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the number of
            updates. Default: 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `weight` is none of these.
    """

    needs_paths: ClassVar[bool] = True
    """Whether its gradient goes through the draws of z."""

    schedulable: ClassVar[tuple[str, ...]] = ("weight",)
    """Names of the arguments that take a number or a schedule."""

    def __init__(self, weight: Weight = 1.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.weight = as_weight("weight", weight)
        self.built = True

    def value(self, terms: Terms, context: Context) -> tf.Tensor:
        """Returns the weighted value, a scalar or [B], nats; lower is better."""
        value = self._value(terms, context)
        return weight_at(self.weight, context.step, value.dtype) * value

    @abc.abstractmethod
    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        """The value itself, a scalar or [B]."""

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"weight": weight_config(self.weight)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Penalty":
        """Makes the penalty again from `get_config()`."""
        return cls(**weights_from_config(config, *cls.schedulable))


def shares(sample_weight: tf.Tensor | None, like: tf.Tensor) -> tf.Tensor:
    """Returns what each example of a batch counts for in a mean: [B], of the sum 1.

    Without examples, or where all weights are 0, there is nothing to sum up.
    """
    weight = tf.ones(tf.shape(like)[:1], like.dtype)
    if sample_weight is not None:
        weight = tf.cast(sample_weight, like.dtype)
    return tf.math.divide_no_nan(weight, tf.reduce_sum(weight))


def as_penalties(penalties: Any) -> list[Penalty]:
    """Returns penalties, or the configurations of some, as a list of penalties."""
    if not isinstance(penalties, Sequence) or isinstance(penalties, str):
        penalties = [penalties]
    found = [
        keras.saving.deserialize_keras_object(penalty)
        if isinstance(penalty, dict)
        else penalty
        for penalty in penalties
    ]
    for penalty in found:
        if not isinstance(penalty, Penalty):
            raise ValueError(
                "`penalties` must be tfvae.objectives.Penalty objects. Received: "
                f"{penalty!r}."
            )
    return found
