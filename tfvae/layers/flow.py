"""What the layers of flow posteriors share."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import LOG_2PI, positive
from tfvae.flows import Flow, FlowNormal, flow_networks
from tfvae.layers.base import DistributionLayer

__all__ = ["FlowLayer"]


class FlowLayer(DistributionLayer, abc.ABC):
    """Base class of the posteriors that push a normal through a flow.

        z_0 = loc + scale * eps,  eps ~ N(0, I),   z = f_T(... f_1(z_0, context))
        log q(z) = log N(z_0; loc, scale^2) - sum_t log |det df_t/dz_(t-1)|

    The features give loc, scale and the context. The weights of the networks that make
    f belong to the layer and are the same for all examples. Scales are
    `softplus(raw) + 1e-6`.

    A draw and its density take one pass of each network, without inverting the flow.
    The mean is not known: `location` is f(loc).

    Args:
        event_shape: The number of dimensions D, an int or a sequence of one.
        num_flows: The number T of steps, a positive int. Default: 2.
        hidden_units: Sizes of the hidden layers of each network. Default: (64, 64).
        activation: Activation of the hidden layers. Default: "tanh".
        context_units: The number of elements of the context, a positive int. Default:
            32.
        seed: An int that fixes the networks' first weights, or None. Default: None.
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If an argument is outside what is said above.
    """

    noise = "normal"
    support = "finite real numbers"
    location_is_mean = False

    kind: ClassVar[str]
    """The kind of flow, one of `tfvae.flows.KINDS`."""

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_flows: int = 2,
        hidden_units: Sequence[int] = (64, 64),
        activation: Any = "tanh",
        context_units: int = 32,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if len(self.event_shape) != 1:
            raise ValueError(
                f"`event_shape` of {type(self).__name__} must have one axis. "
                f"Received: {event_shape!r}."
            )
        self.context_units = _checks.positive_int("context_units", context_units)
        # Made here, so that wrong arguments are refused at once.
        self.networks = flow_networks(
            self.kind,
            self.event_shape[0],
            num_flows,
            hidden_units,
            activation,
            context_units=self.context_units,
            seed=seed,
            dtype=self.variable_dtype,
        )
        self._flow = Flow(self.kind, self.networks, self.event_shape[0])
        self.num_flows = num_flows
        self.hidden_units = self.networks[0].hidden_units
        self.activation = self.networks[0].activation
        self.seed = seed

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "loc": self.event_shape,
            "scale": self.event_shape,
            "context": (self.context_units,),
        }

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return raw | {"scale": positive(raw["scale"])}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return FlowNormal(**parameters, flow=self._flow, wide=True)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` and `scale` [*batch, D] and `context` [*batch, C]."""
        return {"loc": q.loc, "scale": q.scale, "context": q.context}

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns f(loc), the location of the base pushed through: [*batch, D]."""
        return q.bijector.forward(q.loc)

    def stddev(self, q: tfd.Distribution) -> None:
        """Returns None: the standard deviations have no closed form."""
        return None

    def detach(self, q: tfd.Distribution) -> tfd.Distribution:
        """Returns `q` with no gradient through its parameters or the networks."""
        return super().detach(q).copy(frozen=True)

    def _map(self, q: tfd.Distribution, function: Any) -> tfd.Distribution:
        return super()._map(q, function).copy(frozen=q.frozen)

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        elements = -0.5 * (tf.square(noise) + LOG_2PI) - tf.math.log(q.scale)
        log_q, z = tf.reduce_sum(elements, axis=-1), q.loc + q.scale * noise
        for step in reversed(q.bijector.bijectors):
            log_q -= step.forward_log_det_jacobian(z, event_ndims=1)
            z = step.forward(z)
        return z, log_q

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "num_flows": self.num_flows,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "context_units": self.context_units,
            "seed": self.seed,
        }
