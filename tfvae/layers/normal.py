"""Normal distributions with independent elements."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import LOG_2PI, MIN_SCALE, mean_of_examples, positive, positive_inverse
from tfvae.distributions import Normal as NormalDistribution
from tfvae.layers.base import DistributionLayer

__all__ = ["Normal"]


@keras.saving.register_keras_serializable("tfvae")
class Normal(DistributionLayer):
    """Independent normals: a Gaussian posterior or a Gaussian likelihood.

        log p(x) = sum_i [ -(x_i - loc_i)^2 / (2 scale_i^2) - log scale_i
                           - 1/2 log(2 pi) ]

    Learned scales are `softplus(raw) + 1e-6`. An optimal scale is not learned by
    gradients: in training it is the one that maximises the likelihood of the batch,

        scale^2 = mean of (x - loc)^2 over draws, examples and elements,

    where examples count for their sample weights, and a moving mean of its square is
    kept for use outside of training. Under a distribution strategy the batch is that of
    the replica.

    Args:
        event_shape: Shape of one event: a positive int or a non-empty sequence.
        scale: "elementwise", a scale for each element that depends on the features;
            "shared", one trainable number; "optimal", for likelihoods; or a fixed
            positive number. Default: "elementwise".
        **kwargs: Arguments of `DistributionLayer`.

    Raises:
        ValueError: If `scale` is none of these.

    Example:
    >>> layer = tfvae.layers.Normal(2)
    >>> q = layer(keras.ops.ones((8, 3)))
    >>> q.batch_shape, q.event_shape
    (TensorShape([8]), TensorShape([2]))

    Reference: Kingma and Welling, "Auto-encoding variational Bayes", 2014,
    https://arxiv.org/abs/1312.6114; for the optimal scale Rybkin, Daniilidis and
    Levine, "Simple and effective VAE training with calibrated decoders", 2021,
    https://arxiv.org/abs/2006.13202.
    """

    noise = "normal"
    support = "finite real numbers"

    def __init__(
        self,
        event_shape: int | Sequence[int],
        scale: str | float = "elementwise",
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        if isinstance(scale, str):
            options = ("elementwise", "shared", "optimal")
            self.scale = _checks.one_of("scale", scale, options)
        else:
            self.scale = _checks.finite_number(
                "scale", scale, above=0, dtype=self.variable_dtype
            )

    def _add_weights(self) -> None:
        if self.scale == "shared":
            self.raw_scale = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(float(positive_inverse(1.0))),
                autocast=False,
                name="raw_scale",
            )
        elif self.scale == "optimal":
            self.variance, self.batches = (
                self.add_weight(
                    shape=(),
                    initializer=initializer,
                    trainable=False,
                    autocast=False,
                    aggregation="mean",
                    name=name,
                )
                for name, initializer in (("variance", "ones"), ("batches", "zeros"))
            )

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = {"loc": self.event_shape}
        if self.scale == "elementwise":
            shapes["scale"] = self.event_shape
        return shapes

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if self.scale == "elementwise":
            scale = positive(raw["scale"])
        elif self.scale == "shared":
            scale = positive(tf.convert_to_tensor(self.raw_scale))
        elif self.scale == "optimal":
            scale = tf.sqrt(tf.convert_to_tensor(self.variance))
        else:
            scale = tf.constant(self.scale, raw["loc"].dtype)
        return {"loc": raw["loc"], "scale": scale}

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(NormalDistribution(**parameters), len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `loc` [*batch, *event] and `scale`, like `loc` or a scalar."""
        return {"loc": q.distribution.loc, "scale": q.distribution.scale}

    @property
    def takes_data(self) -> bool:  # type: ignore[override]
        """Whether the scale is found from the data."""
        return self.scale == "optimal"

    def _observe(
        self,
        q: tfd.Distribution,
        x: tf.Tensor,
        training: bool,
        sample_weight: tf.Tensor | None,
    ) -> tfd.Distribution:
        if not (self.takes_data and training):
            return q
        loc = q.distribution.loc
        squares = tf.math.squared_difference(x, loc)
        axes = range(-len(self.event_shape), 0)
        by_example = tf.reduce_mean(squares, axis=list(axes))
        lead = range(by_example.shape.rank - 1)
        by_example = tf.reduce_mean(by_example, axis=list(lead))
        known = tf.convert_to_tensor(self.variance)
        variance = mean_of_examples(by_example, sample_weight, known)
        variance = tf.maximum(variance, MIN_SCALE**2)
        # The mean of all batches at first, and of about the last hundred later.
        share = tf.maximum(1 / (self.batches + 1), MEMORY)
        step = tf.cast(share, variance.dtype) * (variance - known)
        self.variance.assign_add(tf.stop_gradient(step))
        self.batches.assign_add(1)
        return self._distribution(loc=loc, scale=tf.sqrt(variance))

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        loc, scale = q.distribution.loc, q.distribution.scale
        elements = -0.5 * (tf.square(noise) + LOG_2PI) - tf.math.log(scale)
        axes = list(range(-len(self.event_shape), 0))
        return loc + scale * noise, tf.reduce_sum(elements, axes)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"scale": self.scale}


MEMORY = 0.01
"""The least weight of a batch in the moving mean of optimal variances."""
