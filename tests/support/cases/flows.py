"""Flow posteriors."""

from typing import Any

from support.cases.base import Case
from support.families import flows

import tfvae

UNITS = 4


def bent(layer: Any) -> Any:
    """The layer or prior with weights that make its flow far from the identity."""
    for network in layer.networks:
        for weight in network.weights:
            if weight.name == f"kernel_{len(network.hidden_units)}":
                weight.assign(40.0 * weight)
    return layer


def _flow(name: str, cls: Any) -> Case:
    def make(event_shape: Any, **kwargs: Any) -> Any:
        return bent(cls(event_shape, **kwargs))

    return Case(
        name,
        cls,
        {
            "num_flows": 3,
            "hidden_units": (8, 7),
            "activation": "sigmoid",
            "context_units": UNITS,
            "seed": 1,
        },
        lambda size, layer: flows.Flow(cls.kind, size, UNITS, layer),
        make=make,
        smallest=2,
        image=False,
        mass=1e-6,
        moments=1e-5,
        rounding=1e-4,
    )


CASES = [
    _flow("inverse-autoregressive-flow", tfvae.layers.InverseAutoregressiveFlow),
    _flow("coupling-flow", tfvae.layers.CouplingFlow),
]
