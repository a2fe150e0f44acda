"""The total correlation of the latents."""

import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty, shares
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import Weight

__all__ = ["TotalCorrelation"]

_LEAST_WEIGHT = 1e-30
"""In place of an example's weight of zero, whose logarithm no gradient survives."""


@keras.saving.register_keras_serializable("tfvae")
class TotalCorrelation(Penalty):
    """How far the aggregate posterior is from having independent elements.

        weight TC,   TC = KL(q(z) || prod_j q(z_j)),   q(z) = 1/N sum_n q(z|x_n)

    On top of `ELBO` the weight beta - 1 is beta-TC-VAE. From the M examples of a batch
    the density q(z_i) at the draw of example i is estimated as

        "weighted"     1/(N M) sum_m q(z_i|x_m)
        "stratified"   sum_m W_im q(z_i|x_m),   W_ii = 1/N, W_im = 1/(M - 1) but for one
                       m with W_im = 1/(M - 1) - 1/N

    and q(z_ij) likewise. The second is unbiased over batches that are drawn without
    repetition; the first is too small by about M/N where the others do not overlap
    z_i, and its logarithms shift the value by a constant, which no gradient sees. With
    `sample_weight` the examples count for as much in q(z), as shares of the batch.

    Args:
        weight: A non-negative number or a schedule. Default: 1.
        estimator: "weighted" or "stratified". Default: "stratified".
        dataset_size: Number N of training examples, or None to take that of the arrays
            given to `fit`, which is saved with the model. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these, or, in `fit` and `evaluate`, if the
            elements of z are not independent given x or the number of examples is not
            known.

    Example:
    >>> tc = tfvae.objectives.TotalCorrelation(weight=5.0)
    >>> objective = tfvae.objectives.ELBO(penalties=[tc])

    Reference: Chen et al., "Isolating sources of disentanglement in variational
    autoencoders", 2018, https://arxiv.org/abs/1802.04942.
    """

    def __init__(
        self,
        weight: Weight = 1.0,
        estimator: str = "stratified",
        dataset_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, **kwargs)
        estimators = ("weighted", "stratified")
        self.estimator = _checks.one_of("estimator", estimator, estimators)
        if dataset_size is not None:
            dataset_size = _checks.positive_int("dataset_size", dataset_size)
        self.dataset_size = dataset_size

    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        elements = _elements(terms.posterior)
        size = self.dataset_size or context.dataset_size
        if size is None:
            raise ValueError(
                "`dataset_size` must be given to TotalCorrelation: it needs the number "
                "of training examples, and only arrays given to `fit` tell it."
            )
        # Each draw [S, B, 1, *latent] under the posteriors of all examples.
        log_q = elements.log_prob(terms.z[:, :, None])
        draws, batch = tf.shape(log_q)[0], tf.shape(terms.x)[0]
        log_q = tf.reshape(log_q, (draws, batch, batch, math.prod(log_q.shape[3:])))
        weights = self._log_weights(batch, size, log_q.dtype)
        share = shares(terms.sample_weight, log_q[0])
        relative = share * tf.cast(batch, log_q.dtype)
        weights += tf.math.log(tf.maximum(relative, _LEAST_WEIGHT))
        together = tf.reduce_logsumexp(tf.reduce_sum(log_q, axis=-1) + weights, axis=-1)
        alone = tf.reduce_logsumexp(log_q + weights[..., None], axis=-2)
        excess = together - tf.reduce_sum(alone, axis=-1)
        return tf.reduce_sum(share * tf.reduce_mean(excess, axis=0))

    def _log_weights(self, batch: tf.Tensor, size: int, dtype: tf.DType) -> tf.Tensor:
        """The logarithms of W, [B, B], or of one number for all."""
        examples = tf.cast(batch, dtype)
        if self.estimator == "weighted":
            return -tf.math.log(examples) - math.log(size)
        others = 1 / tf.maximum(examples - 1, 1)
        itself, next_one = (
            tf.eye(batch, dtype=dtype),
            tf.roll(tf.eye(batch, dtype=dtype), shift=1, axis=1),
        )
        last = tf.maximum(others - 1 / size, 0)
        weights = tf.where(next_one > 0, last, others)
        return tf.math.log(tf.where(itself > 0, tf.cast(1 / size, dtype), weights))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "estimator": self.estimator,
            "dataset_size": self.dataset_size,
        }


def _elements(q: tfd.Distribution) -> tfd.Distribution:
    """The distribution of the elements of z, batch shape [B, *latent]."""
    if not isinstance(q, tfd.Independent) or q.distribution.event_shape.rank != 0:
        raise ValueError(
            "TotalCorrelation needs a posterior whose elements are independent given "
            f"x, such as that of tfvae.layers.Normal. Received: {q}."
        )
    return q.distribution
