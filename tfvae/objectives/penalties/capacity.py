"""A target for the KL divergence."""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfvae._math import mean_of_examples
from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import Weight, as_weight, weight_at, weight_config

__all__ = ["Capacity"]


@keras.saving.register_keras_serializable("tfvae")
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
        ValueError: If an argument is none of these, or, in training, if the KL is one
            of draws that carry no gradient.

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
        if not terms.pathwise and terms.kl_method == "monte_carlo":
            raise ValueError(
                'gradient="score" sends no gradient through the draws of z, and '
                "Capacity takes the KL of the draws, for there is no closed form of "
                f"KL(q || p) for q = {terms.posterior} and p = {terms.prior}."
            )
        kl = terms.kl()
        target = weight_at(self.capacity, context.step, kl.dtype)
        return tf.abs(mean_of_examples(kl, terms.sample_weight, target) - target)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"capacity": weight_config(self.capacity)}
