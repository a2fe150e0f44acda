"""Where in a model an operation comes from that another runtime lacks."""

from collections.abc import Collection, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__ = ["layers_of", "sources"]


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields the layers inside a layer, and those inside them."""
    for inner in getattr(layer, "layers", []):
        yield inner
        yield from layers_of(inner)


def sources(
    vae: Any, functions: dict[str, Any], operations: Collection[str]
) -> list[str]:
    """Says for each kind of operation which layer makes it, and in which signature.

    Args:
        vae: The model.
        functions: Name to the concrete function of a signature.
        operations: Kinds of operations, such as "MatrixTriangularSolve".

    Returns:
        One phrase for each of them.
    """
    return [_source(vae, functions, operation) for operation in sorted(operations)]


def _source(vae: Any, functions: dict[str, Any], operation: str) -> str:
    for name, function in functions.items():
        for node in _nodes(function.graph):
            if node.type == operation:
                return f"{operation} of {_owner(vae, node.name)} (in `{name}`)"
    return operation


def _nodes(graph: tf.Graph) -> Iterator[tf.Operation]:
    yield from graph.get_operations()
    for inner in getattr(graph, "_functions", {}).values():
        inner_graph = getattr(inner, "graph", None)
        if inner_graph is not None:
            yield from inner_graph.get_operations()


def _owner(vae: Any, node: str) -> str:
    """What is named last in the name of a node: a layer, or the prior."""
    owners = {
        layer.name: f"the layer {type(layer).__name__} {layer.name!r}"
        for layer in layers_of(vae)
        if layer.name and not isinstance(layer, keras.Model)
    }
    for part in (vae.prior, getattr(vae.prior, "distribution", vae.prior)):
        owners[part.name] = f"the prior {type(vae.prior_layer).__name__}"
    places = {name: node.rfind(name) for name in owners}
    name = max(places, key=lambda name: (places[name], len(name)))
    return node if places[name] < 0 else owners[name]
