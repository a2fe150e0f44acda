"""What the families with a location and a scale for each element share."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import positive, positive_inverse
from tfvae.layers.base import DistributionLayer

__all__ = ["LocScaleLayer"]


class LocScaleLayer(DistributionLayer):
    """Base class of families with independent elements, a location and a scale.

    Learned scales are `softplus(raw) + 1e-6`.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        scale: "elementwise", a scale for each element that depends on the features;
            "shared", one trainable number; or a fixed positive number. Default:
            "elementwise".
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `scale` is none of these.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        scale: str | float = "elementwise",
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if isinstance(scale, str):
            self.scale = _checks.one_of("scale", scale, ("elementwise", "shared"))
        else:
            self.scale = _checks.finite_number(
                "scale", scale, above=0, dtype=self.variable_dtype
            )

    @abc.abstractmethod
    def _elements(self, **parameters: tf.Tensor) -> tfd.Distribution:
        """The distribution of each element: batch shape [*batch, *event]."""

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        elements = self._elements(**parameters)
        return tfd.Independent(elements, len(self.event_shape))

    def _loc_scale_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the raw location and, where it is elementwise, of the raw scale."""
        shapes = {"loc": self.event_shape}
        if self.scale == "elementwise":
            shapes["scale"] = self.event_shape
        return shapes

    def _loc_scale(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Location and scale from the raw numbers."""
        if self.scale == "elementwise":
            scale = positive(raw["scale"])
        elif self.scale == "shared":
            scale = positive(tf.convert_to_tensor(self.raw_scale))
        else:
            scale = tf.constant(self.scale, raw["loc"].dtype)
        return {"loc": raw["loc"], "scale": scale}

    def _add_scale(self) -> None:
        """Makes the weight of a shared scale, which starts at one."""
        if self.scale == "shared":
            self.raw_scale = self._shared("raw_scale", 1.0)

    def _shared(self, name: str, start: float) -> keras.Variable:
        """A trainable number that `positive` maps to `start`."""
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(float(positive_inverse(start))),
            autocast=False,
            name=name,
        )

    def _sum(self, elements: tf.Tensor) -> tf.Tensor:
        """The sum over the axes of the event."""
        return tf.reduce_sum(elements, list(range(-len(self.event_shape), 0)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"scale": self.scale}
