"""Which distribution layer a model ends in."""

from typing import Any

import keras

from tfvae import _checks
from tfvae.layers.base import DistributionLayer

__all__ = ["distribution_layer"]


def distribution_layer(argument: str, model: Any) -> DistributionLayer:
    """Returns the distribution layer that ends a Keras model.

    Args:
        argument: Name of the argument that holds the model, for the error.
        model: A distribution layer, or a Sequential, functional or subclassed model
            that ends in one.

    Returns:
        The layer.

    Raises:
        ValueError: If the model does not end in a distribution layer, or is a
            subclassed model that holds several.
    """
    if isinstance(model, DistributionLayer):
        return model
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"`{argument}` must be a Keras model that ends in a layer of tfvae.layers. "
            f"Received: {_checks.describe(model)}."
        )
    if isinstance(model, keras.Sequential) or len(getattr(model, "outputs", ())) == 1:
        ending = model.layers[-1:]
    else:
        # A subclassed model does not say which of its layers comes last.
        ending = [layer for layer in model.layers if _holds_distribution(layer)]
    if len(ending) > 1:
        names = ", ".join(layer.name for layer in ending)
        raise ValueError(
            f"`{argument}` is a subclassed model with several distribution layers "
            f"({names}), so that the one it ends in is unknown. Build it as a "
            "functional model, or keep one distribution layer in it."
        )
    if not ending or not _holds_distribution(ending[0]):
        last = f" Its last layer is {ending[0]!r}." if ending else ""
        raise ValueError(
            f"`{argument}` must end in a distribution layer such as "
            f"tfvae.layers.Normal. Received: {model!r}.{last}"
        )
    return distribution_layer(argument, ending[0])


def _holds_distribution(layer: keras.layers.Layer) -> bool:
    inner = getattr(layer, "layers", [])
    return isinstance(layer, DistributionLayer) or any(map(_holds_distribution, inner))
