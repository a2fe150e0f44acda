"""What the families with one logit for each element share."""

import abc

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.layers.base import DistributionLayer

__all__ = ["LogitsLayer"]


class LogitsLayer(DistributionLayer):
    """Base class of the families whose elements are independent given logits."""

    noise = "uniform"

    @abc.abstractmethod
    def _elements(self, logits: tf.Tensor) -> tfd.Distribution:
        """The distribution of each element: batch shape like `logits`."""

    @abc.abstractmethod
    def _draw(self, elements: tfd.Distribution, uniform: tf.Tensor) -> tf.Tensor:
        """A draw from each element, made from a uniform number on (0, 1)."""

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `logits` [*batch, *event]."""
        return {"logits": q.distribution.logits}

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"logits": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return raw

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        elements = self._elements(**parameters)
        return tfd.Independent(elements, len(self.event_shape))

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = self._draw(q.distribution, noise)
        return x, q.log_prob(x)
