"""Draws from the true posterior p(z|x)."""

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import _checks
from tfvae._math import split_seed
from tfvae.evidence._model import (
    log_joint,
    numpy64,
    once,
    over_examples,
    require_real_latents,
    rows_at_once,
    spread_of_posterior,
)

__all__ = ["Posterior", "posterior"]

_EXAMPLES = 64
_ACCEPTANCE = 0.8
_FIRST_STEP = 0.2
_MOST_DOUBLINGS = 8
_HIGHEST_R_HAT = 1.05


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from p(z|x) for N examples, and whether to believe them.

    Attributes:
        samples: Draws, [S, N, *latent].
        acceptance: Mean chance of acceptance, [N]: near 0.8 where the step size suits.
        divergences: Share of trajectories that left the typical set, [N]; more than a
            few in a thousand say that p(z|x) has places too narrow for the step.
        r_hat: Split R-hat, [N, *latent]: near 1 where the chains agree, and not to be
            believed above 1.05.
        effective_sample_size: Number of independent draws that would be as good for a
            mean, [N, *latent].
    """

    samples: np.ndarray
    acceptance: np.ndarray
    divergences: np.ndarray
    r_hat: np.ndarray
    effective_sample_size: np.ndarray


def posterior(
    vae: Any,
    x: Any,
    num_samples: int = 1000,
    num_burnin: int = 500,
    num_chains: int = 4,
    seed: Any = None,
) -> Posterior:
    """Draws from the true posterior, by Markov chains that start at draws of q.

        p(z|x) = p(x|z) p(z) / p(x)

    The sampler is the No-U-Turn sampler. Latents are measured in standard deviations
    of q(z|x), and the step size of each example is adapted while burning in, by dual
    averaging, to a chance of acceptance of 0.8. The draws of a chain follow one
    another, so that they are worth less than as many independent ones: see
    `effective_sample_size`.

    Args:
        vae: The `tfvae.VAE`, whose latents take all real values.
        x: Data [N, *event] in the support of the likelihood.
        num_samples: Number S of draws for each example, from all chains together, at
            least 8 for each chain. Default: 1000.
        num_burnin: Number of first draws of each chain that are thrown away.
            Default: 500.
        num_chains: Number of chains for each example, at least 2. Default: 4.
        seed: As in `vae.log_prob`. Default: None.

    Returns:
        A `Posterior`. The draws have the dtype of the model, the rest is float64.

    Raises:
        ValueError: If `x` is not such data, a number is too low, or the latents are on
            a sphere, a simplex, positive or counts.

    Warns:
        UserWarning: If `r_hat` exceeds 1.05 for an example.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> found = tfvae.evidence.posterior(vae, np.zeros((3, 4)), num_samples=3000)
    >>> found.samples.shape, found.r_hat.shape
    ((3000, 3, 2), (3, 2))

    Reference: Hoffman and Gelman, "The No-U-Turn sampler", 2014,
    https://arxiv.org/abs/1111.4246; Gelman and Rubin, "Inference from iterative
    simulation using multiple sequences", 1992, https://doi.org/10.1214/ss/1177011136.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    num_burnin = _checks.positive_int("num_burnin", num_burnin)
    num_chains = _checks.positive_int("num_chains", num_chains)
    if num_chains < 2:
        raise ValueError(
            "`num_chains` must be at least 2, to compare them. "
            f"Received: {num_chains!r}."
        )
    if num_samples < 8 * num_chains:
        raise ValueError(
            f"`num_samples` must be at least {8 * num_chains} for {num_chains} chains. "
            f"Received: {num_samples!r}."
        )
    require_real_latents(vae, "posterior")
    x, seed = vae._check(x), vae._seed(seed)
    steps = math.ceil(num_samples / num_chains)
    chains = once(vae, _chains, steps, num_burnin, num_chains)

    def part(x: tf.Tensor, seed: tf.Tensor) -> tuple[np.ndarray, ...]:
        z, accepted, diverged = chains(x, seed)
        # Many short sums: in double precision.
        wide = tf.cast(z, tf.float64)
        r_hat = tfp.mcmc.potential_scale_reduction(
            wide, independent_chain_ndims=1, split_chains=True
        )
        effective = tfp.mcmc.effective_sample_size(
            wide, filter_beyond_positive_pairs=True, cross_chain_dims=1
        )
        # Draws of all chains in turn, with the examples in front.
        z = tf.reshape(z, (-1, *z.shape[2:]))[:num_samples]
        samples = np.moveaxis(z.numpy(), 0, 1)
        accepted = numpy64(accepted).mean(axis=(0, 1))
        diverged = numpy64(diverged).mean(axis=(0, 1))
        return samples, accepted, diverged, numpy64(r_hat), numpy64(effective)

    size = rows_at_once(vae, num_chains, _EXAMPLES)
    samples, *rest = over_examples(part, size, seed, x)
    found = Posterior(np.moveaxis(samples, 1, 0), *rest)
    apart = (found.r_hat > _HIGHEST_R_HAT).reshape(len(x), -1).any(axis=1)
    if apart.any():
        warnings.warn(
            f"`r_hat` exceeds {_HIGHEST_R_HAT} for {apart.sum()} of {len(x)} examples: "
            "the chains do not agree there, and their draws are not to be believed. "
            "Take more samples, or a longer `num_burnin`.",
            UserWarning,
            stacklevel=2,
        )
    return found


def _chains(vae: Any, num_samples: int, num_burnin: int, num_chains: int) -> Any:
    """Returns a function from x and a seed to the steps of chains, [S, C, B, ...]."""

    @tf.function(autograph=False, reduce_retracing=True)
    def chains(x: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        start_seed, seed = split_seed(seed)
        layer = vae.posterior_layer
        q = vae.encoder(x, training=False)
        start, _ = layer.sample_and_log_prob(q, (num_chains,), start_seed)
        unit = spread_of_posterior(vae, x, start_seed)

        def log_density(u: tf.Tensor) -> tf.Tensor:
            log_likelihood, log_prior = log_joint(vae, x, u * unit)
            return log_likelihood + log_prior

        ones = [1] * len(layer.event_shape)
        size = tf.fill((1, tf.shape(x)[0], *ones), tf.constant(_FIRST_STEP, x.dtype))
        kernel = tfp.mcmc.NoUTurnSampler(
            log_density, size, max_tree_depth=_MOST_DOUBLINGS
        )
        # Steps settle before the first draw is kept.
        kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
            kernel, max(1, int(0.8 * num_burnin)), _ACCEPTANCE
        )

        def trace(_: Any, results: Any) -> tuple[tf.Tensor, tf.Tensor]:
            inner = results.inner_results
            accepted = tf.exp(tf.minimum(inner.log_accept_ratio, 0))
            return accepted, inner.has_divergence

        draws, (accepted, diverged) = tfp.mcmc.sample_chain(
            num_samples,
            start / unit,
            kernel=kernel,
            num_burnin_steps=num_burnin,
            trace_fn=trace,
            seed=seed,
        )
        return draws * unit, accepted, diverged

    return chains
