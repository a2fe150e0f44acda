"""Keras 3 alone: a VAE with a `train_step`, as in its own example."""

from collections.abc import Sequence

import fitting
import keras
import keras_networks
import networks
import numpy as np
import tensorflow as tf
import worker
from keras import layers, ops


class Draw(layers.Layer):
    """A draw of z from a mean and the logarithm of a variance."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = keras.random.SeedGenerator(0)

    def call(self, parameters: Sequence[tf.Tensor]) -> tf.Tensor:
        mean, log_variance = parameters
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        return mean + noise * ops.exp(log_variance / 2)


class StockVAE(keras.Model):
    """The ELBO with the KL in closed form, and a mean of each of its parts."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.means = [keras.metrics.Mean(name) for name in ("loss", "distortion", "kl")]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.means

    def train_step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            mean, log_variance, z = self.encoder(x)
            cross = ops.binary_crossentropy(x, self.decoder(z), from_logits=True)
            distortion = ops.mean(ops.sum(cross, axis=tuple(range(1, x.shape.rank))))
            kl = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
            kl = ops.mean(ops.sum(kl, axis=1)) / 2
            loss = distortion + kl
        weights = self.trainable_weights
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        for metric, value in zip(self.means, (loss, distortion, kl), strict=True):
            metric.update_state(value)
        return {metric.name: metric.result() for metric in self.means}


def model(task: worker.Task) -> StockVAE:
    inputs, *hidden = keras_networks.encoder_layers(task.network, task.width)
    features = keras.Sequential([inputs, *hidden])
    latent = networks.LATENT[task.network]
    z_mean = layers.Dense(latent, name="z_mean")(features.outputs[0])
    z_log_var = layers.Dense(latent, name="z_log_var")(features.outputs[0])
    z = Draw()([z_mean, z_log_var])
    encoder = keras.Model(features.inputs, [z_mean, z_log_var, z])
    decoder = keras.Sequential(keras_networks.decoder_layers(task.network, task.width))
    if task.network == "dense":
        weights = networks.dense_weights(task.width)
        heads = [part for w in weights[4:6] for part in np.split(w, 2, axis=-1)]
        order = [*weights[:4], heads[0], heads[2], heads[1], heads[3]]
        for weight, value in zip(encoder.trainable_weights, order, strict=True):
            weight.assign(value)
        decoder.set_weights(weights[6:])
    return StockVAE(encoder, decoder)


def compiled(task: worker.Task) -> StockVAE:
    vae = model(task)
    vae.compile(optimizer=keras.optimizers.Adam(), **task.options)
    return vae


if __name__ == "__main__":
    worker.serve(**fitting.variants(compiled))
