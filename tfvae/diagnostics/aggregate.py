"""The aggregate posterior q(z), and its divergence from the prior."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.diagnostics.encoding import draws, posteriors
from tfvae.vae import VAE

__all__ = ["AggregateKL", "aggregate_kl", "log_aggregate"]

_NUMBERS_PER_BLOCK = 2_000_000
"""Latent numbers that are evaluated under posteriors at once, to bound the memory."""

LogDensity = Callable[[tfd.Distribution, tf.Tensor], tf.Tensor]
"""From q, batch shape [B], and z [M, B, *latent] to log densities [M, B, *columns]."""


@dataclasses.dataclass(frozen=True, eq=False)
class AggregateKL:
    """KL(q(z) || p(z)) of the aggregate posterior to the prior.

    Attributes:
        kl: The estimate, nats.
        standard_error: Its standard error, nats: the standard deviation of the means
            for each example over sqrt(N). It counts the choice of the examples too,
            and NaN stands for that of a single one.
    """

    kl: float
    standard_error: float


def aggregate_kl(
    vae: VAE, x: Any, num_samples: int = 1, seed: Any = None
) -> AggregateKL:
    """Estimates the divergence of the aggregate posterior from the prior.

        KL(q(z) || p(z)) = E_q(z)[log q(z) - log p(z)],
        q(z) = 1/N sum_n q(z|x_n)

    Where it is large, draws from the prior land where the decoder was not trained. Any
    posterior and prior with densities will do. q(z) is that of the data given, exactly;
    the expectation is the mean over S draws from each q(z|x_n), each evaluated under
    all N posteriors: S N^2 densities, in blocks that fit in memory.

    Args:
        vae: The model.
        x: Data [N, *event].
        num_samples: Number S of draws for each example. Default: 1.
        seed: A non-negative int, a pair of ints or an int32[2] tensor that fixes the
            draws, or None to take the next draws of the model. Default: None.

    Returns:
        The `AggregateKL`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> from tfvae import diagnostics
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> type(diagnostics.aggregate_kl(vae, np.ones((8, 4)), seed=0)).__name__
    'AggregateKL'

    Reference: Hoffman and Johnson, "ELBO surgery", 2016,
    http://approximateinference.org/accepted/HoffmanJohnson2016.pdf.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    parts = posteriors(vae, x)
    z = tf.concat(draws(vae, parts, num_samples, seed), axis=1)
    flat = tf.reshape(z, (-1, *vae.posterior_layer.event_shape))
    log_q = log_aggregate(parts, flat, lambda q, z: q.log_prob(z))
    log_p = vae.prior.log_prob(flat).numpy().astype(np.float64)
    by_example = (log_q - log_p).reshape(num_samples, -1).mean(axis=0)
    size = len(by_example)
    error = by_example.std(ddof=1) / math.sqrt(size) if size > 1 else math.nan
    return AggregateKL(float(by_example.mean()), float(error))


def log_aggregate(
    posteriors: Sequence[tfd.Distribution], z: tf.Tensor, log_density: LogDensity
) -> np.ndarray:
    """Returns the log of the mean over all examples of their densities at z.

        log 1/N sum_n q(z|x_n)

    Args:
        posteriors: q(z|x_n), batch shape [B] each, N in all.
        z: Latents [T, *latent].
        log_density: What is evaluated for each pair of z and example.

    Returns:
        A float64 array [T, *columns].
    """
    latent = z.shape[1:]
    sizes = [q.batch_shape[0] for q in posteriors]
    rows = max(1, _NUMBERS_PER_BLOCK // (max(sizes) * latent.num_elements()))
    blocks = []
    for start in range(0, len(z), rows):
        part = z[start : start + rows, None]
        total = -np.inf
        for q, size in zip(posteriors, sizes, strict=True):
            pairs = tf.broadcast_to(part, (len(part), size, *latent))
            log_sum = tf.reduce_logsumexp(log_density(q, pairs), axis=1)
            total = np.logaddexp(total, log_sum.numpy().astype(np.float64))
        blocks.append(total)
    return np.concatenate(blocks) - math.log(sum(sizes))
