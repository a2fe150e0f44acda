"""Trains on one and on two logical CPUs; prints what `test_distribution.py` compares.

Run as a script: TensorFlow's devices are set before anything else.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae import objectives
from tfvae.objectives import ELBO

X, W = binary(24), np.linspace(0.5, 2.0, 24).astype("float32")


def geco() -> ELBO:
    return ELBO(penalties=[objectives.GECO(-3.0, rate=0.2, momentum=0.5)])


def penalised() -> ELBO:
    """Every penalty at once."""
    others = [
        objectives.Capacity(),
        objectives.DIP(kind="II"),
        objectives.MaximumMeanDiscrepancy(),
        objectives.TotalCorrelation(),
    ]
    return ELBO(penalties=[*geco().penalties, *others])


def begun(posterior) -> tfvae.VAE:
    """A model with the same weights each time."""
    vae = small_vae(posterior=posterior)
    generator = np.random.default_rng(0)
    vae.set_weights([generator.normal(scale=0.5, size=w.shape) for w in vae.weights])
    return vae


def run(posterior, batches: int, objective=None, **fit_arguments) -> dict:
    """The weights after steps on all of `X`, the logs, and those of an evaluation."""
    vae = begun(posterior)
    vae.encoder.layers[0].kernel_regularizer = keras.regularizers.L2(0.1)
    vae.compile(keras.optimizers.SGD(0.1), objective)
    history = vae.fit(
        X, batch_size=24, epochs=batches, shuffle=False, verbose=0, **fit_arguments
    ).history
    return {
        "weights": [w.astype(float).tolist() for w in vae.get_weights()],
        "history": {name: values[0] for name, values in history.items()},
        "evaluation": vae.evaluate(X, batch_size=24, return_dict=True, verbose=0),
    }


def shuffled() -> list[list[float]]:
    """The weights after batches whose rows the seed has chosen."""
    vae = begun(certain())
    vae.compile(keras.optimizers.SGD(0.1))
    keras.utils.set_random_seed(7)
    vae.fit(X, batch_size=8, epochs=3, verbose=0)
    return [w.astype(float).tolist() for w in vae.get_weights()]


def certain() -> tfvae.layers.Normal:
    """A posterior without noise to speak of, so that replicas can be compared."""
    return tfvae.layers.Normal(3, scale=1e-6)


def draws(strategy: tf.distribute.Strategy) -> list[list[float]]:
    """The latents that each replica draws for the same example."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        vae = small_vae()
        vae.compile("adam")

    @tf.function
    def step() -> tf.Tensor:
        return vae.terms(X[:1], 1, vae.noise.for_training()).z[0, 0]

    return [z.numpy().tolist() for z in strategy.run(step).values]


def ragged() -> dict[str, list[float]]:
    """The logs where the last batch has one example, so that a replica gets none."""
    vae = small_vae()
    vae.compile("adam", penalised())
    history = vae.fit(binary(17), batch_size=16, epochs=2, verbose=0).history
    return history | {"multiplier": [float(vae.objective.penalties[0].multiplier)]}


def main() -> None:
    results = {
        "one": run(certain(), 3, sample_weight=W),
        "geco_one": run(certain(), 3, geco(), sample_weight=W),
        "shuffled_one": shuffled(),
    }
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        results["two"] = run(certain(), 3, sample_weight=W)
        results["geco_two"] = run(certain(), 3, geco(), sample_weight=W)
        results["noisy"] = run(None, 3)
        results["ragged"] = ragged()
        results["shuffled_two"] = [shuffled(), shuffled()]
    results["draws"] = draws(strategy)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
