"""A target for the KL divergence."""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import Weight, as_weight, weight_at, weight_config

__all__ = ["Capacity"]


@keras.saving.register_keras_serializable("tfvae.objectives")
class Capacity(Penalty):
    """Holds the mean KL of a batch at a target, which may rise while it trains.

        weight |mean_b KL(q(z|x_b) || p(z)) - capacity|

    With `Reconstruction` it is the objective of the reference; on top of `ELBO` the KL
    counts once more.

    Args:
        weight: A non-negative number or a schedule. Default: 1.
        capacity: The target in nats, a non-negative number or a schedule of the number
            of updates, such as `tfvae.schedules.Linear`. Default: 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> rising = tfvae.schedules.Linear(num_steps=100_000, stop=25.0)
    >>> penalty = tfvae.objectives.Capacity(weight=1000.0, capacity=rising)
    >>> objective = tfvae.objectives.Reconstruction(penalties=[penalty])

    Reference: Burgess et al., "Understanding disentangling in beta-VAE", 2018,
    https://arxiv.org/abs/1804.03599.
    """

    needs_paths: ClassVar[bool] = False
    schedulable: ClassVar[tuple[str, ...]] = ("weight", "capacity")

    def __init__(
        self, weight: Weight = 1.0, capacity: Weight = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(weight, **kwargs)
        self.capacity = as_weight("capacity", capacity)

    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        kl = tf.reduce_mean(terms.kl())
        return tf.abs(kl - weight_at(self.capacity, context.step, kl.dtype))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"capacity": weight_config(self.capacity)}
