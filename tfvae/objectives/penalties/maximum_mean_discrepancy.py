"""The maximum mean discrepancy of the aggregate posterior from the prior."""

from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.penalties.base import Penalty
from tfvae.objectives.terms import Terms
from tfvae.objectives.weights import Weight

__all__ = ["MaximumMeanDiscrepancy"]


@keras.saving.register_keras_serializable("tfvae.objectives")
class MaximumMeanDiscrepancy(Penalty):
    """A distance between q(z) = mean_x q(z|x) and p(z), from draws of both.

        weight MMD^2,   MMD^2 = E[k(z, z')] + E[k(w, w')] - 2 E[k(z, w)]

    z, z' ~ q(z) and w, w' ~ p(z) are independent; the estimate from the draws of a
    batch is unbiased, and so may be negative. With l the length scale, the kernel is

        "rbf"   k(a, b) = exp(-|a - b|^2 / (2 l^2))
        "imq"   k(a, b) = 2 l^2 / (2 l^2 + |a - b|^2)

    `ELBO(beta=1 - alpha)` with the weight alpha + lambda - 1 is InfoVAE, and
    `Reconstruction()` with it is the Wasserstein autoencoder WAE-MMD.

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
        z = tf.reshape(terms.z, (*_first_two(terms.z), -1))
        # The gradient goes to the posterior alone: not every prior's draws carry one.
        w = terms.prior.sample(_first_two(z), seed=context.seed)
        w = tf.reshape(tf.stop_gradient(w), tf.shape(z))
        within = self._mean_of_pairs(z, z) + self._mean_of_pairs(w, w)
        return tf.reduce_mean(within - 2 * self._mean_kernel(z, w))

    def _mean_of_pairs(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """The mean kernel over pairs of two draws: [S] from [S, B, D]."""
        size = tf.cast(tf.shape(a)[1], a.dtype)
        # A draw paired with itself has the kernel 1; a batch of one has no pairs.
        pairs = tf.maximum(size * (size - 1), 1)
        return (tf.square(size) * self._mean_kernel(a, b) - size) / pairs

    def _mean_kernel(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        difference = a[:, :, None] - b[:, None]
        squared = tf.reduce_sum(tf.square(difference), axis=-1)
        scale = self.length_scale
        double = 2.0 * (a.shape[-1] if scale is None else scale**2)
        if self.kernel == "rbf":
            kernel = tf.exp(-squared / double)
        else:
            kernel = double / (double + squared)
        return tf.reduce_mean(kernel, axis=(1, 2))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "kernel": self.kernel,
            "length_scale": self.length_scale,
        }


def _first_two(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(z)
    return shape[0], shape[1]
