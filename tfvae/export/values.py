"""Which values a distribution layer is over, as numbers that a program can check."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.layers import DistributionLayer, Mixture, OneHotCategorical, Table

__all__ = ["values_of"]

_LARGEST = 2**24
"""Whole numbers beyond are not all numbers in float32."""

_JOINT = {"sphere": "sphere", "simplex": "simplex"}
"""Measures of values that are bound to each other along the last axis."""


def values_of(layer: DistributionLayer) -> list[dict[str, Any]]:
    """Describes the support of a layer, column by column where it has columns.

    Bounds are found by asking the layer, so that a new one needs no entry here.

    Args:
        layer: A layer over x or over z.

    Returns:
        For each column, or for the whole event, a dict of

            name      of the column, or None
            layer     the class of its distribution
            size      how many numbers of the event are its own, in their order
            lowest    the lower bound, or None
            highest   the upper bound, or None
            open      whether the lower and the upper bound are left out themselves
            whole     whether only whole numbers have a density
            joint     "sphere" (a length of one), "simplex" (shares of one), "one_hot"
                      (a single one) along the last axis, or None
            group     length of that axis
            support   the same in words
    """
    columns = layer.columns.items() if isinstance(layer, Table) else [(None, layer)]
    return [
        {
            "name": name,
            "layer": type(part).__name__,
            "size": math.prod(part.event_shape),
            **_bounds(part),
            "group": part.event_shape[-1],
            "support": part.support,
        }
        for name, part in columns
    ]


def _bounds(layer: DistributionLayer) -> dict[str, Any]:
    element = layer
    while isinstance(element, Mixture):
        element = element.component
    joint = _JOINT.get(element.measure)
    if isinstance(element, OneHotCategorical):
        joint = "one_hot"
    if joint:
        ends = (-1 if joint == "sphere" else 0, 1)
        return _as_dict(ends, (False, False), joint == "one_hot", joint)

    def has(value: float) -> bool:
        x = tf.fill((1, *element.event_shape), tf.cast(value, layer.variable_dtype))
        return not np.any(element.unsupported(x))

    whole = not has(0.5)
    lowest = None if has(-1.0) else 0
    highest = None if has(_LARGEST) else _highest(has) if whole else 1
    left_out = tuple(end is not None and not has(end) for end in (lowest, highest))
    return _as_dict((lowest, highest), left_out, whole, None)


def _highest(has: Any) -> int:
    """Returns the largest whole number that has a mass, between 1 and all of them."""
    inside, outside = 0, _LARGEST
    while outside - inside > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if has(middle) else (inside, middle)
    return inside


def _as_dict(
    ends: tuple[float | None, float | None],
    left_out: tuple[bool, ...],
    whole: bool,
    joint: str | None,
) -> dict[str, Any]:
    return {
        "lowest": ends[0],
        "highest": ends[1],
        "open": list(left_out),
        "whole": whole,
        "joint": joint,
    }
