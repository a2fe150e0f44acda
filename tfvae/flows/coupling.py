"""The network of a coupling step."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfvae import _checks
from tfvae.flows.network import AffineNetwork

__all__ = ["CouplingNetwork"]


@keras.saving.register_keras_serializable("tfvae")
class CouplingNetwork(AffineNetwork):
    """A network from the elements that a step leaves alone to those that it changes.

        shift, log_scale = f(x_kept, context)

    Args:
        inputs: The number of elements that are kept, a positive int.
        outputs: The number of elements that are changed, a positive int.
        hidden_units: Sizes of the hidden layers, positive ints. Default: (64, 64).
        activation: Activation of the hidden layers. Default: "tanh".
        context_units: The number of elements of the context, 0 for none. Default: 0.
        seed: An int that fixes the first weights, or None. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is outside what is said above.

    Example:
    >>> from tfvae.flows import CouplingNetwork
    >>> shift, log_scale = CouplingNetwork(2, 3, seed=0)(tf.zeros([5, 2]))
    >>> log_scale.shape
    TensorShape([5, 3])

    Reference: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP",
    2017, https://arxiv.org/abs/1605.08803.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden_units: Sequence[int] = (64, 64),
        activation: Any = "tanh",
        context_units: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.inputs = _checks.positive_int("inputs", inputs)
        self.outputs = _checks.positive_int("outputs", outputs)
        super().__init__(
            inputs, outputs, hidden_units, activation, context_units, seed, **kwargs
        )

    def _make_masks(self) -> list[np.ndarray | None]:
        return [None] * (len(self.hidden_units) + 1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"inputs": self.inputs, "outputs": self.outputs}
