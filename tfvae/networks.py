"""Plain Keras networks to put in front of a distribution layer.

They know nothing of probability: features in, features out. Every kernel starts
Glorot-uniform. Shapes leave out the batch axis B.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras

from tfvae._checks import positive_int

__all__ = ["conv", "conv_transpose", "mlp"]


def mlp(
    input_shape: Sequence[int],
    hidden: Sequence[int] = (200, 200),
    activation: str = "tanh",
    *,
    name: str | None = None,
) -> keras.Model:
    """Flattens its input and passes it through fully connected layers.

    Args:
        input_shape: Shape of one example, e.g. `(28, 28, 1)` or `(50,)`.
        hidden: Units of each layer; `()` gives the flattened input itself.
        activation: Activation after every layer.
        name: Name of the model.

    Returns:
        A model from [B, *input_shape] to [B, hidden[-1]].

    Raises:
        ValueError: If a shape or a number of units is not positive.

    Example:
    >>> tfvae.networks.mlp((28, 28, 1), (200, 200)).output_shape
    (None, 200)

    Reference: Glorot and Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", 2010,
    https://proceedings.mlr.press/v9/glorot10a.html.
    """
    shape = _sizes("input_shape", input_shape)
    inputs = keras.Input(shape, name="input")
    # A vector passes unchanged; Keras 3.11 wants at least one layer in a model.
    features = keras.layers.Flatten(name="flatten")(inputs)
    features = _dense(features, hidden, activation)
    return keras.Model(inputs, features, name=name)


def conv(
    input_shape: Sequence[int],
    filters: Sequence[int] = (32, 64),
    hidden: Sequence[int] = (200,),
    activation: str = "relu",
    *,
    kernel_size: int = 4,
    name: str | None = None,
) -> keras.Model:
    """Halves an image once per convolution, then applies fully connected layers.

    Args:
        input_shape: Shape of one image, `(height, width, channels)`, of any size.
        filters: Filters of each convolution of stride 2.
        hidden: Units of the fully connected layers after the last convolution.
        activation: Activation after every layer.
        kernel_size: Side of the kernels, in pixels.
        name: Name of the model.

    Returns:
        A model from [B, height, width, channels] to [B, hidden[-1]].

    Raises:
        ValueError: If `input_shape` is not that of an image, or a size is not
            positive.

    Example:
    >>> tfvae.networks.conv((28, 28, 1), hidden=(128,)).output_shape
    (None, 128)
    """
    shape = _sizes("input_shape", input_shape, count=3)
    features = inputs = keras.Input(shape, name="input")
    for i, count in enumerate(_sizes("filters", filters), start=1):
        features = keras.layers.Conv2D(
            count,
            kernel_size,
            strides=2,
            padding="same",
            activation=activation,
            name=f"conv_{i}",
        )(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = _dense(features, hidden, activation)
    return keras.Model(inputs, features, name=name)


def conv_transpose(
    input_shape: Sequence[int],
    size: Sequence[int],
    filters: Sequence[int] = (64, 32),
    hidden: Sequence[int] = (200,),
    activation: str = "relu",
    *,
    kernel_size: int = 4,
    name: str | None = None,
) -> keras.Model:
    """Mirrors `conv`: fully connected layers, then one doubling per convolution.

    The output is a feature map of exactly the image's size, so that a distribution
    layer projects its last axis only. Sizes that are no multiple of
    2 ** len(filters) are cropped on the way.

    Args:
        input_shape: Shape of one code, e.g. `(50,)`.
        size: `(height, width)` of the image.
        filters: Filters of each transposed convolution of stride 2.
        hidden: Units of the fully connected layers before the first of them.
        activation: Activation after every layer.
        kernel_size: Side of the kernels, in pixels; a multiple of 2 avoids
            chequerboard patterns.
        name: Name of the model.

    Returns:
        A model from [B, *input_shape] to [B, height, width, filters[-1]].

    Raises:
        ValueError: If `size` is not a height and a width, `filters` is empty, or a
            size is not positive.

    Example:
    >>> tfvae.networks.conv_transpose((50,), (28, 28)).output_shape
    (None, 28, 28, 32)

    Reference: Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts",
    2016, https://distill.pub/2016/deconv-checkerboard.
    """
    shape = _sizes("input_shape", input_shape)
    counts = _sizes("filters", filters)
    sizes = [_sizes("size", size, count=2)]
    if not counts:
        raise ValueError(
            "`filters` must hold at least one positive integer. Received: ()."
        )
    for _ in counts:
        sizes.append(tuple(math.ceil(side / 2) for side in sizes[-1]))

    features = inputs = keras.Input(shape, name="input")
    if len(shape) != 1:
        features = keras.layers.Flatten(name="flatten")(features)
    features = _dense(features, hidden, activation)
    smallest = (*sizes[-1], counts[0])
    features = keras.layers.Dense(
        math.prod(smallest), activation=activation, name="unflatten"
    )(features)
    features = keras.layers.Reshape(smallest, name="reshape")(features)
    for i, count in enumerate(counts, start=1):
        features = keras.layers.Conv2DTranspose(
            count,
            kernel_size,
            strides=2,
            padding="same",
            activation=activation,
            name=f"conv_transpose_{i}",
        )(features)
        excess = [2 * s - t for s, t in zip(sizes[-i], sizes[-i - 1], strict=True)]
        if any(excess):
            features = keras.layers.Cropping2D(
                ((0, excess[0]), (0, excess[1])), name=f"crop_{i}"
            )(features)
    return keras.Model(inputs, features, name=name)


def _dense(features: Any, hidden: Sequence[int], activation: str) -> Any:
    """Applies one fully connected layer per entry of `hidden`."""
    for i, units in enumerate(_sizes("hidden", hidden), start=1):
        layer = keras.layers.Dense(units, activation=activation, name=f"hidden_{i}")
        features = layer(features)
    return features


def _sizes(
    argument: str, values: Sequence[int], count: int | None = None
) -> tuple[int, ...]:
    """Returns `values` as positive ints, exactly `count` of them if given."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(
            f"`{argument}` must be a sequence of positive integers. "
            f"Received: {values!r}."
        )
    if count is not None and len(values) != count:
        raise ValueError(
            f"`{argument}` must hold {count} positive integers. "
            f"Received: {tuple(values)}."
        )
    return tuple(positive_int(argument, value) for value in values)
