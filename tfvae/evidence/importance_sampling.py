"""The importance-weighted estimate of log p(x), and how far to believe it."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae.evidence import _weights
from tfvae.evidence._model import (
    numpy64,
    once,
    over_examples,
    samples_per_pass,
    terms_at_draws,
)
from tfvae.evidence._over_draws import BLOCK

__all__ = ["Importance", "importance"]

_WEIGHTS_AT_ONCE = 4_200_000
"""Weights that are copied in float64 together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Importance:
    """An estimate of log p(x) of N examples.

    Attributes:
        log_prob: The estimate of log p(x), [N], nats.
        elbo: 1/S sum_s log w_s, the ELBO from the same draws, [N], nats; but for
            rounding it is at most the estimate without a jackknife.
        reconstruction: 1/S sum_s log p(x|z_s), the part of the ELBO without the KL,
            [N], nats.
        standard_error: The standard error of `log_prob` by the delta method, [N], nats.
        effective_sample_size: (sum w)^2 / sum w^2, [N], between 1 and S.
        pareto_k: k-hat of the largest weights, [N]; NaN where fewer than five of them
            exceed the rest: S is below 21, or the weights are equal.
        pareto_k_limit: The largest k-hat at which S draws are enough,
            min(1 - 1/log10(S), 0.7): 0.5 for 100 draws, 0.67 for 1000.
    """

    log_prob: np.ndarray
    elbo: np.ndarray
    reconstruction: np.ndarray
    standard_error: np.ndarray
    effective_sample_size: np.ndarray
    pareto_k: np.ndarray
    pareto_k_limit: float

    @property
    def unreliable(self) -> np.ndarray:
        """Where `pareto_k` exceeds its limit, a boolean array [N]; False where NaN."""
        return self.pareto_k > self.pareto_k_limit


def importance(
    vae: Any,
    x: Any,
    num_samples: int = 1000,
    seed: Any = None,
    jackknife: bool = False,
) -> Importance:
    """Estimates log p(x) from importance weights, and the error of the estimate.

        log 1/S sum_s w_s,   w_s = p(x|z_s) p(z_s) / q(z_s|x),   z_s ~ q(z|x)

    The estimate is the one of `vae.log_prob`, from the same draws, a lower bound in
    expectation. What is missing shows in the weights: a standard error of more than a
    few tenths of a nat says that the number is too low, and a `pareto_k` above 0.7
    that q misses a part of the true posterior, so that the standard error is too low
    as well. Below 2155 draws the limit is lower, 1 - 1/log10(S): few draws may miss
    what weights with a lighter tail have. A mode of the true posterior that no draw has
    met shows in none of these figures; and the tail that `pareto_k` looks at says
    little where a few discrete latents give few different weights. The weights of 256
    examples are kept, so that memory grows with S.

    With `jackknife=True` the bias of order 1/S is removed. The estimate is then no
    bound, and it varies more where one weight dominates:

        S L_S - (S - 1) 1/S sum_s L_(S-1) without w_s

    Args:
        vae: The `tfvae.VAE`.
        x: Data [N, *event] in the support of the likelihood.
        num_samples: Number S of draws of z for each example, at least 2, and at least
            21 for `pareto_k`. Default: 1000.
        seed: As in `vae.log_prob`. Default: None.
        jackknife: Whether to remove the bias of first order. Default: False.

    Returns:
        An `Importance`, whose arrays are [N] in float64.

    Raises:
        ValueError: If `x` is not such data, or `num_samples` is below 2.

    Warns:
        UserWarning: If `pareto_k` exceeds its limit for an example, or the draws are
            too few for it.

    Example:
    >>> q, p = tfvae.layers.Normal(2, scale=1.0), tfvae.layers.Normal(4, scale=1.0)
    >>> encoder = keras.Sequential([keras.Input((4,)), q])
    >>> decoder = keras.Sequential([keras.Input((2,)), p])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> found = tfvae.evidence.importance(vae, np.zeros((3, 4)))
    >>> found.log_prob.shape, found.standard_error.shape
    ((3,), (3,))

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519; Vehtari et al., "Pareto smoothed importance
    sampling", 2024, https://arxiv.org/abs/1507.02646; Nowozin, "Debiasing evidence
    approximations: on importance-weighted autoencoders and jackknife variational
    inference", 2018, https://openreview.net/forum?id=HyZoi-WRb.
    """
    num_samples = _checks.positive_int("num_samples", num_samples)
    if num_samples < 2:
        raise ValueError(
            "`num_samples` must be at least 2, for a standard error. "
            f"Received: {num_samples!r}."
        )
    x, seed = vae._check(x), vae._seed(seed)
    per_pass = samples_per_pass(vae, num_samples, min(len(x), BLOCK))
    one_pass = once(vae, _one_pass)

    def part(x: tf.Tensor, seed: tf.Tensor) -> tuple[np.ndarray, ...]:
        weights = np.empty((num_samples, len(x)), x.dtype.as_numpy_dtype)
        likelihood = np.zeros(len(x))
        for first in range(0, num_samples, per_pass):
            number = min(per_pass, num_samples - first)
            terms = one_pass(x, seed, tf.constant(first), tf.constant(number))
            weights[first : first + number] = terms[0]
            likelihood += np.sum(numpy64(terms[1]), axis=0)
        found = _figures(weights, jackknife)
        return *found[:2], likelihood / num_samples, *found[2:]

    # The blocks of `vae.log_prob`, which have the seeds of their draws.
    log_prob, elbo, likelihood, *rest = over_examples(part, BLOCK, seed, x)
    error, size, k = rest
    limit = _weights.pareto_k_limit(num_samples)
    found = Importance(log_prob, elbo, likelihood, error, size, k, limit)
    _warn(found, num_samples)
    return found


def _one_pass(vae: Any) -> Any:
    """Returns a function from x, a seed, the first draw and their number to the terms.

    They are log w and log p(x|z), [S, B] each.
    """

    @tf.function(autograph=False, reduce_retracing=True)
    def one_pass(
        x: tf.Tensor, seed: tf.Tensor, first: tf.Tensor, number: tf.Tensor
    ) -> list[tf.Tensor]:
        q = vae.encoder(x, training=False)
        terms = terms_at_draws(vae, x, q, seed)(first, number)
        return [terms.log_weights, terms.log_likelihood]

    return one_pass


def _figures(weights: np.ndarray, jackknife: bool) -> tuple[np.ndarray, ...]:
    """What logarithms of weights [S, B] say, a few examples at a time."""
    mean = _weights.jackknife if jackknife else _weights.log_mean
    size = max(1, _WEIGHTS_AT_ONCE // len(weights))

    def figures(some: np.ndarray) -> tuple[np.ndarray, ...]:
        return (
            mean(some),
            np.mean(some, axis=0),
            _weights.standard_error(some),
            _weights.effective_sample_size(some),
            _weights.pareto_k(some),
        )

    starts = range(0, weights.shape[1], size)
    parts = [figures(numpy64(weights[:, start : start + size])) for start in starts]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _warn(found: Importance, num_samples: int) -> None:
    """Says so where the weights have too heavy a tail, or may have."""
    message = None
    if num_samples < _weights.FEWEST:
        message = (
            f"`pareto_k` needs at least {_weights.FEWEST} draws and has {num_samples}: "
            "how far to believe the estimate of log p(x) and its standard error is not "
            "known. Take more samples."
        )
    elif number := int(np.sum(found.unreliable)):
        message = (
            f"`pareto_k` exceeds {found.pareto_k_limit:.2g} for {number} of "
            f"{len(found.pareto_k)} examples: q(z|x) misses a part of the true "
            "posterior there, and the estimate of log p(x) and its standard error are "
            "not to be believed. Take more samples, or tfvae.evidence.annealed, or "
            "train a wider posterior, such as that of an importance-weighted bound."
        )
    if message:
        warnings.warn(message, UserWarning, stacklevel=3)
