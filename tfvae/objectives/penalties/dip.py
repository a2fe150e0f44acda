"""Disentangled inferred priors."""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import Weight

__all__ = ["DIP"]


@keras.saving.register_keras_serializable("tfvae.objectives")
class DIP(Penalty):
    """Draws the covariance of the latents towards the identity matrix.

        weight (off_diagonal sum_(i != j) C_ij^2 + diagonal sum_i (C_ii - 1)^2)

    C is the covariance over the batch of the posterior means (kind "I"), or of draws of
    z, which has the mean covariance of the posteriors on top of it (kind "II").

    Args:
        weight: A non-negative number or a schedule. Default: 1.
        kind: "I" or "II". Default: "I".
        off_diagonal: What a covariance counts for. Default: 10.
        diagonal: What a variance counts for. Default: 10.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these, or, in training, if the posterior
            is not over vectors or its layer knows no mean or covariance.

    Example:
    >>> tfvae.objectives.ELBO(penalties=[tfvae.objectives.DIP(kind="II")]).num_samples
    1

    Reference: Kumar, Sattigeri and Balakrishnan, "Variational inference of disentangled
    latent concepts from unlabeled observations", 2018,
    https://arxiv.org/abs/1711.00848.
    """

    needs_paths: ClassVar[bool] = False

    def __init__(
        self,
        weight: Weight = 1.0,
        kind: str = "I",
        off_diagonal: float = 10.0,
        diagonal: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, **kwargs)
        self.kind = _checks.one_of("kind", kind, ("I", "II"))
        self.off_diagonal = _checks.finite_number("off_diagonal", off_diagonal)
        self.diagonal = _checks.finite_number("diagonal", diagonal)

    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        layer, q = terms.posterior_layer, terms.posterior
        if len(layer.event_shape) != 1 or not layer.location_is_mean:
            raise ValueError(
                "DIP needs a posterior over vectors whose layer knows its mean. "
                f"Received: {layer!r}."
            )
        mean = layer.location(q)
        centred = mean - tf.reduce_mean(mean, axis=0)
        size = tf.cast(tf.shape(mean)[0], mean.dtype)
        covariance = tf.matmul(centred, centred, transpose_a=True) / size
        if self.kind == "II":
            covariance += tf.reduce_mean(_covariance(q), axis=0)
        variance = tf.linalg.diag_part(covariance)
        covariances = tf.square(covariance) - tf.linalg.diag(tf.square(variance))
        return self.off_diagonal * tf.reduce_sum(
            covariances
        ) + self.diagonal * tf.reduce_sum(tf.square(variance - 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        names = ("kind", "off_diagonal", "diagonal")
        return super().get_config() | {name: getattr(self, name) for name in names}


def _covariance(q: tfd.Distribution) -> tf.Tensor:
    """Covariance matrices [B, D, D]."""
    if isinstance(q, tfd.Independent):
        return tf.linalg.diag(q.variance())
    return q.covariance()
