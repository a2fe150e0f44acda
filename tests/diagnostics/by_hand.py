"""Models whose posterior is what the data say, number by number."""

from typing import Any

import keras
import numpy as np

import tfvae

__all__ = ["data_of", "raw_scale", "vae_of"]


def vae_of(size: int, posterior: Any = None, prior: Any = None) -> tfvae.VAE:
    """A model of `size` latent elements whose examples are raw parameters of q(z|x)."""
    posterior = posterior or tfvae.layers.Normal(size, projection=None)
    width = posterior.num_parameters
    encoder = keras.Sequential([keras.Input((width,)), posterior])
    decoder = keras.Sequential(
        [
            keras.Input(posterior.event_shape),
            keras.layers.Flatten(),
            tfvae.layers.Normal(width, scale=1.0),
        ]
    )
    return tfvae.VAE(encoder, decoder, prior, seed=0)


def raw_scale(scale: np.ndarray) -> np.ndarray:
    """What softplus(raw) + 1e-6 turns into these scales."""
    return np.log(np.expm1(np.asarray(scale) - 1e-6))


def data_of(loc: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The examples [N, 2 D] for which q(z|x) has these means and scales [N, D]."""
    loc = np.asarray(loc, float)
    scale = np.broadcast_to(scale, loc.shape)
    return np.hstack([loc, raw_scale(scale)]).astype("float32")
