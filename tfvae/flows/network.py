"""Networks that give the shift and the log scale of an affine flow."""

import abc
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import _checks

__all__ = ["LARGEST_LOG_SCALE", "AffineNetwork"]

LARGEST_LOG_SCALE = 3.0
"""The bound on the log scale of one step of a flow, on either side of zero."""

START = 0.01
"""Standard deviation of the last kernel's first values: a flow starts near x -> x."""


class AffineNetwork(keras.layers.Layer, abc.ABC):
    """A multi-layer perceptron from x, and a context, to a shift and a log scale.

        h_1 = f(W_1 x + b_1 + V c),  h_l = f(W_l h_(l-1) + b_l)
        shift, raw = W x h_L + b,    log_scale = 3 tanh(raw / 3)

    The kernels W may be masked. The bound on the log scale keeps the flow and its
    inverse finite whatever the weights are. The last kernel starts small, so that
    shift and log scale start near zero.

    Args:
        inputs: The number of elements of x.
        outputs: The number of elements of the shift, and of the log scale.
        hidden_units: Sizes of the hidden layers.
        activation: Activation f of the hidden layers.
        context_units: The number of elements of the context, 0 for none.
        seed: An int that fixes the first weights, or None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is outside what is said above.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden_units: Sequence[int],
        activation: Any,
        context_units: int,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.hidden_units = hidden_sizes(hidden_units)
        self.activation = keras.activations.get(activation)
        self.context_units = context_units
        if context_units != 0:
            _checks.positive_int("context_units", context_units)
        self.seed = _checks.seed(seed)
        self._masks = self._make_masks()
        self._add_weights([inputs, *self.hidden_units, 2 * outputs])
        self.built = True

    @abc.abstractmethod
    def _make_masks(self) -> list[np.ndarray | None]:
        """What each kernel is multiplied by, or None."""

    def _add_weights(self, sizes: list[int]) -> None:
        last = len(sizes) - 2
        for i, shape in enumerate(itertools.pairwise(sizes)):
            start = self._initializer(i, small=i == last)
            self._weight(f"kernel_{i}", shape, start)
            self._weight(f"bias_{i}", shape[1:], "zeros")
        if self.context_units:
            self._weight(
                "context_kernel",
                (self.context_units, sizes[1]),
                self._initializer(len(sizes), small=last == 0),
            )

    def _initializer(self, number: int, small: bool) -> Any:
        # A seed for each kernel: kernels of one shape would be equal.
        seed = None if self.seed is None else self.seed + number
        if small:
            return keras.initializers.RandomNormal(stddev=START, seed=seed)
        return keras.initializers.GlorotUniform(seed=seed)

    def _weight(self, name: str, shape: Sequence[int], initializer: Any) -> None:
        self.add_weight(shape=shape, initializer=initializer, autocast=False, name=name)

    def call(
        self, x: tf.Tensor, context: tf.Tensor | None = None, frozen: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the shift and the log scale, computed in the dtype of `x`.

        Args:
            x: A tensor [*lead, inputs].
            context: A tensor [*batch, context_units] whose axes broadcast with those
                of `x`, or None without one. Default: None.
            frozen: Whether the gradient with respect to the weights is stopped; that
                with respect to `x` and `context` is not. Default: False.

        Returns:
            Two tensors [*lead, outputs].
        """
        x = tf.convert_to_tensor(x)
        return self.apply(self.read(x.dtype, frozen), x, context)

    def read(self, dtype: tf.DType, frozen: bool) -> list[tf.Tensor]:
        """Returns the weights as tensors, kernels masked, in the order of `weights`.

        Args:
            dtype: What they are cast to.
            frozen: Whether the gradient with respect to the weights is stopped.
        """
        tensors = [tf.cast(tf.convert_to_tensor(w), dtype) for w in self.weights]
        if frozen:
            tensors = [tf.stop_gradient(tensor) for tensor in tensors]
        for i, mask in enumerate(self._masks):
            if mask is not None:
                tensors[2 * i] *= tf.constant(mask, dtype)
        return tensors

    def apply(
        self, tensors: Sequence[tf.Tensor], x: tf.Tensor, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the shift and the log scale for weights that were `read`."""
        if (context is None) != (self.context_units == 0):
            raise ValueError(
                f"`context` must be a tensor [..., {self.context_units}], and None for "
                f"0 units. Received: {context!r}."
            )
        layers = len(self._masks)
        for i, (kernel, bias) in enumerate(
            zip(tensors[0 : 2 * layers : 2], tensors[1 : 2 * layers : 2], strict=True)
        ):
            x = tf.tensordot(x, kernel, 1) + bias
            if i == 0 and context is not None:
                x += tf.tensordot(context, tensors[-1], 1)
            if i < layers - 1:
                x = self.activation(x)
        shift, raw = tf.split(x, 2, axis=-1)
        return shift, LARGEST_LOG_SCALE * tf.tanh(raw / LARGEST_LOG_SCALE)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "context_units": self.context_units,
            "seed": self.seed,
        }


def hidden_sizes(value: Any) -> tuple[int, ...]:
    """Returns `hidden_units` as a tuple of positive ints, or raises ValueError."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ValueError(
            f"`hidden_units` must be a sequence of positive integers. "
            f"Received: {value!r}."
        )
    return tuple(_checks.positive_int("hidden_units", units) for units in value)
