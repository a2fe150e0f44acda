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
    over_examples,
    samples_per_pass,
    terms_at_draws,
)
from tfvae.evidence._over_draws import BLOCK

__all__ = ["Importance", "importance"]

_LIMIT = 0.7
"""The k-hat above which a mean of weights is not to be believed."""

_WEIGHTS_AT_ONCE = 4_200_000


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
    """

    log_prob: np.ndarray
    elbo: np.ndarray
    reconstruction: np.ndarray
    standard_error: np.ndarray
    effective_sample_size: np.ndarray
    pareto_k: np.ndarray

    @property
    def unreliable(self) -> np.ndarray:
        """Where `pareto_k` exceeds 0.7, a boolean array [N]."""
        return self.pareto_k > _LIMIT


def importance(
    vae: Any,
    x: Any,
    num_samples: int = 1000,
    seed: Any = None,
    jackknife: bool = False,
) -> Importance:
    """Estimates log p(x) from importance weights, and the error of the estimate.

        log 1/S sum_s w_s,   w_s = p(x|z_s) p(z_s) / q(z_s|x),   z_s ~ q(z|x)

    The estimate is the one of `vae.log_prob`, a lower bound in expectation. What is
    missing shows in the weights: a standard error of more than a few tenths of a nat
    says that the number is too low, and a `pareto_k` above 0.7 that q misses a part of
    the true posterior, so that the standard error is too low as well.

    With `jackknife=True` the bias of order 1/S is removed. The estimate is then no
    bound, and it varies more where one weight dominates:

        S L_S - (S - 1) 1/S sum_s L_(S-1) without w_s

    Args:
        vae: The `tfvae.VAE`.
        x: Data [N, *event] in the support of the likelihood.
        num_samples: Number S of draws of z for each example, at least 2.
            Default: 1000.
        seed: As in `vae.log_prob`. Default: None.
        jackknife: Whether to remove the bias of first order. Default: False.

    Returns:
        An `Importance`, whose arrays are [N] in float64.

    Raises:
        ValueError: If `x` is not such data, or `num_samples` is below 2.

    Warns:
        UserWarning: If `pareto_k` exceeds 0.7 for an example.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> found = tfvae.evidence.importance(vae, np.zeros((3, 4)), num_samples=20)
    >>> found.log_prob.shape, found.standard_error.shape
    ((3,), (3,))

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519; Vehtari et al., "Pareto smoothed importance
    sampling", 2024, https://arxiv.org/abs/1507.02646; Nowozin, "Debiasing evidence
    approximations: on importance-weighted autoencoders and jackknife variational
    inference", 2018, https://openreview.net/forum?id=HyZoi-WRb.
    """
    if _checks.positive_int("num_samples", num_samples) < 2:
        raise ValueError(
            "`num_samples` must be at least 2, for a standard error. "
            f"Received: {num_samples!r}."
        )
    x, seed = vae._check(x), vae._seed(seed)
    per_pass = samples_per_pass(vae, num_samples)

    @tf.function(autograph=False, reduce_retracing=True)
    def one_pass(x: tf.Tensor, seed: tf.Tensor, first: tf.Tensor) -> list[tf.Tensor]:
        q = vae.encoder(x, training=False)
        terms = terms_at_draws(vae, x, q, seed)(first + tf.range(per_pass))
        return [terms.log_weights, terms.log_likelihood]

    def part(x: tf.Tensor, seed: tf.Tensor) -> tuple[np.ndarray, ...]:
        firsts = map(tf.constant, range(0, num_samples, per_pass))
        passes = [map(numpy64, one_pass(x, seed, first)) for first in firsts]
        # The last pass draws as many as the others.
        weights, likelihood = (
            np.concatenate(part)[:num_samples] for part in zip(*passes, strict=True)
        )
        mean = _weights.jackknife if jackknife else _weights.log_mean
        return (
            mean(weights),
            np.mean(weights, axis=0),
            np.mean(likelihood, axis=0),
            _weights.standard_error(weights),
            _weights.effective_sample_size(weights),
            _weights.pareto_k(weights),
        )

    size = max(1, min(BLOCK, _WEIGHTS_AT_ONCE // num_samples))
    found = Importance(*over_examples(part, size, seed, x))
    _warn(found.unreliable)
    return found


def _warn(unreliable: np.ndarray) -> None:
    """Says so where the weights have too heavy a tail."""
    number = int(np.sum(unreliable))
    if number:
        warnings.warn(
            f"`pareto_k` exceeds {_LIMIT} for {number} of {len(unreliable)} examples: "
            "q(z|x) misses a part of the true posterior there, and the estimate of "
            "log p(x) and its standard error are not to be believed. Take more "
            "samples, or tfvae.evidence.annealed, or train a wider posterior, such as "
            "that of an importance-weighted bound.",
            UserWarning,
            stacklevel=3,
        )
