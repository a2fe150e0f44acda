"""What the encoder says of many examples, a batch at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _data
from tfvae._math import fold_in
from tfvae.vae import VAE

__all__ = ["BATCH", "batches", "codes", "draws", "posteriors"]

BATCH = 256
"""Examples in one pass through a network."""


def batches(vae: VAE, x: Any, size: int, support: bool = False) -> list[Any]:
    """Checks data [N, *event] as the model does and cuts them into batches."""
    x = _data.check_array(vae.likelihood_layer, x, support=support)
    return [x[start : start + size] for start in range(0, len(x), size)]


def posteriors(vae: VAE, x: Any) -> list[tfd.Distribution]:
    """Returns q(z|x) of all examples, one distribution for each batch."""
    return [vae.encode(part) for part in batches(vae, x, BATCH)]


def draws(
    vae: VAE, posteriors: Sequence[tfd.Distribution], num_samples: int, seed: Any
) -> list[tf.Tensor]:
    """Draws z [S, B, *latent] from each of the distributions."""
    base = vae._seed(seed)
    layer = vae.posterior_layer
    return [
        layer.sample_and_log_prob(q, (num_samples,), fold_in(base, index))[0]
        for index, q in enumerate(posteriors)
    ]


def codes(vae: VAE, x: Any) -> np.ndarray:
    """Returns the posterior mean of each example.

        code(x) = E_q(z|x)[z]

    Where the posterior has no mean in closed form it is what its layer's `location`
    documents.

    Args:
        vae: The model.
        x: Data [N, *event].

    Returns:
        A float64 array [N, *latent].

    Raises:
        ValueError: If `x` is not such data.

    Example:
    >>> from tfvae import diagnostics
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> diagnostics.codes(tfvae.VAE(encoder, decoder), np.ones((8, 4))).shape
    (8, 2)
    """
    location = vae.posterior_layer.location
    parts = [location(q).numpy() for q in posteriors(vae, x)]
    return np.concatenate(parts).astype(np.float64)
