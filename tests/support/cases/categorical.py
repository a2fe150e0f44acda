"""Classes: as indices, as one-hot vectors, as relaxed one-hot vectors."""

from typing import Any

from support.cases.base import Case
from support.families import categorical

import tfvae


def _classes(size: int, layer: Any) -> int:
    """The last axis of the event, which is all of it where no layer is given."""
    return size if layer is None else layer.event_shape[-1]


def _categorical(num_classes: int) -> Case:
    return Case(
        f"categorical-{num_classes}",
        tfvae.layers.Categorical,
        {"num_classes": num_classes},
        lambda size, _: categorical.Categorical(size, num_classes),
        outside=(-1.0, 0.5, float(num_classes)),
    )


def _relaxed(temperature: float) -> Case:
    return Case(
        f"relaxed-one-hot-{temperature}",
        tfvae.layers.RelaxedOneHotCategorical,
        {"temperature": temperature},
        lambda size, layer: categorical.RelaxedOneHotCategorical(
            size, _classes(size, layer), temperature
        ),
        outside=(-1.0, 0.5, 2.0),
        elementwise=False,
        ends=((0.5, 0.5), (1e-30, 1.0)),
        smallest=2,
    )


CASES = [
    _categorical(2),
    _categorical(7),
    Case(
        "one-hot",
        tfvae.layers.OneHotCategorical,
        {},
        lambda size, layer: categorical.OneHotCategorical(size, _classes(size, layer)),
        outside=(-1.0, 0.5, 1.0, 2.0),
        elementwise=False,
        ends=((0.0, 1.0), (1.0, 0.0)),
        smallest=2,
    ),
    _relaxed(2.0),
]
