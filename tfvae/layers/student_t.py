"""Student's t distributions."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._builtins import expm1
from tfvae._math import positive
from tfvae.distributions import StudentT as StudentTDistribution
from tfvae.layers.loc_scale import LocScaleLayer

__all__ = ["StudentT"]


@keras.saving.register_keras_serializable("tfvae")
class StudentT(LocScaleLayer):
    """Independent variables with Student's t distribution, for data with outliers.

        p(x) = prod_i G((v+1)/2) / (G(v/2) sqrt(pi v) scale_i)
               (1 + y_i^2 / v)^(-(v+1)/2),   y = (x - loc) / scale,   v = df

    Learned degrees of freedom are `2 + softplus(raw) + 1e-6`, so that mean and
    standard deviation exist; learned scales are `softplus(raw) + 1e-6`. A draw takes
    two uniform numbers: `y = sqrt(v (u^(-2/v) - 1)) cos(2 pi w)` (Bailey).

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        df: The degrees of freedom: "shared", one trainable number, which starts at 5;
            "elementwise", one for each element that depends on the features; or a
            fixed number greater than 2. Default: "shared".
        scale: "elementwise", "shared" or a fixed positive number, likewise; a shared
            scale starts at 1. Default: "elementwise".
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `df` or `scale` is none of these.

    Example:
    >>> layer = tfvae.layers.StudentT(3)
    >>> q = layer(keras.ops.ones((8, 4)))
    >>> round(float(layer.parameters(q)["df"]), 3)
    5.0

    Reference: Bailey, "Polar generation of random variates with the t-distribution",
    Mathematics of Computation 1994, https://doi.org/10.2307/2153537.
    """

    noise = "uniform"
    support = "finite real numbers"

    def __init__(
        self,
        event_shape: int | Sequence[int],
        df: str | float = "shared",
        scale: str | float = "elementwise",
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, scale=scale, **kwargs)
        if isinstance(df, str):
            self.df = _checks.one_of("df", df, ("shared", "elementwise"))
        else:
            self.df = _checks.finite_number(
                "df", df, above=2, dtype=self.variable_dtype
            )

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Two uniform numbers for each element."""
        return (*self.event_shape, 2)

    def _add_weights(self) -> None:
        if self.df == "shared":
            self.raw_df = self._shared("raw_df", START - 2)
        self._add_scale()

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = {"df": self.event_shape} if self.df == "elementwise" else {}
        return shapes | self._loc_scale_shapes()

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if self.df == "elementwise":
            df = 2 + positive(raw["df"])
        elif self.df == "shared":
            df = 2 + positive(tf.convert_to_tensor(self.raw_df))
        else:
            df = tf.constant(self.df, raw["loc"].dtype)
        return {"df": df} | self._loc_scale(raw)

    def _elements(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return StudentTDistribution(**parameters)

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `df`, `loc` [*batch, *event] and `scale`.

        Each of `df` and `scale` is like `loc` or a scalar.
        """
        elements = q.distribution
        return {"df": elements.df, "loc": elements.loc, "scale": elements.scale}

    # Those of TensorFlow Probability forget an axis of size one in a graph.

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the location, which is the mean: [*batch, *event]."""
        return q.distribution.loc

    def stddev(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the standard deviations sqrt(v / (v - 2)) scale: [*batch, *event]."""
        df, loc, scale = self.parameters(q).values()
        return scale * tf.sqrt(df / (df - 2)) + tf.zeros_like(loc)

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        df, loc, scale = self.parameters(q).values()
        u, w = tf.unstack(noise, axis=-1)
        radius = tf.sqrt(df * expm1(-2 * tf.math.log(u) / df))
        standard = radius * tf.cos(2 * math.pi * w)
        centred = StudentTDistribution(df, tf.zeros_like(df), tf.ones_like(df))
        elements = centred.log_prob(standard) - tf.math.log(scale)
        return loc + scale * standard, self._sum(elements)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"df": self.df}


START = 5.0
"""Where shared degrees of freedom start."""
