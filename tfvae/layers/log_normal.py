"""Log-normal distributions."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import expm1
from tfvae._math import LOG_2PI
from tfvae.distributions import LogNormal as LogNormalDistribution
from tfvae.layers.loc_scale import LocScaleLayer

__all__ = ["LogNormal"]


@keras.saving.register_keras_serializable("tfvae")
class LogNormal(LocScaleLayer):
    """Independent positive numbers whose logarithms are normal.

        log p(x) = sum_i [ -(log x_i - loc_i)^2 / (2 scale_i^2) - log scale_i
                           - log x_i - 1/2 log(2 pi) ]

    Learned scales are `softplus(raw) + 1e-6`. Draws, `location` and `stddev` are kept
    from e^-43 to e^43, in float64 from e^-350 to e^350, so that their squares and their
    gradients are still floats.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        scale: The standard deviation of log x: "elementwise", one for each element
            that depends on the features; "shared", one trainable number; or a fixed
            positive number. Default: "elementwise".
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `scale` is none of these.

    Example:
    >>> layer = tfvae.layers.LogNormal(2)
    >>> q = layer(keras.ops.ones((8, 3)))
    >>> bool(keras.ops.all(q.sample(seed=0) > 0))
    True
    """

    noise = "normal"
    support = "positive numbers"

    def _add_weights(self) -> None:
        self._add_scale()

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._loc_scale_shapes()

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self._loc_scale(raw)

    def _elements(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return LogNormalDistribution(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` [*batch, *event] and `scale`, like `loc` or a scalar."""
        return {"loc": q.distribution.loc, "scale": q.distribution.scale}

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the location, the mean within the range of the draws."""
        loc, scale = q.distribution.loc, q.distribution.scale
        return tf.exp(self._in_range(loc + 0.5 * tf.square(scale)))

    def stddev(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the standard deviations within the range of the draws."""
        loc, scale = q.distribution.loc, q.distribution.scale
        square = tf.square(scale)
        # log(e^square - 1) / 2, whose exponential may be no float.
        spread = 0.5 * (square + tf.math.log(-expm1(-square)))
        return tf.exp(self._in_range(loc + 0.5 * square + spread))

    def _in_range(self, logarithm: tf.Tensor) -> tf.Tensor:
        end = 350.0 if logarithm.dtype == tf.float64 else 43.0
        return tf.clip_by_value(logarithm, -end, end)

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loc, scale = q.distribution.loc, q.distribution.scale
        drawn = loc + scale * noise
        logarithm = self._in_range(drawn)
        residual = tf.where(logarithm == drawn, noise, (logarithm - loc) / scale)
        elements = -0.5 * (tf.square(residual) + LOG_2PI) - tf.math.log(scale)
        return tf.exp(logarithm), self._sum(elements - logarithm)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bool:
            return x
        # Smaller ones are zero in the arithmetic of most devices.
        smallest = tf.as_dtype(self.variable_dtype).as_numpy_dtype
        smallest = float(np.finfo(smallest).tiny)
        return tf.cast(x, tf.float64) >= smallest
