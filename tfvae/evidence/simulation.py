"""Data from the model itself, with the latents that made them."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae._math import split_seed
from tfvae.evidence._model import draw_prior, over_examples
from tfvae.evidence._over_draws import BLOCK

__all__ = ["simulate"]


def simulate(
    vae: Any, num_examples: int = 100, seed: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draws data from the model and returns the latents as well.

        z ~ p(z),   x ~ p(x|z)

    Such a z is an exact draw from p(z|x), which no method finds for other data:
    `annealed` can bound log p(x) from above with it.

    Args:
        vae: The `tfvae.VAE`.
        num_examples: Number N of examples. Default: 100.
        seed: As in `vae.log_prob`. Default: None.

    Returns:
        Data [N, *event] and latents [N, *latent].

    Raises:
        ValueError: If `num_examples` is no positive integer.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> x, z = tfvae.evidence.simulate(tfvae.VAE(encoder, decoder), 10)
    >>> x.shape, z.shape
    ((10, 4), (10, 2))

    Reference: Grosse, Ghahramani and Adams, "Sandwiching the marginal likelihood using
    bidirectional Monte Carlo", 2015, https://arxiv.org/abs/1511.02543.
    """
    num_examples = _checks.positive_int("num_examples", num_examples)

    def part(rows: np.ndarray, seed: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        z_seed, x_seed = split_seed(seed)
        z = draw_prior(vae, len(rows), z_seed)
        layer = vae.likelihood_layer
        x, _ = layer.sample_and_log_prob(vae.decode(z), (), x_seed)
        return x.numpy(), z.numpy()

    x, z = over_examples(part, BLOCK, vae._seed(seed), np.arange(num_examples))
    return x, z
