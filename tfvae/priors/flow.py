"""A normalising flow as a prior."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.flows import Flow as Bijectors
from tfvae.flows import FlowNormal, flow_networks
from tfvae.priors.base import Prior

__all__ = ["Flow"]

KINDS = ("masked_autoregressive", "coupling")


@keras.saving.register_keras_serializable("tfvae")
class Flow(Prior):
    """A standard normal pushed through a learned invertible function.

        z = f(u), u ~ N(0, I),   log p(z) = log N(u; 0, I) - log |det df/du|

        masked_autoregressive   z_i = u_i exp(log_scale_i(z_<i)) + shift_i(z_<i)
        coupling                z_changed = u_changed exp(log_scale(u_kept))
                                            + shift(u_kept)

    Both give a density in one pass of the networks; an autoregressive draw takes one
    pass for each element. The order of the elements is reversed, or the halves change
    roles, from one step to the next. Each log scale is bounded, 3 tanh(raw / 3), so
    that densities and draws stay finite. It starts near the standard normal.

    Args:
        event_shape: The number of elements D, an int or a sequence of one.
        kind: "masked_autoregressive" or "coupling". Default: "masked_autoregressive".
        num_flows: The number of steps, a positive int. Default: 4.
        hidden_units: Sizes of the hidden layers of each network. Default: (64, 64).
        activation: Activation of the hidden layers. Default: "tanh".
        seed: An int that fixes the first weights, or None. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is outside what is said above, or a coupling has
            one element only.

    Example:
    >>> prior = tfvae.priors.Flow(3, num_flows=2, hidden_units=(8,), seed=0)
    >>> prior.distribution.log_prob(np.zeros((5, 3), "float32")).shape
    TensorShape([5])

    Reference: Papamakarios, Pavlakou and Murray, "Masked autoregressive flow for
    density estimation", 2017, https://arxiv.org/abs/1705.07057; Dinh, Sohl-Dickstein
    and Bengio, "Density estimation using Real NVP", 2017,
    https://arxiv.org/abs/1605.08803.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        kind: str = "masked_autoregressive",
        num_flows: int = 4,
        hidden_units: Sequence[int] = (64, 64),
        activation: Any = "tanh",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1:
            raise ValueError(
                f"`event_shape` of Flow must have one axis. Received: {event_shape!r}."
            )
        self.kind = _checks.one_of("kind", kind, KINDS)
        self.networks = flow_networks(
            kind,
            self.event_shape[0],
            num_flows,
            hidden_units,
            activation,
            seed=seed,
            dtype=self.variable_dtype,
        )
        self._flow = Bijectors(kind, self.networks, self.event_shape[0])
        self.num_flows = num_flows
        self.hidden_units = self.networks[0].hidden_units
        self.activation = self.networks[0].activation
        self.seed = seed

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        zeros = tf.zeros(self.event_shape, self.variable_dtype)
        return FlowNormal(zeros, tf.ones_like(zeros), self._flow, wide=True)

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "normal"."""
        return "normal"

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns standard noise [*lead, *event] into draws z of the same shape."""
        noise = tf.cast(noise, self.variable_dtype)
        return self._flow(noise.dtype).forward(noise)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "kind": self.kind,
            "num_flows": self.num_flows,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }
