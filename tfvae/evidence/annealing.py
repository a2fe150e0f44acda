"""Log p(x) by annealed importance sampling, from below and from above."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae._math import split_seed
from tfvae.evidence import _weights
from tfvae.evidence._annealed_chains import Chains
from tfvae.evidence._model import (
    draw_prior,
    numpy64,
    once,
    over_examples,
    require_real_latents,
    rows_at_once,
    spread_of_posterior,
    spread_of_prior,
)

__all__ = ["Annealed", "annealed"]

_EXAMPLES = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Annealed:
    """Bounds on log p(x) of N examples.

    Attributes:
        log_prob: The estimate from below, [N], nats.
        standard_error: Its standard error by the delta method, [N], nats.
        acceptance: The share of accepted moves, [N].
        upper: The estimate from above, [N], nats; None without `latents`.
        upper_standard_error: Its standard error, [N], nats; None without `latents`.
            The chains of an example share their first point, which it leaves out.
    """

    log_prob: np.ndarray
    standard_error: np.ndarray
    acceptance: np.ndarray
    upper: np.ndarray | None
    upper_standard_error: np.ndarray | None


def annealed(
    vae: Any,
    x: Any,
    num_steps: int = 300,
    num_chains: int = 16,
    num_leapfrog_steps: int = 10,
    seed: Any = None,
    latents: Any = None,
) -> Annealed:
    """Estimates log p(x) by chains that walk from the prior to the posterior.

        log 1/C sum_c w_c,   log w = sum_t (b_t - b_(t-1)) log p(x|z_t),
        z_(t+1) ~ a move that leaves p(z) p(x|z)^b_t as it is,   0 = b_0 < ... < b_T = 1

    It needs no good q, which sets the scales of the moves and nothing else. In
    expectation it is a lower bound on log p(x), which rises with the number of steps.
    With the z that x was drawn with, chains that walk from there back to the prior give
    an upper bound in expectation. Where the two meet, log p(x) is known; `simulate`
    draws such data.

    The moves are Hamiltonian, with steps in proportion to the standard deviations of
    p(z) and q(z|x), between which they pass as those of normals would. A pilot run
    finds for each example and b a factor with which about 80 % of the moves are
    accepted; it is held fixed afterwards, so that both bounds hold. The b_t of each
    example lie close together near 0, where the density changes fastest:

        b(u) = (r^u - 1) / (r - 1),   u = t/T,   r = mean_d Var_p(z_d) / Var_q(z_d)

    Args:
        vae: The `tfvae.VAE`, whose latents take all real values.
        x: Data [N, *event] in the support of the likelihood.
        num_steps: Number T of steps. Default: 300.
        num_chains: Number C of chains for each example, at least 2. Default: 16.
        num_leapfrog_steps: Gradients in each move. Default: 10.
        seed: As in `vae.log_prob`. Default: None.
        latents: The z [N, *latent] that `x` was drawn with, or None. Default: None.

    Returns:
        An `Annealed`, whose arrays are [N] in float64.

    Raises:
        ValueError: If `x` is not such data, `latents` have another shape, a number is
            too low, or the latents are on a sphere, a simplex, positive or counts.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> x, z = tfvae.evidence.simulate(vae, 3)
    >>> found = tfvae.evidence.annealed(vae, x, num_steps=5, num_chains=2, latents=z)
    >>> found.log_prob.shape, found.upper.shape
    ((3,), (3,))

    Reference: Neal, "Annealed importance sampling", 2001,
    https://arxiv.org/abs/physics/9803008; Grosse, Ghahramani and Adams, "Sandwiching
    the marginal likelihood using bidirectional Monte Carlo", 2015,
    https://arxiv.org/abs/1511.02543; Wu et al., "On the quantitative analysis of
    decoder-based generative models", 2017, https://arxiv.org/abs/1611.04273.
    """
    num_steps = _checks.positive_int("num_steps", num_steps)
    num_leapfrog_steps = _checks.positive_int("num_leapfrog_steps", num_leapfrog_steps)
    num_chains = _checks.positive_int("num_chains", num_chains)
    if num_chains < 2:
        raise ValueError(
            "`num_chains` must be at least 2, for a standard error. "
            f"Received: {num_chains!r}."
        )
    require_real_latents(vae, "annealed")
    x, seed = vae._check(x), vae._seed(seed)
    chains = once(vae, Chains, num_steps, num_leapfrog_steps)
    first_points = once(vae, _first_points, num_chains)
    prior_spread = spread_of_prior(vae, seed)

    def both(
        x: tf.Tensor, latents: tf.Tensor, seed: tf.Tensor
    ) -> tuple[np.ndarray, ...]:
        seed, seed_of_spread = split_seed(seed)
        pilot_seed, seed = split_seed(seed)
        first_seed, second_seed = split_seed(seed)
        spreads = prior_spread, spread_of_posterior(vae, x, seed_of_spread)
        z = first_points(x, pilot_seed)
        factors = chains.pilot(x, z, spreads, pilot_seed)
        z = first_points(x, first_seed)
        weights, acceptance = chains.forward(x, z, spreads, factors, first_seed)
        found = [*_estimate(weights), numpy64(acceptance)]
        if given is not None:
            z = tf.broadcast_to(latents, (num_chains, *latents.shape))
            weights, _ = chains.backward(x, z, spreads, factors, second_seed)
            below, error = _estimate(weights)
            found += [-below, error]
        return tuple(found)

    given = None if latents is None else _latents(vae, latents, len(x))
    size = rows_at_once(vae, num_chains, _EXAMPLES)
    # Without latents, what is passed along in their place is not read.
    found = over_examples(both, size, seed, x, x if given is None else given)
    upper = found[3:] if given is not None else (None, None)
    return Annealed(*found[:3], *upper)


def _first_points(vae: Any, num_chains: int) -> Any:
    """Returns a function from x and a seed to draws of the prior, [C, B, *latent]."""

    @tf.function(autograph=False, reduce_retracing=True)
    def first_points(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        size = tf.shape(x)[0]
        z = draw_prior(vae, num_chains * size, seed)
        return tf.reshape(z, (num_chains, size, *z.shape[1:]))

    return first_points


def _estimate(log_weights: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    weights = numpy64(log_weights)
    return _weights.log_mean(weights), _weights.standard_error(weights)


def _latents(vae: Any, latents: Any, count: int) -> tf.Tensor:
    layer = vae.posterior_layer
    z = np.asarray(latents)
    if z.shape != (count, *layer.event_shape) or not np.all(np.isfinite(z)):
        raise ValueError(
            f"`latents` must be finite, of the shape {[count, *layer.event_shape]}. "
            f"Received the shape {list(z.shape)}."
        )
    return tf.constant(z, layer.variable_dtype)
