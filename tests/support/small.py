"""Small models that several tests share."""

from typing import Any

import keras

import tfvae

__all__ = ["small_vae"]


def small_vae(
    posterior: Any = None, likelihood: Any = None, prior: Any = None, seed: int = 0
) -> tfvae.VAE:
    """A model of 6 values with 3 latent dimensions and weights that are not tiny."""
    posterior = posterior or tfvae.layers.Normal(3)
    likelihood = likelihood or tfvae.layers.Bernoulli(6)

    def stack(size: int, *layers: keras.layers.Layer) -> keras.Sequential:
        hidden = keras.layers.Dense(
            8,
            activation="tanh",
            kernel_initializer=keras.initializers.RandomNormal(0.8, seed=seed),
        )
        return keras.Sequential([keras.Input((size,)), hidden, *layers])

    decoder = stack(*posterior.event_shape, likelihood)
    return tfvae.VAE(stack(6, posterior), decoder, prior, seed=seed)
