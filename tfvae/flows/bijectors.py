"""Flows of several steps: bijectors of TensorFlow Probability driven by networks."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfvae import _checks
from tfvae.flows.coupling import CouplingNetwork
from tfvae.flows.made import MADE
from tfvae.flows.network import AffineNetwork, hidden_sizes

__all__ = ["KINDS", "Flow", "FlowStep", "flow_networks"]

KINDS = ("masked_autoregressive", "inverse_autoregressive", "coupling")


@dataclasses.dataclass(eq=False)
class FlowStep:
    """The function from x to shift and log scale that a bijector is driven by.

    Attributes:
        network: The network.
        weights: What the network's `read` gave. It is read once, outside the loop of
            a bijector.
        context: Its context [*batch, C], or None.
    """

    network: AffineNetwork
    weights: Sequence[tf.Tensor]
    context: tf.Tensor | None
    _last: tuple[Any, Any] = (None, None)

    def __call__(self, x: tf.Tensor, output_units: Any = None) -> Any:
        """Returns shift and log scale at `x`; bijectors also tell their number."""
        # A bijector asks once for the value and once for the determinant.
        if x is not self._last[0]:
            value = self.network.apply(self.weights, x, self.context)
            self._last = (x, value)
        return self._last[1]


def flow_networks(
    kind: str,
    size: int,
    num_flows: int,
    hidden_units: Sequence[int],
    activation: Any,
    context_units: int = 0,
    seed: int | None = None,
    dtype: Any = None,
) -> list[AffineNetwork]:
    """Makes the networks of a flow, whose order or roles alternate from step to step.

    Args:
        kind: One of `KINDS`.
        size: The number D of elements of z.
        num_flows: The number of steps, a positive int.
        hidden_units: Sizes of the hidden layers.
        activation: Activation of the hidden layers.
        context_units: The number of elements of the context, 0 for none.
        seed: An int that fixes the first weights, or None.
        dtype: The dtype or policy of the weights.

    Returns:
        One network for each step.

    Raises:
        ValueError: If an argument is outside what is said above, or a coupling has
            one element only.
    """
    num_flows = _checks.positive_int("num_flows", num_flows)
    hidden_units, seed = hidden_sizes(hidden_units), _checks.seed(seed)
    if kind == "coupling" and size < 2:
        raise ValueError(
            "`event_shape` of a coupling flow must have at least two elements, of "
            f"which one stays. Received: {size}."
        )
    networks: list[AffineNetwork] = []
    for i in range(num_flows):
        common = {
            "hidden_units": hidden_units,
            "activation": activation,
            "context_units": context_units,
            "seed": None if seed is None else (seed + 1000 * i) % 2**31,
            "dtype": dtype,
            "name": f"step_{i}",
        }
        if kind == "coupling":
            kept = _kept(size, i)
            networks.append(CouplingNetwork(kept, size - kept, **common))
        else:
            networks.append(MADE(size, reverse=i % 2 == 1, **common))
    return networks


class Flow:
    """A function from a context to a bijector of several steps, from u to z.

        masked_autoregressive   z_i = u_i exp(log_scale_i(z_<i)) + shift_i(z_<i)
        inverse_autoregressive  z_i = (u_i - shift_i(u_<i)) exp(-log_scale_i(u_<i))
        coupling                z_changed = u_changed exp(log_scale(u_kept))
                                            + shift(u_kept)

    The first one gives a density in one pass and draws element by element, the second
    one the other way round; the third one does both in one pass.

    Args:
        kind: One of `KINDS`.
        networks: The networks of the steps, in the order of a draw.
        size: The number D of elements of z.
    """

    def __init__(self, kind: str, networks: Sequence[AffineNetwork], size: int) -> None:
        self.kind, self.networks, self.size = kind, list(networks), size

    def __call__(
        self, dtype: tf.DType, context: tf.Tensor | None = None, frozen: bool = False
    ) -> tfb.Bijector:
        """Returns the bijector.

        Args:
            dtype: What it computes in, the dtype of the context.
            context: What the networks are told besides, [*batch, C], or None.
                Default: None.
            frozen: Whether no gradient reaches the weights. Default: False.

        Returns:
            A `tfb.Chain`, whose last bijector is the first step.
        """
        bijectors = [
            self._step(i, FlowStep(network, network.read(dtype, frozen), context))
            for i, network in enumerate(self.networks)
        ]
        return tfb.Chain(bijectors[::-1])

    def _step(self, number: int, function: FlowStep) -> tfb.Bijector:
        if self.kind == "coupling":
            kept = _kept(self.size, number)
            kept = -kept if number % 2 else kept
            return tfb.RealNVP(num_masked=kept, shift_and_log_scale_fn=function)
        step = tfb.MaskedAutoregressiveFlow(function)
        return tfb.Invert(step) if self.kind == "inverse_autoregressive" else step


def _kept(size: int, number: int) -> int:
    """The number of elements that step `number` leaves alone: first or last ones."""
    return size - size // 2 if number % 2 else size // 2
