"""tfvae: `fit` and `log_prob` as their documentation shows them."""

from collections.abc import Callable
from typing import Any

import fitting
import keras
import keras_networks
import networks
import tensorflow as tf
import worker

import tfvae


class Partly(tfvae.VAE):
    """A VAE whose steps end early: after the data, the forward or the backward pass."""

    part = "data"

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            loss = tf.reduce_max(x)
            if self.part != "data":
                estimate = self._estimate(x, None, training=True)
                loss = self._total(estimate.decoder_loss, None)
        if self.part == "backward":
            # Every element is looked at, so that none is left out.
            gradients = tape.gradient(loss, self.trainable_variables)
            loss += tf.add_n([tf.reduce_max(gradient) for gradient in gradients])
        self._trackers["loss"].update_state(loss)
        return {"loss": self._trackers["loss"].result()}


def model(task: worker.Task) -> tfvae.VAE:
    if "policy" in task.options:
        keras.config.set_dtype_policy(task.options["policy"])
    latent = tfvae.layers.Normal(networks.LATENT[task.network])
    encoder = [*keras_networks.encoder_layers(task.network, task.width), latent]
    decoder = keras_networks.decoder_layers(task.network, task.width)
    if task.network == "conv":
        decoder.append(tfvae.layers.Bernoulli((28, 28, 1), projection=None))
    else:
        decoder[-1] = tfvae.layers.Bernoulli(networks.PIXELS)
    halves = keras.Sequential(encoder), keras.Sequential(decoder)
    if task.network == "dense":
        weights = networks.dense_weights(task.width)
        for half, values in zip(halves, (weights[:6], weights[6:]), strict=True):
            half.set_weights(values)
    if "part" not in task.options:
        return tfvae.VAE(*halves, seed=0)
    vae = Partly(*halves, seed=0)
    vae.part = task.options["part"]
    return vae


def compiled(task: worker.Task) -> tfvae.VAE:
    vae, objective = model(task), None
    if task.objective != "elbo":
        objective = tfvae.objectives.ImportanceWeighted(
            task.samples, gradient=task.objective
        )
    vae.compile(task.options.get("optimizer", "adam"), objective)
    return vae


def evidence(task: worker.Task) -> Callable[[], float]:
    x, vae = task.load()[: task.images], model(task)
    return lambda: vae.log_prob(x, task.samples).numpy().mean()


if __name__ == "__main__":
    worker.serve(**fitting.variants(compiled), evidence=evidence)
