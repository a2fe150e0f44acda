"""Mixtures of many normals, whose density is one matrix product."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import traces_builtins_only
from tfvae._math import LOG_2PI
from tfvae.distributions import Normal

__all__ = ["NormalMixture", "mixture"]

Density = Callable[..., tf.Tensor]

LARGEST_RATIO = 1e4
"""How far from their centre, in scales, components may be for the matrix product."""


def mixture(logits: tf.Tensor, components: tfd.Distribution) -> tfd.Distribution:
    """Returns the mixture of K components, with batch shape [].

    Args:
        logits: Logarithms of the weights up to a constant: [K].
        components: A distribution with batch shape [K].

    Returns:
        A `tfd.MixtureSameFamily`: a `NormalMixture` where the components are normals
        with independent elements.
    """
    weights = tfd.Categorical(logits=logits)
    normal = isinstance(components, tfd.Independent) and isinstance(
        components.distribution, tfd.Normal
    )
    kind = NormalMixture if normal else tfd.MixtureSameFamily
    return kind(weights, components)


class NormalMixture(tfd.MixtureSameFamily):
    """A `tfd.MixtureSameFamily` of K normals with independent elements, batch shape [].

        log p(z) = log sum_k w_k exp(-1/2 q_k(z)) / prod_i (scale_ki sqrt(2 pi))
        q_k(z) = sum_i [ y_i^2 / scale_ki^2 - 2 y_i m_ki / scale_ki^2
                         + m_ki^2 / scale_ki^2 ],  y = z - c,  m_k = loc_k - c

    with c the mean of the locations. The squares written out are products of matrices,
    [N, 2 D] and [2 D, K]: no tensor [N, K, D] is made. They cancel, so that in float32
    they are taken in double precision, and one by one where components are further
    from c than 10,000 scales. A float64 distribution takes them one by one, and so
    does one inside `builtins_only`.
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        if self.dtype == tf.float64 or traces_builtins_only():
            return super()._log_prob(x)
        elements = self.components_distribution.distribution
        loc = tf.convert_to_tensor(elements.loc)
        scale = tf.broadcast_to(elements.scale, tf.shape(loc))
        logits = self.mixture_distribution.logits_parameter()
        return _log_density(x, logits, loc, scale)


@tf.custom_gradient
def _log_density(
    x: tf.Tensor, logits: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor
) -> tuple[tf.Tensor, Any]:
    """The density written out, or that of the components one by one."""
    inputs = (x, logits, loc, scale)
    ratios = tf.abs(loc - tf.reduce_mean(loc, axis=0)) / scale
    near = tf.reduce_max(ratios) < LARGEST_RATIO

    def choose(use: Callable[[Density], Any]) -> Any:
        return tf.cond(near, lambda: use(_written_out), lambda: use(_one_by_one))

    def gradient(upstream: tf.Tensor) -> Any:
        # Each branch has a gradient of its own: that of the choice would carry what
        # the branches computed, which XLA takes only where every shape is known.
        def of(density: Density) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = density(*inputs)
            return tape.gradient(value, inputs, output_gradients=upstream)

        return choose(of)

    return choose(lambda density: density(*inputs)), gradient


def _one_by_one(
    x: tf.Tensor, logits: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor
) -> tf.Tensor:
    components = tfd.Independent(Normal(loc, scale), loc.shape.rank - 1)
    return tfd.MixtureSameFamily(tfd.Categorical(logits), components).log_prob(x)


def _written_out(
    x: tf.Tensor, logits: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor
) -> tf.Tensor:
    y, logits, loc, scale = (tf.cast(v, tf.float64) for v in (x, logits, loc, scale))
    centre = tf.reduce_mean(loc, axis=0)
    rank, size = loc.shape.rank - 1, math.prod(loc.shape[1:])
    lead = tf.shape(y)[: y.shape.rank - rank]
    y = tf.reshape(y - centre, tf.concat([lead, [size]], axis=0))
    loc, scale = (tf.reshape(value, (-1, size)) for value in (loc - centre, scale))
    precision = 1 / tf.square(scale)
    squares = tf.tensordot(
        tf.concat([tf.square(y), y], axis=-1),
        tf.concat([precision, -2 * loc * precision], axis=-1),
        [[-1], [-1]],
    ) + tf.reduce_sum(tf.square(loc) * precision, axis=-1)
    volume = tf.reduce_sum(tf.math.log(scale), axis=-1) + 0.5 * size * LOG_2PI
    log_parts = tf.nn.log_softmax(logits) - volume - 0.5 * squares
    return tf.reduce_logsumexp(tf.cast(log_parts, x.dtype), axis=-1)
