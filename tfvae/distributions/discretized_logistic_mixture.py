"""Mixtures of discretized logistic distributions, for 8-bit images."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.bins import Bins, all_masses, log_mass, logistic_quantile
from tfvae.distributions.choice import choose, softmax
from tfvae.distributions.edges import outside

__all__ = ["DiscretizedLogisticMixture"]


class DiscretizedLogisticMixture(Bins):
    """A mixture of discretized logistic distributions.

        P(k) = sum_j w_j P_j(k),   w = softmax(logits)

    where P_j is `DiscretizedLogistic(loc_j, scale_j)`.

    Args:
        logits: Logarithms of w up to a constant: a tensor [*batch, J].
        loc: The centres, in bins: [*batch, J].
        scale: The widths, in bins, positive: [*batch, J].
        num_bins: N, an int of at least 2. Default: 256.
        validate_args: As in TensorFlow Probability. Default: False.
        allow_nan_stats: As in TensorFlow Probability. Default: True.
        name: Name of the distribution.

    Example:
    >>> p = tfvae.distributions.DiscretizedLogisticMixture(
    ...     logits=[0.0, 0.0], loc=[10.0, 20.0], scale=[0.1, 0.1]
    ... )
    >>> round(float(p.prob(20.0)), 4), float(p.mean())
    (0.4933, 15.0)

    Reference: Salimans et al., "PixelCNN++: improving the PixelCNN with discretized
    logistic mixture likelihood and other modifications", ICLR 2017,
    https://arxiv.org/abs/1701.05517.
    """

    def __init__(
        self,
        logits: Any,
        loc: Any,
        scale: Any,
        num_bins: int = 256,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiscretizedLogisticMixture",
    ) -> None:
        parameters = dict(locals())
        self._logits = tf.convert_to_tensor(logits)
        dtype = self._logits.dtype
        self._loc = tf.convert_to_tensor(loc, dtype)
        self._scale = tf.convert_to_tensor(scale, dtype)
        super().__init__(
            num_bins, dtype, parameters, validate_args, allow_nan_stats, name
        )

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, tfp.util.ParameterProperties]:
        return {
            "logits": tfp.util.ParameterProperties(event_ndims=1),
            "loc": tfp.util.ParameterProperties(event_ndims=1),
            "scale": tfp.util.ParameterProperties(event_ndims=1),
        }

    @property
    def logits(self) -> tf.Tensor:
        """Logarithms of the weights, up to a constant."""
        return self._logits

    @property
    def loc(self) -> tf.Tensor:
        """The centres, in bins."""
        return self._loc

    @property
    def scale(self) -> tf.Tensor:
        """The widths, in bins."""
        return self._scale

    def draw(self, uniforms: tf.Tensor) -> tf.Tensor:
        """Chooses components and rounds their quantiles.

        Args:
            uniforms: Two for each draw, [*lead, *batch, 2]: the component is the first
                one whose cumulative weight exceeds the first of them.

        Returns:
            Draws [*lead, *batch].
        """
        choice, within = tf.split(uniforms, 2, axis=-1)
        chosen = choose(self._logits, tf.squeeze(choice, -1))
        loc = tf.reduce_sum(chosen * self._loc, axis=-1)
        scale = tf.reduce_sum(chosen * self._scale, axis=-1)
        return logistic_quantile(tf.squeeze(within, -1), loc, scale, self._num_bins)

    def _noise_shape(self) -> tuple[int, ...]:
        return (2,)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, self.dtype)
        value = tf.expand_dims(x, -1)
        mass = log_mass(value, self._loc, self._scale, self._num_bins)
        mass = tf.reduce_logsumexp(tf.nn.log_softmax(self._logits) + mass, axis=-1)
        return tf.where(self._valid(x), mass, outside(x))

    def _masses(self) -> tf.Tensor:
        # One component after the other: all at once would take J times the memory.
        parts = (
            tf.unstack(parameter, axis=-1)
            for parameter in (softmax(self._logits), self._loc, self._scale)
        )
        return tf.add_n(
            [
                weight[..., None] * all_masses(loc, scale, self._num_bins)
                for weight, loc, scale in zip(*parts, strict=True)
            ]
        )
