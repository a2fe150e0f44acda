"""Keras 3 alone: a VAE in the way of its own example, with a `train_step`."""

import fitting
import keras
import keras_networks
import networks
import numpy as np
import tensorflow as tf
import worker
from keras import layers, ops


class Sampling(layers.Layer):
    """Uses (z_mean, z_log_var) to sample z, the vector encoding an image."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.total_loss_tracker = keras.metrics.Mean(name="loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(
            name="reconstruction_loss"
        )
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [
            self.total_loss_tracker,
            self.reconstruction_loss_tracker,
            self.kl_loss_tracker,
        ]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            z_mean, z_log_var, z = self.encoder(data)
            cross = ops.binary_crossentropy(data, self.decoder(z), from_logits=True)
            axes = tuple(range(1, len(data.shape)))
            reconstruction_loss = ops.mean(ops.sum(cross, axis=axes))
            kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl_loss = ops.mean(ops.sum(kl_loss, axis=1))
            total_loss = reconstruction_loss + kl_loss
        grads = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {metric.name: metric.result() for metric in self.metrics}


def model(task: worker.Task) -> VAE:
    inputs, *hidden = keras_networks.encoder_layers(task.network, task.width)
    features = keras.Sequential([inputs, *hidden])
    latent = networks.LATENT[task.network]
    z_mean = layers.Dense(latent, name="z_mean")(features.outputs[0])
    z_log_var = layers.Dense(latent, name="z_log_var")(features.outputs[0])
    z = Sampling()([z_mean, z_log_var])
    encoder = keras.Model(features.inputs, [z_mean, z_log_var, z])
    decoder = keras.Sequential(keras_networks.decoder_layers(task.network, task.width))
    if task.network == "dense":
        weights = networks.dense_weights(task.width)
        heads = [part for w in weights[4:6] for part in np.split(w, 2, axis=-1)]
        order = [*weights[:4], heads[0], heads[2], heads[1], heads[3]]
        for weight, value in zip(encoder.trainable_weights, order, strict=True):
            weight.assign(value)
        decoder.set_weights(weights[6:])
    return VAE(encoder, decoder)


def compiled(task: worker.Task) -> VAE:
    vae = model(task)
    vae.compile(optimizer=keras.optimizers.Adam(), **task.options)
    return vae


if __name__ == "__main__":
    worker.serve(**fitting.variants(compiled))
