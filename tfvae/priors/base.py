"""The contract of priors."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks

__all__ = ["Prior"]


class Prior(keras.layers.Layer, abc.ABC):
    """Base class of priors: a layer that gives the distribution p(z).

    It is a Keras layer so that its weights are trained and saved with the model. The
    distribution is made anew each time it is asked for, from the weights as they are
    then.

    Args:
        event_shape: Shape of one latent z: a positive int or a non-empty sequence.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.
    """

    measure: ClassVar[str] = "lebesgue"
    """What the density is one of, as in `tfvae.layers.DistributionLayer`."""

    def __init__(self, event_shape: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_shape = _checks.event_shape(event_shape)
        self.built = True

    @property
    @abc.abstractmethod
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""

    @property
    @abc.abstractmethod
    def noise(self) -> str | None:
        """The noise that `transform` takes, "normal" or "uniform"; None without one."""

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return self.event_shape

    @abc.abstractmethod
    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns standard noise [*lead, *noise_shape] into draws z [*lead, *event]."""

    def bind(self, encoder: keras.Model) -> None:
        """Tells the prior the encoder of the model it is part of, before its use."""

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"event_shape": self.event_shape}

    def __repr__(self) -> str:
        """Returns the class, its event shape and its name."""
        return (
            f"<{type(self).__name__} event_shape={self.event_shape} name={self.name}>"
        )
