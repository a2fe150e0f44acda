"""What the tests know of one form of a layer."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from support.families import Family

from tfvae.layers import DistributionLayer

__all__ = ["Case"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One form of a layer.

    Attributes:
        name: Of the test.
        cls: The layer's class.
        arguments: Of its constructor, the event shape left out.
        family: Makes the oracle for events of so many elements. It is given the layer
            too, or None, for the families whose density depends on the layer's weights.
        make: Makes the layer from the event shape and keyword arguments, where that is
            not the constructor.
        shape_arguments: The names of what `make` makes from the event shape.
        inside: An event of two elements that has a density.
        outside: Finite numbers that have no density in the first element of an event
            whose second one is that of `inside`.
        elementwise: Whether each element of an event is in the support by itself.
        ends: Elements at the ends of the support, or events of the smallest size, at
            which the log density is finite.
        smallest: The smallest number of elements of an event.
        image: Whether an event may have several axes, and features those of an image.
        widest: The largest standard deviation of raw numbers for which the oracle
            itself is exact.
        mass: The relative error that is left in the oracle's quadrature.
        moments: The same for second moments.
        rounding: How far the rounding of a draw moves its density in float32.
        fits: Whether maximum likelihood finds what data were drawn from, in `steps`.
        steps: Steps of Adam with the learning rate 0.05.
        composite: Whether a distribution crosses the boundary of a graph.
    """

    name: str
    cls: type[DistributionLayer]
    arguments: dict[str, Any]
    family: Callable[[int, Any], Family]
    make: Callable[..., DistributionLayer] | None = None
    shape_arguments: tuple[str, ...] = ("event_shape",)
    inside: tuple[float, float] = (0.0, 1.0)
    outside: tuple[float, ...] = ()
    elementwise: bool = True
    ends: tuple[Any, ...] = (0.0, 1.0)
    smallest: int = 1
    image: bool = True
    widest: float = 5.0
    mass: float = 1e-11
    moments: float = 1e-8
    rounding: float = 1e-5
    fits: bool = True
    steps: int = 120
    composite: bool = True

    @property
    def reparameterized(self) -> bool:
        return self.layer(self.event()).reparameterized

    def layer(self, event_shape: int | Sequence[int], **kwargs: Any) -> Any:
        make = self.make or self.cls
        return make(event_shape, **self.arguments, **kwargs)

    def oracle(
        self, event_shape: int | Sequence[int], layer: DistributionLayer | None = None
    ) -> Family:
        return self.family(int(np.prod(event_shape)), layer)

    def event(self) -> tuple[int, ...]:
        """An event with as many axes as the family may have."""
        return (5, 4, 2) if self.image else (5,)
