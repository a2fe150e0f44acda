"""The relaxed uniform distribution over classes as a prior."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.distributions import RelaxedOneHotCategorical
from tfvae.priors.base import Prior

__all__ = ["RelaxedUniform"]


@keras.saving.register_keras_serializable("tfvae")
class RelaxedUniform(Prior):
    """Relaxed one-hot classes, all equally probable, with no weights.

        log p(z) = log (K-1)! + (K-1) log t - (t+1) sum_k log z_k
                   - K log sum_k z_k^(-t),    K classes, t the temperature

    It goes with the posterior `tfvae.layers.RelaxedOneHotCategorical`: both are
    densities on the probability simplex, so that their divergence, taken over draws,
    makes a bound, which a mass over classes would not. Leading axes of the event are
    independent.

    Args:
        event_shape: Shape of one latent z, whose last axis holds the K classes.
        temperature: The temperature t, a positive number. Default: 0.5.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If there are fewer than two classes, or the temperature is no
            positive number.

    Example:
    >>> prior = tfvae.priors.RelaxedUniform((4, 10), temperature=0.5)
    >>> prior.distribution.event_shape
    TensorShape([4, 10])

    Reference: Maddison, Mnih and Teh, "The concrete distribution", 2017,
    https://arxiv.org/abs/1611.00712.
    """

    measure = "simplex"

    def __init__(
        self,
        event_shape: int | Sequence[int],
        temperature: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if self.event_shape[-1] < 2:
            raise ValueError(
                "`event_shape` of RelaxedUniform must end in at least two classes. "
                f"Received: {event_shape!r}."
            )
        self.temperature = _checks.finite_number(
            "temperature", temperature, above=0, dtype=self.variable_dtype
        )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        return tfd.Independent(self._classes(), len(self.event_shape) - 1)

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "uniform"."""
        return "uniform"

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns uniforms [*lead, *event] into draws z of the same shape."""
        uniforms = tf.cast(noise, self.variable_dtype)
        return self._classes().draw(uniforms)[0]

    def _classes(self) -> RelaxedOneHotCategorical:
        zeros = tf.zeros(self.event_shape, self.variable_dtype)
        return RelaxedOneHotCategorical(self.temperature, logits=zeros)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"temperature": self.temperature}
