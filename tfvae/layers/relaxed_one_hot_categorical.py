"""Relaxed one-hot vectors: points of the simplex near its corners."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import MIN_SCALE, look_at_schedule
from tfvae.distributions import RelaxedOneHotCategorical as RelaxedDistribution
from tfvae.distributions.choice import softmax
from tfvae.distributions.relaxed_one_hot import ROUNDING
from tfvae.layers.base import DistributionLayer

__all__ = ["RelaxedOneHotCategorical"]


@keras.saving.register_keras_serializable("tfvae")
class RelaxedOneHotCategorical(DistributionLayer):
    """Independent relaxed one-hot vectors along the last axis of the event.

        x = softmax((logits + g) / t),   g_k = -log(-log u_k),   t = temperature

    Vectors of non-negative numbers that sum to one, near a corner when the temperature
    is low, and reparameterised. The density is `tfvae.distributions.
    RelaxedOneHotCategorical`, which also says what becomes of coordinates that are too
    small for a float. Mean and standard deviation have no closed form: `location` is
    softmax(logits).

    Args:
        event_shape: Shape of one event, the number of classes last, at least 2: a
            positive int or a non-empty sequence.
        temperature: A positive number, or a schedule of it: a
            `keras.optimizers.schedules.LearningRateSchedule`. A schedule is asked with
            the number of earlier calls with `training=True`, which is saved with the
            layer; outside of training the temperature is that of the latest step. One
            that falls to zero ends at 1e-6.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If there are fewer than two classes, or `temperature` is neither, or
            a schedule that is negative at some step up to the millionth.

    Example:
    >>> layer = tfvae.layers.RelaxedOneHotCategorical((6, 4), temperature=0.5)
    >>> q = layer(keras.ops.zeros((2, 10)))
    >>> x, log_q = layer.sample_and_log_prob(q, seed=0)
    >>> x.shape, log_q.shape
    (TensorShape([2, 6, 4]), TensorShape([2]))

    Reference: Maddison, Mnih and Teh, "The Concrete distribution: a continuous
    relaxation of discrete random variables", ICLR 2017,
    https://arxiv.org/abs/1611.00712.
    """

    noise = "uniform"
    measure = "simplex"
    location_is_mean = False
    support = "non-negative numbers that sum to 1 along the last axis"

    def __init__(
        self, event_shape: int | Sequence[int], temperature: Any, **kwargs: Any
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if self.event_shape[-1] < 2:
            raise ValueError(
                "`event_shape` of RelaxedOneHotCategorical must end in at least two "
                f"classes. Received: {event_shape!r}."
            )
        if isinstance(temperature, keras.optimizers.schedules.LearningRateSchedule):
            self.temperature = _never_negative(temperature)
        else:
            self.temperature = _checks.finite_number(
                "temperature", temperature, above=0, dtype=self.variable_dtype
            )

    @property
    def follows_schedule(self) -> bool:
        """Whether the temperature is a schedule."""
        return not isinstance(self.temperature, float)

    def _add_weights(self) -> None:
        if self.follows_schedule:
            self.steps = self.add_weight(
                shape=(),
                dtype="int64",
                initializer="zeros",
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
                name="steps",
            )

    def _count_step(self) -> None:
        if self.follows_schedule:
            self.steps.assign_add(1)

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"logits": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        dtype = raw["logits"].dtype
        if self.follows_schedule:
            # The current step is counted already.
            latest = tf.maximum(tf.convert_to_tensor(self.steps) - 1, 0)
            temperature = tf.maximum(
                tf.cast(self.temperature(latest), dtype), MIN_SCALE
            )
        else:
            temperature = tf.constant(self.temperature, dtype)
        return {"temperature": temperature} | raw

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        vectors = RelaxedDistribution(**parameters)
        return tfd.Independent(vectors, len(self.event_shape) - 1)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `temperature`, a scalar, and `logits` [*batch, *event]."""
        vectors = q.distribution
        return {"temperature": vectors.temperature, "logits": vectors.logits}

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the location, softmax(logits): [*batch, *event]."""
        return softmax(q.distribution.logits)

    def stddev(self, q: tfd.Distribution) -> None:
        """Returns None: there is no closed form."""

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x, log_q = q.distribution.draw(noise)
        axes = list(range(1 - len(self.event_shape), 0))
        return x, tf.reduce_sum(log_q, axes)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float64)
        valid = tf.reduce_all(x >= 0, axis=-1, keepdims=True)
        total = tf.reduce_sum(x, axis=-1, keepdims=True)
        return tf.broadcast_to(valid & (tf.abs(total - 1) <= ROUNDING), tf.shape(x))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        temperature = self.temperature
        if self.follows_schedule:
            temperature = keras.optimizers.schedules.serialize(temperature)
        return super().get_config() | {"temperature": temperature}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RelaxedOneHotCategorical":
        """Makes the layer from the arguments that `get_config` returned."""
        temperature = config["temperature"]
        if isinstance(temperature, dict):
            temperature = keras.optimizers.schedules.deserialize(temperature)
        return cls(**config | {"temperature": temperature})


def _never_negative(schedule: Any) -> Any:
    numbers, received = look_at_schedule(schedule)
    if not all(number >= 0 for number in numbers):
        raise ValueError(
            f"`temperature` must not be negative at any step. Received: {received}."
        )
    return schedule
