"""The KL of the ELBO taken apart."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.diagnostics.aggregate import log_aggregate
from tfvae.diagnostics.encoding import draws, posteriors
from tfvae.diagnostics.factorised import log_elements, require_factorised
from tfvae.vae import VAE

__all__ = ["Surgery", "surgery"]


@dataclasses.dataclass(frozen=True, eq=False)
class Surgery:
    """The parts of the mean KL, nats; the first three add up to `kl`.

    Attributes:
        mutual_information: I(x; z), between 0 and log N but for the noise.
        total_correlation: KL(q(z) || prod_j q(z_j)): how far the latent elements are
            from independent.
        marginal_kl: sum_j KL(q(z_j) || p(z_j)).
        kl: The mean of KL(q(z|x) || p(z)) over the data, by Monte Carlo.
        dimension_wise_kl: KL(q(z_j) || p(z_j)), float64 [*latent].
    """

    mutual_information: float
    total_correlation: float
    marginal_kl: float
    kl: float
    dimension_wise_kl: np.ndarray

    @property
    def aggregate_kl(self) -> float:
        """KL(q(z) || p(z)) = total_correlation + marginal_kl, nats."""
        return self.total_correlation + self.marginal_kl


def surgery(vae: VAE, x: Any, num_samples: int = 1, seed: Any = None) -> Surgery:
    """Takes the mean KL apart into what z knows of x and how q(z) misses the prior.

        E_x KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || prod_j q(z_j))
                                 + sum_j KL(q(z_j) || p(z_j)),
        q(z) = 1/N sum_n q(z|x_n),   I(x; z) = E_x KL(q(z|x) || q(z))

    All parts come from the same draws, S from each q(z|x_n) and each evaluated under
    all N posteriors, so that they add up. q(z) is that of the data given, exactly: x is
    the index of an example here, and I(x; z) is at most log N. The number of densities
    is S N^2, computed in blocks that fit in memory.

    Args:
        vae: The model. Posterior and prior must have independent elements.
        x: Data [N, *event].
        num_samples: Number S of draws for each example. Default: 1.
        seed: A non-negative int, a pair of ints or an int32[2] tensor that fixes the
            draws, or None to take the next draws of the model. Default: None.

    Returns:
        The `Surgery`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> from tfvae import diagnostics
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> result = diagnostics.surgery(tfvae.VAE(encoder, decoder), np.ones((8, 4)))
    >>> result.dimension_wise_kl.shape
    (2,)
    >>> parts = result.mutual_information + result.aggregate_kl
    >>> bool(np.isclose(parts, result.kl))
    True

    Reference: Hoffman and Johnson, "ELBO surgery", 2016,
    http://approximateinference.org/accepted/HoffmanJohnson2016.pdf; Chen et al.,
    "Isolating sources of disentanglement in variational autoencoders", 2018,
    https://arxiv.org/abs/1802.04942.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    parts = posteriors(vae, x)
    require_factorised("surgery", vae, parts[0])
    z = draws(vae, parts, num_samples, seed)
    pairs = zip(parts, z, strict=True)
    own = tf.concat([_columns(q, at)[..., -1] for q, at in pairs], axis=1)
    log_posterior = own.numpy().astype(np.float64).reshape(-1)

    latent = vae.posterior_layer.event_shape
    flat = tf.reshape(tf.concat(z, axis=1), (-1, *latent))
    log_aggregates = log_aggregate(parts, flat, _columns)
    log_marginals, log_joint = log_aggregates[:, :-1], log_aggregates[:, -1]
    log_prior = log_elements(vae.prior, flat).numpy().astype(np.float64)

    by_dimension = (log_marginals - log_prior).mean(axis=0)
    return Surgery(
        mutual_information=float((log_posterior - log_joint).mean()),
        total_correlation=float((log_joint - log_marginals.sum(axis=1)).mean()),
        marginal_kl=float(by_dimension.sum()),
        kl=float((log_posterior - log_prior.sum(axis=1)).mean()),
        dimension_wise_kl=by_dimension.reshape(latent),
    )


def _columns(q: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Log q of each element of z and, in the last column, of all: [*lead, D + 1]."""
    values = log_elements(q, z)
    return tf.concat([values, tf.reduce_sum(values, -1, keepdims=True)], axis=-1)
