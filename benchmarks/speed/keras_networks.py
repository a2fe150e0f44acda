"""The networks of Keras 3, without what makes them a VAE."""

import keras
from networks import LATENT, PIXELS

__all__ = ["decoder_layers", "encoder_layers"]

Layers = list[keras.layers.Layer]


def encoder_layers(network: str, width: int) -> Layers:
    layers = keras.layers
    if network == "dense":
        hidden = [layers.Dense(width, activation="tanh") for _ in range(2)]
        return [keras.Input((PIXELS,)), *hidden]
    down = {"strides": 2, "padding": "same", "activation": "relu"}
    return [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, **down),
        layers.Conv2D(64, 3, **down),
        layers.Flatten(),
        layers.Dense(16, activation="relu"),
    ]


def decoder_layers(network: str, width: int) -> Layers:
    """The layers up to the logits."""
    layers, inputs = keras.layers, keras.Input((LATENT[network],))
    if network == "dense":
        hidden = [layers.Dense(width, activation="tanh") for _ in range(2)]
        return [inputs, *hidden, layers.Dense(PIXELS, dtype="float32")]
    up = {"strides": 2, "padding": "same", "activation": "relu"}
    return [
        inputs,
        layers.Dense(7 * 7 * 64, activation="relu"),
        layers.Reshape((7, 7, 64)),
        layers.Conv2DTranspose(64, 3, **up),
        layers.Conv2DTranspose(32, 3, **up),
        layers.Conv2DTranspose(1, 3, padding="same", dtype="float32"),
    ]
