"""The gap between log p(x) and the ELBO, and what it is made of."""

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae._math import fold_in, split_seed
from tfvae.evidence._model import numpy64, once, over_examples, samples_per_pass
from tfvae.evidence.exact_density import exact_or_nan, has_exact
from tfvae.evidence.importance_sampling import importance
from tfvae.objectives import Terms

__all__ = ["Gap", "gap"]

_EXAMPLES = 128
_DRAWS = 16
"""Draws for each example in a step of the optimisation."""

_RATE = 0.05
_DECAYS = 0.9, 0.999


@dataclasses.dataclass(frozen=True, eq=False)
class Gap:
    """What N examples lose to the approximation of their posterior.

    total = approximation + amortization

    Attributes:
        log_prob: Log p(x), [N], nats.
        elbo: ELBO(x) of the encoder's q(z|x), [N], nats.
        optimal_elbo: ELBO(x) of the best q of the same family, [N], nats.
        total: log_prob - elbo = KL(q(z|x) || p(z|x)), [N], nats.
        approximation: log_prob - optimal_elbo, what the family costs, [N], nats.
        amortization: optimal_elbo - elbo, what it costs that one encoder serves all
            examples, [N], nats.
        standard_error: The standard error of `elbo`, sd(log w) / sqrt(S), [N], nats.
            That of `total` is the same where log p(x) is known.
        estimated: Whether log p(x) is not known but an estimate of `importance`, [N].
    """

    log_prob: np.ndarray
    elbo: np.ndarray
    optimal_elbo: np.ndarray
    total: np.ndarray
    approximation: np.ndarray
    amortization: np.ndarray
    standard_error: np.ndarray
    estimated: np.ndarray


def gap(
    vae: Any,
    x: Any,
    num_samples: int = 1000,
    num_steps: int = 500,
    seed: Any = None,
    log_prob: Any = None,
) -> Gap:
    """Measures the gap log p(x) - ELBO(x) and splits it in two.

        log p(x) - ELBO(x) = KL(q(z|x) || p(z|x))
                           = [log p(x) - ELBO*(x)] + [ELBO*(x) - ELBO(x)]

    ELBO* is that of the best q of the encoder's family for each example alone, found
    by Adam from the encoder's own: its raw parameters are optimised, in front of the
    constraints, with a rate that falls from 0.05 to zero and 16 draws in each step.
    All weights stay as they are, those of a flow's networks and scales that a layer
    shares among its examples too. Both ELBOs are means of log p(x, z) - log q(z|x)
    over draws made of the same noise, at least S of them, and q* is the encoder's q
    where no better one was found. Adam may end in a local optimum, so that the
    approximation's part is at most what is returned.

    Args:
        vae: The `tfvae.VAE`, whose posterior's draws carry gradients.
        x: Data [N, *event] in the support of the likelihood.
        num_samples: Number S of draws for each ELBO, and for log p(x) where it is
            estimated, at least 2. Default: 1000.
        num_steps: Steps of the optimisation. Default: 500.
        seed: As in `vae.log_prob`. Default: None.
        log_prob: Log p(x), [N], where it is known; None for `exact` of those examples
            for which it can be had, and `importance` of the others. Default: None.

    Returns:
        A `Gap`, whose arrays are [N] in float64.

    Raises:
        ValueError: If `x` is not such data, `num_samples` is below 2, `log_prob` has
            another shape, or draws from the posterior carry no gradient.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> found = tfvae.evidence.gap(vae, np.zeros((3, 4)), num_steps=5)
    >>> bool(np.allclose(found.total, found.approximation + found.amortization))
    True

    Reference: Cremer, Li and Duvenaud, "Inference suboptimality in variational
    autoencoders", 2018, https://arxiv.org/abs/1801.03558; the gradient is that of
    Roeder, Wu and Duvenaud, "Sticking the landing", 2017,
    https://arxiv.org/abs/1703.09194.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    if num_samples < 2:
        raise ValueError(
            "`num_samples` must be at least 2, for a standard error. "
            f"Received: {num_samples!r}."
        )
    num_steps = _checks.positive_int("num_steps", num_steps)
    layer = vae.posterior_layer
    if not layer.reparameterized:
        raise ValueError(
            "`gap` optimises q(z|x) by the gradients of its draws, which those of "
            f"{layer!r} do not carry."
        )
    x, seed = vae._check(x), vae._seed(seed)
    seed, estimate_seed = split_seed(seed)
    log_prob, estimated = _log_prob(vae, x, num_samples, estimate_seed, log_prob)
    optimise = once(vae, _optimiser, num_steps)
    elbos = once(vae, _elbos, num_samples)

    def part(x: tf.Tensor, seed: tf.Tensor) -> tuple[np.ndarray, ...]:
        first_seed, second_seed = split_seed(seed)
        seen: list[tf.Tensor] = []
        with layer.watch_raw(seen.append):
            vae.encoder(x, training=False)
        raw = tf.convert_to_tensor(seen[-1])
        best, _ = elbos(x, optimise(x, raw, first_seed), second_seed)
        return tuple(map(numpy64, (*elbos(x, raw, second_seed), best)))

    elbo, error, other = over_examples(part, _EXAMPLES, seed, x)
    # Comparisons with what is no number are false.
    optimal = np.where(other > elbo, other, elbo)
    return Gap(
        log_prob=log_prob,
        elbo=elbo,
        optimal_elbo=optimal,
        total=log_prob - elbo,
        approximation=log_prob - optimal,
        amortization=optimal - elbo,
        standard_error=error,
        estimated=estimated,
    )


def _log_prob(
    vae: Any, x: tf.Tensor, num_samples: int, seed: tf.Tensor, log_prob: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Log p(x), and for which examples it is an estimate."""
    if log_prob is None:
        found = np.full(len(x), np.nan)
        if has_exact(vae):
            found = exact_or_nan(vae, x)
        lost = np.isnan(found)
        if np.any(lost):
            rest = tf.boolean_mask(x, lost)
            found[lost] = importance(vae, rest, num_samples, seed).log_prob
        return found, lost
    known = numpy64(log_prob)
    if known.shape != (len(x),):
        raise ValueError(
            f"`log_prob` must have the shape {[len(x)]}. Received: {list(known.shape)}."
        )
    return known, np.zeros(len(x), bool)


def _terms(
    vae: Any, x: tf.Tensor, raw: tf.Tensor, num_samples: int, seed: tf.Tensor
) -> Terms:
    q = vae.posterior_layer.from_raw(raw)
    z, log_q = vae.posterior_layer.sample_and_log_prob(q, (num_samples,), seed)
    return vae.terms_at(x, q, z, log_q)


def _log_posterior(terms: Terms) -> tf.Tensor:
    """Log q(z|x) at the draws, [S, B], with a gradient through the draws alone.

    The rest of its gradient is zero in expectation, and without it all of it vanishes
    where q is the true posterior. It is left in where the density at given draws takes
    an inversion, element by element.
    """
    if terms.posterior_layer.density_inverts:
        return terms.log_posterior
    return terms.log_posterior_detached


def _elbos(vae: Any, num_samples: int) -> Any:
    """Returns a function from x, raw parameters and a seed to ELBOs and their errors.

    They are the mean of log w over the draws and its standard error, [B] each.
    """
    per_pass = samples_per_pass(vae, num_samples)
    passes = math.ceil(num_samples / per_pass)

    @tf.function(autograph=False, reduce_retracing=True)
    def elbos(
        x: tf.Tensor, raw: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def moments(i: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # Equal where q is the true posterior, unlike log p(x|z): their mean has an
            # error in proportion to the gap.
            log_weights = _terms(vae, x, raw, per_pass, fold_in(seed, i)).log_weights
            return tf.nn.moments(tf.cast(log_weights, tf.float64), axes=0)

        wide = {"fn_output_signature": (tf.float64,) * 2, "parallel_iterations": 1}
        means, variances = tf.map_fn(moments, tf.range(passes), **wide)
        # The variance within passes and that of their means.
        variance = tf.reduce_mean(variances, 0) + tf.math.reduce_variance(means, 0)
        count = passes * per_pass
        return tf.reduce_mean(means, 0), tf.sqrt(variance / (count - 1))

    return elbos


def _optimiser(vae: Any, num_steps: int) -> Any:
    """Returns a function from x, raw parameters and a seed to better parameters.

    Adam works on each number by itself, so that all examples are optimised at once and
    none depends on the others.
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def optimise(x: tf.Tensor, raw: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        first, second = (tf.constant(decay, raw.dtype) for decay in _DECAYS)

        def step(
            t: tf.Tensor, raw: tf.Tensor, mean: tf.Tensor, square: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            with tf.GradientTape() as tape:
                tape.watch(raw)
                terms = _terms(vae, x, raw, _DRAWS, fold_in(seed, t))
                log_joint = terms.log_likelihood + terms.log_prior
                log_weights = log_joint - _log_posterior(terms)
                elbo = tf.reduce_sum(tf.reduce_mean(log_weights, axis=0))
            gradient = tape.gradient(elbo, raw)
            mean += (1 - first) * (gradient - mean)
            square += (1 - second) * (tf.square(gradient) - square)
            done = tf.cast(t, raw.dtype) / num_steps
            rate = 0.5 * _RATE * (1 + tf.cos(math.pi * done))
            count = tf.cast(t + 1, raw.dtype)
            mean_now = mean / (1 - first**count)
            square_now = square / (1 - second**count)
            raw += rate * mean_now / (tf.sqrt(square_now) + 1e-8)
            return t + 1, raw, mean, square

        zeros = tf.zeros_like(raw)
        _, raw, _, _ = tf.while_loop(
            lambda t, *_: t < num_steps,
            step,
            (0, raw, zeros, zeros),
            parallel_iterations=1,
        )
        return raw

    return optimise
