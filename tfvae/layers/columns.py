"""The columns of a table and their names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfvae.layers.base import DistributionLayer

__all__ = ["Renamed", "named_columns"]


class Renamed:
    """A function of name and value, for the parameters of one column."""

    def __init__(self, function: Callable[[str, Any], Any], column: str) -> None:
        self._function, self._column = function, column

    def __call__(self, name: str, value: tf.Tensor) -> tf.Tensor:
        """Returns what the function makes of the parameter's name in the table."""
        return self._function(f"{self._column}_{name}", value)


def named_columns(columns: Any) -> dict[str, DistributionLayer]:
    """Returns the columns with their names.

    Args:
        columns: A mapping of names to layers, or layers alone.

    Returns:
        Name to layer, in the same order.

    Raises:
        ValueError: If there are none, one has no name or no event of one axis, or a
            layer comes twice.
    """
    named = columns
    if isinstance(columns, Sequence) and not isinstance(columns, str | bytes):
        named = {str(i): layer for i, layer in enumerate(columns)}
    if not isinstance(named, Mapping) or not named:
        raise ValueError(
            "`columns` must map names to distribution layers, or be a sequence of "
            f"them, and not be empty. Received: {columns!r}."
        )
    for name, layer in named.items():
        fits = isinstance(layer, DistributionLayer) and len(layer.event_shape) == 1
        if not isinstance(name, str) or not name or not fits:
            raise ValueError(
                "`columns` must map names to distribution layers with an event of one "
                f"axis. Received: {name!r}: {layer!r}."
            )
    layers = [id(layer) for layer in named.values()]
    if len(set(layers)) < len(layers):
        raise ValueError(
            f"`columns` must have a layer of its own for each. Received: {columns!r}."
        )
    return dict(named)
