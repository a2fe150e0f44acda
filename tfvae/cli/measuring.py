"""The figures of a report, all from the same importance weights."""

from typing import Any

import numpy as np
import tensorflow as tf

import tfvae
from tfvae._math import as_seed, fold_in

__all__ = ["measure"]

_BLOCK = 128  # examples
_NUMBERS = 800_000  # decoded at once: larger tables leave the cache
_STREAM = 1_702_258_020  # sets this noise apart from a training run's of the same seed


def measure(
    vae: tfvae.VAE, x: np.ndarray, num_samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Estimates the ELBO and log p(x) of every example.

        log w_s = log p(x|z_s) + log p(z_s) - log q(z_s|x),   z_s ~ q(z|x)
        elbo = mean_s log w_s  <=  log_prob = log mean_s exp(log w_s)

    Both come from the same S weights, so the inequality holds for every example and
    not only on average.

    Args:
        vae: The model.
        x: Data [N, *event].
        num_samples: Number S of samples for each example.
        seed: Seed of the samples.

    Returns:
        `elbo`, `reconstruction`, `kl` and `log_prob`, each [N] in nats, with
        elbo = reconstruction - kl.

    Raises:
        ValueError: If the likelihood has no density at some value.
    """
    layer = vae.likelihood_layer
    if any(np.any(layer.unsupported(x[i : i + 1000])) for i in range(0, len(x), 1000)):
        raise ValueError(
            f"The data must hold {layer.support}, as the model takes them."
        )
    # A hidden layer is seldom narrower than 200 units.
    rows = _NUMBERS // max(int(x[0].size), 200)
    per_pass = max(1, min(num_samples, rows // _BLOCK))

    @tf.function(autograph=False, reduce_retracing=True)
    def sums(x: tf.Tensor, seed: tf.Tensor, count: tf.Tensor) -> tuple[Any, ...]:
        """Sums log w and log p(x|z) over samples; the log of the sum of w."""
        terms = vae.terms(x, per_pass, seed)
        # The last pass draws as many as the others and keeps as many as are missing.
        log_weights = tf.cast(terms.log_weights[:count], tf.float64)
        log_likelihood = tf.cast(terms.log_likelihood[:count], tf.float64)
        return (
            tf.reduce_sum(log_weights, axis=0),
            tf.reduce_sum(log_likelihood, axis=0),
            tf.reduce_logsumexp(log_weights, axis=0),
        )

    noise = fold_in(as_seed(seed), _STREAM)
    parts = []
    for i, start in enumerate(range(0, len(x), _BLOCK)):
        batch = tf.constant(x[start : start + _BLOCK])
        weights = likelihood = np.zeros(len(batch))
        total = np.full(len(batch), -np.inf)
        for j, done in enumerate(range(0, num_samples, per_pass)):
            count = tf.constant(min(per_pass, num_samples - done))
            found = sums(batch, fold_in(fold_in(noise, i), j), count)
            more = [value.numpy() for value in found]
            weights, likelihood = weights + more[0], likelihood + more[1]
            total = np.logaddexp(total, more[2])
        parts.append((weights, likelihood, total))
    weights, likelihood, total = (np.concatenate(p) for p in zip(*parts, strict=True))
    elbo, reconstruction = weights / num_samples, likelihood / num_samples
    return {
        "elbo": elbo,
        "reconstruction": reconstruction,
        "kl": reconstruction - elbo,
        "log_prob": _at_least(elbo, total - np.log(num_samples)),
    }


def _at_least(elbo: np.ndarray, log_prob: np.ndarray) -> np.ndarray:
    """Returns `log_prob` without the rounding that shows where all weights agree."""
    if np.any(log_prob < elbo - 1e-9 * np.maximum(1, np.abs(elbo))):
        raise ArithmeticError("A mean of weights is below their geometric mean.")
    return np.maximum(log_prob, elbo)
