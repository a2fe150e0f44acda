"""The alarm for latent elements that carry nothing."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.diagnostics.encoding import draws, posteriors
from tfvae.diagnostics.factorised import elements, log_elements, require_factorised
from tfvae.distributions import closed_form_kl
from tfvae.vae import VAE

__all__ = ["Collapse", "collapse"]


@dataclasses.dataclass(frozen=True, eq=False)
class Collapse:
    """Which latent elements have collapsed to the prior.

    Attributes:
        kl: The mean of KL(q(z_j|x) || p(z_j)) over the data, nats, float64 [*latent].
        fraction: The share of the data for which it is below epsilon, [*latent].
        collapsed: Whether that share is at least 1 - delta, bool [*latent].
        count: The number of collapsed elements.
    """

    kl: np.ndarray
    fraction: np.ndarray
    collapsed: np.ndarray
    count: int


def collapse(
    vae: VAE,
    x: Any,
    epsilon: float = 0.01,
    delta: float = 0.01,
    num_samples: int = 100,
    seed: Any = None,
) -> Collapse:
    """Finds the latent elements that ignore the data, and warns if all of them do.

        element j is (epsilon, delta)-collapsed  <=>
            share of x with KL(q(z_j|x) || p(z_j)) < epsilon  >=  1 - delta

    The KL has its closed form where one is registered, and is the mean over draws
    elsewhere, whose noise must be small against epsilon to say anything.

    Args:
        vae: The model. Posterior and prior must have independent elements.
        x: Data [N, *event].
        epsilon: What an element that is used carries, nats, above 0. Default: 0.01.
        delta: The share of the data, in [0, 1), that a collapsed element may still
            tell something of. Default: 0.01.
        num_samples: Number S of draws for each example, where there is no closed
            form. Default: 100.
        seed: A non-negative int, a pair of ints or an int32[2] tensor that fixes the
            draws, or None to take the next draws of the model. Default: None.

    Returns:
        The `Collapse`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> from tfvae import diagnostics
    >>> head = tfvae.layers.Normal(2, scale=0.1)
    >>> encoder = keras.Sequential([keras.Input((4,)), head])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> diagnostics.collapse(tfvae.VAE(encoder, decoder), np.ones((8, 4))).count
    0

    Reference: Lucas et al., "Don't blame the ELBO! A linear VAE perspective on
    posterior collapse", 2019, https://arxiv.org/abs/1911.02469.
    """
    epsilon = _checks.finite_number("epsilon", epsilon, above=0)
    delta = _checks.finite_number("delta", delta)
    if not 0 <= delta < 1:
        raise ValueError(f"`delta` must be in [0, 1). Received: {delta!r}.")
    num_samples = _checks.positive_int("num_samples", num_samples)
    parts = posteriors(vae, x)
    require_factorised("collapse", vae, parts[0])
    kl = _closed_form(vae, parts)
    if kl is None:
        kl = _monte_carlo(vae, parts, num_samples, seed)
    fraction = (kl < epsilon).mean(axis=0)
    collapsed = fraction >= 1 - delta
    if collapsed.all():
        warnings.warn(
            f"All {collapsed.size} latent elements have collapsed: for at least "
            f"{1 - delta:.0%} of the data each carries less than {epsilon:g} nats, so "
            "the decoder ignores z. Raise the weight of the KL slowly from 0 "
            "(tfvae.schedules), give each element some nats for free (free nats), "
            "lower beta, or take a weaker decoder or a likelihood of smaller scale.",
            stacklevel=2,
        )
    return Collapse(kl.mean(axis=0), fraction, collapsed, int(collapsed.sum()))


def _closed_form(vae: VAE, parts: list[tfd.Distribution]) -> np.ndarray | None:
    """The KL of each element, float64 [N, *latent], or None where none is known."""
    prior, latent = elements(vae.prior), vae.posterior_layer.event_shape
    values = []
    for q in parts:
        kl = closed_form_kl(elements(q), prior)
        if kl is None:
            return None
        values.append(tf.broadcast_to(kl, (q.batch_shape[0], *latent)).numpy())
    return np.concatenate(values).astype(np.float64)


def _monte_carlo(
    vae: VAE, parts: list[tfd.Distribution], num_samples: int, seed: Any
) -> np.ndarray:
    """The mean of log q(z_j|x) - log p(z_j) over draws, float64 [N, *latent]."""
    values = []
    for q, z in zip(parts, draws(vae, parts, num_samples, seed), strict=True):
        difference = log_elements(q, z) - log_elements(vae.prior, z)
        values.append(difference.numpy().astype(np.float64).mean(axis=0))
    return np.concatenate(values).reshape(-1, *vae.posterior_layer.event_shape)
