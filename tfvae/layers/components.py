"""Draws from mixtures, whose components are distributions of one layer.

Axes: K components, [*batch] of the mixture, [*lead] of its draws.
"""

import math
from collections.abc import Mapping

import tensorflow as tf

from tfvae._math import normal_from_uniforms
from tfvae.layers.base import DistributionLayer

__all__ = ["draw_component", "noise_size", "own_noise", "select"]


def noise_size(layer: DistributionLayer) -> int:
    """Returns how many uniforms one draw from a mixture of this layer takes.

    One chooses the component; the others are its own noise, where a standard normal
    takes two.
    """
    numbers = math.prod(layer.noise_shape)
    return 1 + (2 * numbers if layer.noise == "normal" else numbers)


def own_noise(layer: DistributionLayer, uniforms: tf.Tensor) -> tf.Tensor:
    """Returns the noise [*lead, *noise_shape] of a layer from uniforms [*lead, n].

    A standard normal is made of two.
    """
    if layer.noise == "normal":
        uniforms = normal_from_uniforms(*tf.split(uniforms, 2, axis=-1))
    shape = tf.concat([tf.shape(uniforms)[:-1], layer.noise_shape], axis=0)
    return tf.reshape(uniforms, shape)


def draw_component(
    layer: DistributionLayer,
    logits: tf.Tensor,
    parameters: Mapping[str, tf.Tensor],
    noise: tf.Tensor,
) -> tf.Tensor:
    """Draws from a mixture: a component first, then a value of it.

    Args:
        layer: The layer whose distributions are the components.
        logits: Logarithms of the weights up to a constant: [*batch, K].
        parameters: As `layer.parameters` gives them for the batch shape [*batch, K].
        noise: Uniforms on (0, 1): [*lead, *batch, noise_size(layer)].

    Returns:
        Draws [*lead, *batch, *event].
    """
    ours = {name: p for name, p in parameters.items() if not layer.is_shared(name)}
    chosen = dict(parameters) | select(logits, ours, noise[..., 0])
    component = layer._distribution(**chosen)
    return layer.transform(component, own_noise(layer, noise[..., 1:]))[0]


def select(
    logits: tf.Tensor, values: Mapping[str, tf.Tensor], uniform: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Chooses components in proportion to their weights.

    The chosen component is the first one whose cumulative weight exceeds the uniform
    number.

    Args:
        logits: Logarithms of the weights up to a constant: [*batch, K].
        values: Tensors [*batch, K, ...].
        uniform: Uniforms on (0, 1): [*lead, *batch].

    Returns:
        The values of the chosen components: [*lead, *batch, ...].
    """
    batch = logits.shape.rank - 1
    reached = tf.cumsum(tf.nn.softmax(logits), axis=-1)
    # Summed to what rounding makes of one, so that the last component is the end.
    passed = uniform[..., None] * reached[..., -1:] >= reached[..., :-1]
    index = tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)
    if not batch:
        return {name: tf.gather(value, index) for name, value in values.items()}
    chosen = tf.one_hot(index, logits.shape[-1], dtype=logits.dtype)

    def choose(value: tf.Tensor) -> tf.Tensor:
        inner = value.shape.rank - batch - 1
        mask = tf.reshape(chosen, tf.concat([tf.shape(chosen), [1] * inner], axis=0))
        return tf.reduce_sum(mask * value, axis=-inner - 1)

    return {name: choose(value) for name, value in values.items()}
