"""Disentangled inferred priors."""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty, shares
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import Weight, as_weight, weight_at, weight_config

__all__ = ["DIP"]


@keras.saving.register_keras_serializable("tfvae")
class DIP(Penalty):
    """Draws the covariance of the latents towards the identity matrix.

        weight (off_diagonal sum_(i != j) C_ij^2 + diagonal sum_i (C_ii - 1)^2)

    C is the covariance over the batch of the posterior means (kind "I"), or of draws of
    z, which has the mean covariance of the posteriors on top of it (kind "II").

    Args:
        weight: A non-negative number or a schedule. Default: 1.
        kind: "I" or "II". Default: "I".
        off_diagonal: What a covariance counts for, like `weight`. Default: 10.
        diagonal: What a variance counts for, like `weight`, or None for 10 times (kind
            "I") or once (kind "II") what a covariance does, as in the reference.
            Default: None.
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
    schedulable: ClassVar[tuple[str, ...]] = ("weight", "off_diagonal", "diagonal")

    def __init__(
        self,
        weight: Weight = 1.0,
        kind: str = "I",
        off_diagonal: Weight = 10.0,
        diagonal: Weight | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, **kwargs)
        self.kind = _checks.one_of("kind", kind, ("I", "II"))
        self.off_diagonal = as_weight("off_diagonal", off_diagonal)
        if diagonal is not None:
            diagonal = as_weight("diagonal", diagonal)
        self.diagonal = diagonal

    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        layer, q = terms.posterior_layer, terms.posterior
        if len(layer.event_shape) != 1 or not layer.location_is_mean:
            raise ValueError(
                "DIP needs a posterior over vectors whose layer knows its mean. "
                f"Received: {layer!r}."
            )
        mean = layer.location(q)
        share = shares(terms.sample_weight, mean)[:, None]
        centred = mean - tf.reduce_sum(share * mean, axis=0)
        covariance = tf.matmul(share * centred, centred, transpose_a=True)
        if self.kind == "II":
            covariance += tf.reduce_sum(share[..., None] * _covariance(q), axis=0)
        variance = tf.linalg.diag_part(covariance)
        covariances = tf.linalg.set_diag(covariance, tf.zeros_like(variance))
        for_outside = weight_at(self.off_diagonal, context.step, mean.dtype)
        for_variance = (10 if self.kind == "I" else 1) * for_outside
        if self.diagonal is not None:
            for_variance = weight_at(self.diagonal, context.step, mean.dtype)
        outside = tf.reduce_sum(tf.square(covariances))
        return for_outside * outside + for_variance * tf.reduce_sum(
            tf.square(variance - 1)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "kind": self.kind,
            "off_diagonal": weight_config(self.off_diagonal),
            "diagonal": weight_config(self.diagonal),
        }


def _covariance(q: tfd.Distribution) -> tf.Tensor:
    """Covariance matrices [B, D, D]."""
    if isinstance(q, tfd.Independent):
        return tf.linalg.diag(q.variance())
    return q.covariance()
