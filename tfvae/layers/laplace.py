"""Laplace distributions."""

import math

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.layers.loc_scale import LocScaleLayer

__all__ = ["Laplace"]


@keras.saving.register_keras_serializable("tfvae")
class Laplace(LocScaleLayer):
    """Independent Laplace variables: the likelihood of the absolute error.

        log p(x) = sum_i [ -|x_i - loc_i| / scale_i - log(2 scale_i) ]

    Learned scales are `softplus(raw) + 1e-6`. A draw is the quantile of a uniform
    number u: `loc -/+ scale log(2 min(u, 1 - u))`.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        scale: "elementwise", a scale for each element that depends on the features;
            "shared", one trainable number; or a fixed positive number. Default:
            "elementwise".
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `scale` is none of these.

    Example:
    >>> layer = tfvae.layers.Laplace((28, 28, 1), scale="shared")
    >>> layer(keras.ops.ones((8, 200))).mean().shape
    TensorShape([8, 28, 28, 1])
    """

    noise = "uniform"
    support = "finite real numbers"

    def _add_weights(self) -> None:
        self._add_scale()

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._loc_scale_shapes()

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._loc_scale(raw)

    def _elements(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Laplace(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` [*batch, *event] and `scale`, like `loc` or a scalar."""
        return {"loc": q.distribution.loc, "scale": q.distribution.scale}

    # Those of TensorFlow Probability forget an axis of size one in a graph.

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the location, which is the mean: [*batch, *event]."""
        return q.distribution.loc

    def stddev(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the standard deviations sqrt(2) scale: [*batch, *event]."""
        loc, scale = q.distribution.loc, q.distribution.scale
        return math.sqrt(2) * scale + tf.zeros_like(loc)

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loc, scale = q.distribution.loc, q.distribution.scale
        # Of the nearer tail, so that nothing is lost at either end.
        log_tail = tf.math.log(2 * tf.minimum(noise, 1 - noise))
        standard = tf.where(noise < 0.5, log_tail, -log_tail)
        elements = log_tail - tf.math.log(2 * scale)
        return loc + scale * standard, self._sum(elements)
