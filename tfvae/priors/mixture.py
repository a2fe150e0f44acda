"""Mixtures of many normals, whose density is one matrix product."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import traces_builtins_only
from tfvae._math import LOG_2PI

__all__ = ["NormalMixture", "mixture"]

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
        one_by_one = super()._log_prob
        if self.dtype == tf.float64 or traces_builtins_only():
            return one_by_one(x)
        loc, scale = (
            tf.cast(value, tf.float64)
            for value in (self.components_distribution.mean(), self._scale())
        )
        centre = tf.reduce_mean(loc, axis=0)
        loc -= centre
        # A gradient through the choice would be one through the centre.
        furthest = tf.reduce_max(tf.stop_gradient(tf.abs(loc) / scale))
        return tf.cond(
            furthest < LARGEST_RATIO,
            lambda: self._written_out(tf.cast(x, tf.float64) - centre, loc, scale),
            lambda: one_by_one(x),
        )

    def _scale(self) -> tf.Tensor:
        elements = self.components_distribution.distribution
        return tf.broadcast_to(elements.scale, tf.shape(elements.loc))

    def _written_out(self, y: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        rank, count = self.event_shape.rank, loc.shape[0]
        lead = tf.shape(y)[: y.shape.rank - rank]
        size = self.event_shape.num_elements()
        y = tf.reshape(y, tf.concat([lead, [size]], axis=0))
        loc, scale = (tf.reshape(value, (count, size)) for value in (loc, scale))
        precision = 1 / tf.square(scale)
        squares = tf.tensordot(
            tf.concat([tf.square(y), y], axis=-1),
            tf.concat([precision, -2 * loc * precision], axis=-1),
            [[-1], [-1]],
        ) + tf.reduce_sum(tf.square(loc) * precision, axis=-1)
        volume = tf.reduce_sum(tf.math.log(scale), axis=-1) + 0.5 * size * LOG_2PI
        logits = tf.cast(self.mixture_distribution.logits_parameter(), tf.float64)
        log_parts = tf.nn.log_softmax(logits) - volume - 0.5 * squares
        return tf.reduce_logsumexp(tf.cast(log_parts, self.dtype), axis=-1)
