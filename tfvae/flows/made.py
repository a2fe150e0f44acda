"""The masked autoregressive network MADE."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfvae import _checks
from tfvae.flows.network import AffineNetwork

__all__ = ["MADE"]


@keras.saving.register_keras_serializable("tfvae")
class MADE(AffineNetwork):
    """A network whose output for one element sees only the elements before it.

        shift_i, log_scale_i = f_i(x_1, ..., x_(i-1), context)

    Every hidden unit has a degree, and a connection goes from a degree to the same or
    a higher one in the hidden layers, to a strictly higher one in the last. The
    degrees are spread evenly. A context is seen by every output.

    Args:
        size: The number D of elements of x, a positive int.
        hidden_units: Sizes of the hidden layers, positive ints. Default: (64, 64).
        activation: Activation of the hidden layers. Default: "tanh".
        context_units: The number of elements of the context, 0 for none. Default: 0.
        reverse: Whether "before" means from the last element to the first. Default:
            False.
        seed: An int that fixes the first weights, or None. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is outside what is said above.

    Example:
    >>> from tfvae.flows import MADE
    >>> shift, log_scale = MADE(3, hidden_units=(8,), seed=0)(tf.zeros([5, 3]))
    >>> log_scale.shape
    TensorShape([5, 3])

    Reference: Germain et al., "MADE: masked autoencoder for distribution estimation",
    2015, https://arxiv.org/abs/1502.03509.
    """

    def __init__(
        self,
        size: int,
        hidden_units: Sequence[int] = (64, 64),
        activation: Any = "tanh",
        context_units: int = 0,
        reverse: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.size = _checks.positive_int("size", size)
        self.reverse = _checks.one_of("reverse", reverse, (True, False))
        super().__init__(
            size, size, hidden_units, activation, context_units, seed, **kwargs
        )

    def _make_masks(self) -> list[np.ndarray | None]:
        order = np.arange(1, self.size + 1)
        if self.reverse:
            order = order[::-1]
        # Units of degree 0 see the context alone, and lead to the first element too.
        lowest = 0 if self.context_units or self.size == 1 else 1
        degrees = [order]
        for units in self.hidden_units:
            spread = np.arange(units) * (self.size - lowest) // units
            degrees.append(lowest + spread)
        masks = [
            (before[:, None] <= after).astype(float)
            for before, after in itertools.pairwise(degrees)
        ]
        last = (degrees[-1][:, None] < order).astype(float)
        return [*masks, np.concatenate([last, last], axis=1)]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"size": self.size, "reverse": self.reverse}
