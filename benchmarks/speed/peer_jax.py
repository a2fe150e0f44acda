"""JAX: an epoch as one program, a scan over its steps with the data in place."""

import math
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import networks
import optax
import worker
from jax import lax, random
from jax.scipy.special import logsumexp

Weights = list[jax.Array]


def mlp(weights: Weights, x: jax.Array) -> jax.Array:
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = jnp.tanh(x @ kernel + bias)
    return x @ weights[-2] + weights[-1]


def posterior(weights: Weights, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    loc, raw = jnp.split(mlp(weights[:6], x), 2, axis=-1)
    return loc, jax.nn.softplus(raw)


def log_likelihood(weights: Weights, x: jax.Array, z: jax.Array) -> jax.Array:
    logits = mlp(weights[6:], z)
    return (x * logits - jax.nn.softplus(logits)).sum(-1)


def elbo(weights: Weights, x: jax.Array, key: jax.Array) -> jax.Array:
    loc, scale = posterior(weights, x)
    z = loc + scale * random.normal(key, loc.shape)
    kl = ((loc**2 + scale**2 - 1) / 2 - jnp.log(scale)).sum(-1)
    return (log_likelihood(weights, x, z) - kl).mean()


def log_prior_over_posterior(z: jax.Array, loc: jax.Array, scale: jax.Array) -> Any:
    noise = (z - loc) / scale
    return ((noise**2 - z**2) / 2 + jnp.log(scale)).sum(-1)


def importance(weights: Weights, x: jax.Array, key: jax.Array, samples: int) -> Any:
    loc, scale = posterior(weights, x)
    z = loc + scale * random.normal(key, (samples, *loc.shape))
    ratio = log_prior_over_posterior(z, loc, scale)
    log_weights = log_likelihood(weights, x, z) + ratio
    return (logsumexp(log_weights, 0) - math.log(samples)).mean()


def dreg(weights: Weights, x: jax.Array, key: jax.Array, samples: int) -> Any:
    """The bound and its doubly reparameterised gradient, in one backward pass."""

    def draw(encoder: Weights) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        loc, scale = posterior(encoder, x)
        return loc + scale * random.normal(key, (samples, *loc.shape)), (loc, scale)

    def weigh(decoder: Weights, z: jax.Array) -> jax.Array:
        ratio = log_prior_over_posterior(z, *fixed)
        return log_likelihood([*weights[:6], *decoder], x, z) + ratio

    z, to_encoder, fixed = jax.vjp(draw, weights[:6], has_aux=True)
    log_weights, back = jax.vjp(weigh, weights[6:], z)
    shares = jax.nn.softmax(log_weights, 0)
    for_decoder, for_z = back(shares / len(x))
    (for_encoder,) = to_encoder(for_z * shares[..., None])
    bound = (logsumexp(log_weights, 0) - math.log(samples)).mean()
    return bound, [*for_encoder, *for_decoder]


def objective(task: worker.Task) -> Callable[..., Any]:
    """A function of weights, data and key that returns the bound and its gradient."""
    if task.objective == "elbo":
        return jax.value_and_grad(elbo)
    if task.objective == "dreg":
        return lambda *given: dreg(*given, task.samples)
    return jax.value_and_grad(lambda *given: importance(*given, task.samples))


def start(task: worker.Task) -> tuple[jax.Array, Weights, jax.Array]:
    jax.config.update("jax_default_prng_impl", task.options.get("prng", "rbg"))
    weights = [jnp.asarray(weight) for weight in networks.dense_weights(task.width)]
    return jnp.asarray(task.load()), weights, random.key(0)


def train(task: worker.Task) -> Callable[[], float]:
    x, weights, key = start(task)
    adam, slope = optax.adam(1e-3), objective(task)
    steps = len(x) // task.batch_size

    def step(state: Any, inputs: Any) -> Any:
        weights, moments = state
        rows, key = inputs
        bound, up = slope(weights, x[rows], key)
        updates, moments = adam.update(jax.tree.map(jnp.negative, up), moments)
        return (optax.apply_updates(weights, updates), moments), -bound

    @jax.jit(donate_argnums=0)
    def epoch(state: Any, key: jax.Array) -> Any:
        for_order, for_steps = random.split(key)
        rows = random.permutation(for_order, len(x))[: steps * task.batch_size]
        inputs = rows.reshape(steps, -1), random.split(for_steps, steps)
        state, losses = lax.scan(step, state, inputs)
        return state, losses.mean()

    state = weights, adam.init(weights)

    def take() -> float:
        nonlocal state, key
        for _ in range(task.epochs):
            key, now = random.split(key)
            state, loss = epoch(state, now)
        return float(loss)

    return take


def evidence(task: worker.Task) -> Callable[[], float]:
    """log p(x) of one image after the other, some draws at once."""
    x, weights, key = start(task)
    chunk = math.gcd(task.options.get("chunk", task.samples), task.samples)

    def one(inputs: Any) -> jax.Array:
        x, loc, scale, key = inputs

        def some(key: jax.Array) -> jax.Array:
            noise = random.normal(key, (chunk, *loc.shape))
            z = loc + scale * noise
            ratio = ((noise**2 - z**2) / 2 + jnp.log(scale)).sum(-1)
            return log_likelihood(weights, x, z) + ratio

        log_weights = lax.map(some, random.split(key, task.samples // chunk))
        return logsumexp(log_weights) - math.log(task.samples)

    @jax.jit
    def log_prob(x: jax.Array, key: jax.Array) -> jax.Array:
        return lax.map(one, (x, *posterior(weights, x), random.split(key, len(x))))

    def take() -> float:
        nonlocal key
        key, now = random.split(key)
        return float(log_prob(x[: task.images], now).mean())

    return take


def products(task: worker.Task) -> Callable[[], float]:
    """The matrix products of all steps of a round, and nothing else."""
    pairs = networks.dense_products(task.batch_size, task.width, task.samples)
    given = jax.device_put(pairs)
    steps = task.epochs * (len(task.load()) // task.batch_size)
    multiply = jax.jit(lambda pairs: [a @ b for a, b in pairs])

    def take() -> float:
        for _ in range(steps):
            jax.block_until_ready(multiply(given))
        return float("nan")

    return take


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    worker.serve(train=train, evidence=evidence, products=products)
