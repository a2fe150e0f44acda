"""What a model computes over many examples and draws, block by block in a graph.

The first argument of each function is the model, so that `tf.function` of one of them
is a method. Tensors are checked already; seeds are int32[2].
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import split_seed
from tfvae.distributions import closed_form_kl
from tfvae.evidence._model import draw_prior, samples_per_pass, terms_at_draws
from tfvae.evidence._over_draws import blockwise, log_mean_weight, mean, static_size

__all__ = [
    "decode",
    "elbo",
    "log_prob",
    "next_seed",
    "raw_posterior",
    "reconstruct",
    "sample",
]

Block = Callable[[Any, Any, tf.Tensor], tf.Tensor]


def decode(vae: Any, z: tf.Tensor, training: bool = False) -> tfd.Distribution:
    """p(x|z) at latents z [*lead, *latent], batch shape [*lead].

    The decoder takes one leading axis: the others are folded into it.
    """
    latent = vae.posterior_layer.event_shape
    _checks.ends_with("z", z.shape, latent)
    lead = z.shape.rank - len(latent)
    if lead == 1:
        return vae.decoder(z, training=training)
    likelihood = vae.decoder(tf.reshape(z, (-1, *latent)), training=training)
    sizes = tf.unstack(tf.shape(z)[:lead], num=lead)
    static = [s if d is None else d for s, d in zip(sizes, z.shape, strict=False)]
    return vae.likelihood_layer.with_batch_shape(likelihood, static)


def raw_posterior(vae: Any, x: tf.Tensor) -> tf.Tensor:
    """The raw parameters that `vae.posterior_layer.from_raw` makes q(z|x) of."""
    seen: list[tf.Tensor] = []
    with vae.posterior_layer.watch_raw(seen.append):
        vae.encoder(x, training=False)
    return seen[-1]


def next_seed(vae: Any) -> tf.Tensor:
    """The seed of the next call that was given none."""
    return vae.noise.for_call()


def elbo(vae: Any, x: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
    """The ELBO [B] over `num_samples` draws, with the KL in closed form if any."""

    def block(start: Any, stop: Any, seed: tf.Tensor) -> tf.Tensor:
        part = x[start:stop]
        q = vae.encoder(part, training=False)
        kl = closed_form_kl(q, vae.prior)
        if kl is None:
            return _over_draws(vae, mean, "log_weights", part, q, num_samples, seed)
        likelihood = "log_likelihood"
        return _over_draws(vae, mean, likelihood, part, q, num_samples, seed) - kl

    return blockwise(block, static_size(x), seed, (), x.dtype)


def log_prob(vae: Any, x: tf.Tensor, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
    """The importance-weighted estimate of log p(x), [B]."""

    def block(start: Any, stop: Any, seed: tf.Tensor) -> tf.Tensor:
        part, estimator = x[start:stop], log_mean_weight
        q = vae.encoder(part, training=False)
        return _over_draws(vae, estimator, "log_weights", part, q, num_samples, seed)

    return blockwise(block, static_size(x), seed, (), x.dtype)


def reconstruct(vae: Any, x: tf.Tensor) -> tf.Tensor:
    """E[x|z] at the location of q(z|x), [B, *event]."""

    def block(start: Any, stop: Any, _: tf.Tensor) -> tf.Tensor:
        part, layer = x[start:stop], vae.likelihood_layer
        q = vae.encoder(part, training=False)
        likelihood = vae.decode(vae.posterior_layer.location(q))
        return layer.location(layer.observe(likelihood, part))

    return _blocks_of_x(vae, block, static_size(x), tf.zeros([2], tf.int32))


def sample(
    vae: Any, num_samples: tf.Tensor, seed: tf.Tensor, mean: bool = False
) -> tf.Tensor:
    """Draws from p(x), or E[x|z] at draws of z, [num_samples, *event]."""
    layer = vae.likelihood_layer

    def block(start: Any, stop: Any, seed: tf.Tensor) -> tf.Tensor:
        z_seed, x_seed = split_seed(seed)
        likelihood = vae.decode(draw_prior(vae, stop - start, z_seed))
        if mean:
            return layer.location(likelihood)
        return layer.sample_and_log_prob(likelihood, (), x_seed)[0]

    return _blocks_of_x(vae, block, num_samples, seed)


def _over_draws(
    vae: Any,
    estimator: Callable[..., tf.Tensor],
    term: str,
    x: tf.Tensor,
    q: tfd.Distribution,
    num_samples: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Gives an estimator one of the `Terms` at the draws that it asks for."""
    terms = terms_at_draws(vae, x, q, seed)

    def values(first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        return getattr(terms(first, count), term)

    size = static_size(x)
    per_pass = samples_per_pass(vae, num_samples, size)
    return estimator(values, num_samples, per_pass, size, x.dtype)


def _blocks_of_x(vae: Any, block: Block, size: Any, seed: tf.Tensor) -> tf.Tensor:
    layer = vae.likelihood_layer
    shape, dtype = layer.event_shape, layer.variable_dtype
    return blockwise(block, size, seed, shape, dtype)
