"""TensorFlow Probability's own layers on tf_keras, as in its tutorial."""

from collections.abc import Callable

import networks
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras as tfk
import worker

tfd, tfpl, tfkl = tfp.distributions, tfp.layers, tfk.layers


def model(task: worker.Task) -> tfk.Model:
    latent, width = networks.LATENT["dense"], task.width
    prior = tfd.Independent(tfd.Normal(tf.zeros(latent), 1.0), 1)
    encoder = tfk.Sequential(
        [
            tfkl.InputLayer((networks.PIXELS,)),
            tfkl.Dense(width, "tanh"),
            tfkl.Dense(width, "tanh"),
            tfkl.Dense(tfpl.IndependentNormal.params_size(latent)),
            tfpl.IndependentNormal(latent),
            # It adds the sum over the batch.
            tfpl.KLDivergenceAddLoss(
                prior, use_exact_kl=True, weight=1 / task.batch_size
            ),
        ]
    )
    decoder = tfk.Sequential(
        [
            tfkl.InputLayer((latent,)),
            tfkl.Dense(width, "tanh"),
            tfkl.Dense(width, "tanh"),
            tfkl.Dense(tfpl.IndependentBernoulli.params_size(networks.PIXELS)),
            tfpl.IndependentBernoulli(networks.PIXELS, tfd.Bernoulli.logits),
        ]
    )
    weights = networks.dense_weights(width)
    encoder.set_weights(weights[:6])
    decoder.set_weights(weights[6:])
    return tfk.Model(encoder.inputs, decoder(encoder.outputs[0]))


def train(task: worker.Task) -> Callable[[], float]:
    x, vae = task.load(), model(task)
    vae.compile(
        tfk.optimizers.Adam(1e-3),
        loss=lambda x, p: -p.log_prob(x),
        **task.options,
    )

    def take() -> float:
        run = vae.fit(x, x, task.batch_size, task.epochs, verbose=0)
        return run.history["loss"][-1]

    return take


if __name__ == "__main__":
    worker.serve(train=train)
