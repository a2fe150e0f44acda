"""The contract of objectives."""

import abc
import dataclasses
from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.terms import Terms

__all__ = ["Context", "Estimate", "Objective"]


@dataclasses.dataclass(frozen=True, eq=False)
class Context:
    """Where in a run an estimate is made.

    Attributes:
        step: The number of optimizer updates so far, an int64 scalar.
        dataset_size: The number of examples of the training data, or None where it
            is unknown (a generator, a dataset).
        training: Whether the estimate is used for an update.
        seed: A seed for further draws, int32[2]. Default: None, for no draws.
    """

    step: tf.Tensor
    dataset_size: int | None
    training: bool
    seed: tf.Tensor | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """What an objective says of a batch, all [B] and in nats.

    The true value and what is differentiated are kept apart: `bound` is reported,
    and the two losses are what gradients flow through. They are one and the same
    tensor for most objectives; estimators that treat the two networks differently
    give two.

    Attributes:
        bound: The value of the objective, higher is better.
        encoder_loss: What the weights of the encoder minimise.
        decoder_loss: What all other weights (decoder and prior) minimise.
        reconstruction: E_q[log p(x|z)].
        kl: KL(q(z|x) || p(z)).
    """

    bound: tf.Tensor
    encoder_loss: tf.Tensor
    decoder_loss: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor

    @property
    def elbo(self) -> tf.Tensor:
        """The evidence lower bound: reconstruction - kl, [B], nats."""
        return self.reconstruction - self.kl


class Objective(keras.layers.Layer, abc.ABC):
    """Base class of objectives: from the terms of a batch to what is maximised.

    It is a Keras layer so that state of its own (a multiplier, a moving average,
    made with `add_weight(trainable=False)`) is saved and restored with the model.

    Args:
        num_samples: Number S of draws of z for each example. Default: 1.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    reports_bound = True
    """Whether the logs get a `bound` next to the ELBO."""

    def __init__(self, num_samples: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_samples = _checks.positive_int("num_samples", num_samples)
        self.built = True

    @property
    def num_draws(self) -> int:
        """The number of draws of z for each example in all."""
        return self.num_samples

    @property
    def pathwise(self) -> bool:
        """Whether gradients flow through the draws of z."""
        return True

    @abc.abstractmethod
    def estimate(self, terms: Terms, context: Context) -> Estimate:
        """Returns the value of the objective and the losses for one batch."""

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"num_samples": self.num_samples}
