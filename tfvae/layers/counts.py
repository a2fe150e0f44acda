"""What the layers of counts share: their mean, their support, the observed total."""

import abc
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import MIN_SCALE, mean_of_examples, positive, positive_inverse
from tfvae.layers.base import DistributionLayer

__all__ = ["CountsLayer", "OverdispersedLayer"]

LEAST_SHARE = 1e-6
"""The smallest share of an element, in even shares: no count is impossible."""

MEMORY = 0.99
"""How much of the mean log total a training step keeps."""


class CountsLayer(DistributionLayer):
    """Base class of the layers of counts, whose mean is called `rate`.

    With `library_size="observed"` an example is described by its total and by how the
    total is shared among the elements:

        rate = l ((1 - 1e-6) softmax(raw) + 1e-6 / N),   l = sum_i x_i

    over the N elements of an event. The total conditions the likelihood: `log_prob` and
    the bounds of a model are those of log p(x | l). Without data, as in a call of the
    layer and in samples of a model, l is the exponential of the moving average of
    log(1 + sum_i x_i) that training has seen, less one, and at least 1e-6.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        library_size: None, for a mean of its own for each element, or "observed".
            Default: None.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `library_size` is neither.
    """

    noise = "uniform"
    support = "whole numbers from 0"
    measure = "counting"
    reparameterized = False

    draw_size: ClassVar[int]
    """Uniforms for one count; 0 stands for one without an axis of its own."""

    def __init__(
        self,
        event_shape: int | Sequence[int],
        library_size: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        self.library_size = _checks.one_of(
            "library_size", library_size, (None, "observed")
        )

    @property
    def takes_data(self) -> bool:  # type: ignore[override]
        """Whether the rates are shares of an observed total."""
        return self.library_size == "observed"

    @abc.abstractmethod
    def _elements(self, parameters: dict[str, tf.Tensor]) -> tfd.Distribution:
        """The counts with these parameters, of which each is an element."""

    @abc.abstractmethod
    def _draw(self, elements: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
        """Counts for uniform noise."""

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        own = (self.draw_size,) if self.draw_size else ()
        return (*self.event_shape, *own)

    def _add_weights(self) -> None:
        if self.library_size == "observed":
            # Of one count in each element, until training says more.
            start = float(self._num_elements())
            self.total, self.steps = (
                self.add_weight(
                    shape=(),
                    initializer=keras.initializers.Constant(value),
                    trainable=False,
                    autocast=False,
                    aggregation="mean",
                    name=name,
                )
                for name, value in (("total", start), ("steps", 0.0))
            )

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"rate": self.event_shape}

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if self.library_size is None:
            return {"rate": positive(raw["rate"])}
        logits = tf.reshape(raw["rate"], (-1, self._num_elements()))
        shares = (1 - LEAST_SHARE) * tf.nn.softmax(logits)
        shares += LEAST_SHARE / self._num_elements()
        # Zero where every example seen has been, and shares of nothing are unknown.
        rate = tf.maximum(tf.convert_to_tensor(self.total), MIN_SCALE) * shares
        return {"rate": tf.reshape(rate, (-1, *self.event_shape))}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(self._elements(parameters), len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns the parameters [*batch, *event], `rate` first.

        One that is shared by all examples has the shape [*event].
        """
        return {name: getattr(q.distribution, name) for name in self._names()}

    def _names(self) -> tuple[str, ...]:
        return ("rate",)

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.stop_gradient(self._draw(q.distribution, noise))
        return x, q.log_prob(x)

    def _observe(
        self,
        q: tfd.Distribution,
        x: tf.Tensor,
        training: bool,
        sample_weight: tf.Tensor | None,
    ) -> tfd.Distribution:
        if self.library_size is None:
            return q
        axes = list(range(-len(self.event_shape), 0))
        total = tf.reduce_sum(tf.cast(x, self.variable_dtype), axes, keepdims=True)
        if training:
            log_totals = tf.reshape(tf.math.log1p(total), [-1])
            self._remember(log_totals, sample_weight)
        parameters = self.parameters(q)
        rate = parameters["rate"]
        rate *= total / tf.reduce_sum(rate, axes, keepdims=True)
        return self._distribution(**(parameters | {"rate": rate}))

    def _remember(self, log_totals: tf.Tensor, sample_weight: tf.Tensor | None) -> None:
        """A plain mean at first, then a moving average."""
        step = tf.convert_to_tensor(self.steps) + 1
        share = tf.maximum(1 - MEMORY, 1 / step)
        known = tf.math.log1p(tf.convert_to_tensor(self.total))
        mean = mean_of_examples(log_totals, sample_weight, known)
        self.total.assign(tf.math.expm1(known + share * (mean - known)))
        self.steps.assign(step)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bool:
            return tf.ones_like(x)
        x = tf.cast(x, tf.float64)
        return (x >= 0) & (x == tf.floor(x))

    def _num_elements(self) -> int:
        return math.prod(self.event_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"library_size": self.library_size}


class OverdispersedLayer(CountsLayer):
    """Base class of the layers of counts that vary more than their mean says.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        dispersion: "elementwise", an inverse dispersion for each element that depends
            on the features, or "shared", one trainable number for each element, the
            same for all examples. Default: "elementwise".
        library_size: None or "observed", as in `CountsLayer`. Default: None.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `dispersion` or `library_size` is none of these.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        dispersion: str = "elementwise",
        library_size: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, library_size, **kwargs)
        self.dispersion = _checks.one_of(
            "dispersion", dispersion, ("elementwise", "shared")
        )

    def _add_weights(self) -> None:
        super()._add_weights()
        if self.dispersion == "shared":
            self.raw_total_count = self.add_weight(
                shape=self.event_shape,
                initializer=keras.initializers.Constant(float(positive_inverse(1.0))),
                autocast=False,
                name="raw_total_count",
            )

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super()._raw_shapes()
        if self.dispersion == "elementwise":
            shapes["total_count"] = self.event_shape
        return shapes

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        shared = self.dispersion == "shared"
        trials = tf.convert_to_tensor(self.raw_total_count) if shared else None
        trials = raw["total_count"] if trials is None else trials
        return super()._constrain(raw) | {"total_count": positive(trials)}

    def _names(self) -> tuple[str, ...]:
        return ("rate", "total_count")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"dispersion": self.dispersion}
