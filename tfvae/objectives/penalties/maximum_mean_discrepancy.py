"""The maximum mean discrepancy of the aggregate posterior from the prior."""

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

__all__ = ["MaximumMeanDiscrepancy"]


@keras.saving.register_keras_serializable("tfvae")
class MaximumMeanDiscrepancy(Penalty):
    """A distance between q(z) = mean_x q(z|x) and p(z), from draws of both.

        weight MMD^2,   MMD^2 = E[k(z, z')] + E[k(w, w')] - 2 E[k(z, w)]

    z, z' ~ q(z) and w, w' ~ p(z) are independent; the estimate from the draws of a
    batch is unbiased, and so may be negative. With l the length scale, the kernel is

        "rbf"   k(a, b) = exp(-|a - b|^2 / (2 l^2))
        "imq"   k(a, b) = 2 l^2 / (2 l^2 + |a - b|^2)

    `ELBO(beta=1 - alpha)` with the weight alpha + lambda - 1 is InfoVAE, and
    `Reconstruction()` with it is the Wasserstein autoencoder WAE-MMD. A prior with
    weights is trained through its draws, if those carry a gradient: the draws of a
    mixture (`GaussianMixture`, `VampPrior`) do not.

    Args:
        weight: A non-negative number or a schedule. Default: 1.
        kernel: "rbf" or "imq", the inverse multiquadratic, whose tails reach
            further. Default: "imq".
        length_scale: l, a positive number, or None for the root of the number of
            latents, at which two draws of a standard normal are about 1.4 l apart.
            Default: None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> mmd = tfvae.objectives.MaximumMeanDiscrepancy(weight=100.0, kernel="rbf")
    >>> info_vae = tfvae.objectives.ELBO(beta=0.0, penalties=[mmd])

    References: Gretton et al., "A kernel two-sample test", 2012,
    https://jmlr.org/papers/v13/gretton12a.html; Zhao, Song and Ermon, "InfoVAE", 2019,
    https://arxiv.org/abs/1706.02262; Tolstikhin et al., "Wasserstein auto-encoders",
    2018, https://arxiv.org/abs/1711.01558.
    """

    def __init__(
        self,
        weight: Weight = 1.0,
        kernel: str = "imq",
        length_scale: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, **kwargs)
        self.kernel = _checks.one_of("kernel", kernel, ("rbf", "imq"))
        if length_scale is not None:
            length_scale = _checks.finite_number("length_scale", length_scale, above=0)
        self.length_scale = length_scale

    def _value(self, terms: Terms, context: Context) -> tf.Tensor:
        num_samples, batch = tf.unstack(tf.shape(terms.z)[:2])
        size = math.prod(terms.posterior_layer.event_shape)
        w = terms.prior.sample((num_samples, batch), seed=context.seed)
        if terms.prior.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
            w = tf.stop_gradient(w)
        z, w = (tf.reshape(draws, (num_samples, batch, size)) for draws in (terms.z, w))
        share = shares(terms.sample_weight, terms.x)[:, None]
        others = 1 - tf.eye(batch, dtype=z.dtype)
        return (
            self._mean_kernel(z, z, share * tf.transpose(share) * others)
            + self._mean_kernel(w, w, others)
            - 2 * self._mean_kernel(z, w, share * tf.ones_like(others))
        )

    def _mean_kernel(self, a: tf.Tensor, b: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """The mean kernel of pairs of draws [S, B, D] that count `weight` [B, B]."""
        difference = a[:, :, None] - b[:, None]
        squared = tf.reduce_sum(tf.square(difference), axis=-1)
        scale = self.length_scale
        double = 2.0 * (a.shape[-1] if scale is None else scale**2)
        if self.kernel == "rbf":
            kernel = tf.exp(-squared / double)
        else:
            kernel = double / (double + squared)
        # A batch of one has no pairs.
        return tf.math.divide_no_nan(
            tf.reduce_sum(weight * tf.reduce_mean(kernel, axis=0)),
            tf.reduce_sum(weight),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "kernel": self.kernel,
            "length_scale": self.length_scale,
        }
