"""Likelihoods of 8-bit images on Fashion-MNIST, in bits per dimension.

    python benchmarks/fashion_bits.py fashion_mnist.npz

Each gives a mass to the 256 values of a pixel, so that the numbers compare: of the
normal it is what it puts between the midpoints of the values, with the tails at the
ends, and it is trained on that. The same networks, draws and steps for all;
-log2 p(x) / 784 of test images, from the importance-weighted estimate.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import common
import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tfvae

LATENT = 40
HIDDEN = (400, 400)
PIXELS = 784


class QuantizedNormal(tfvae.layers.Normal):
    """The mass of a normal around each whole number from 0 to 255."""

    measure = "counting"

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        parameters = super()._constrain(raw)
        return {
            "loc": 127.5 + 127.5 * parameters["loc"],
            "scale": 127.5 * parameters["scale"],
        }

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        # The mass of j is that of (j - 1, j].
        shifted = tfd.Normal(parameters["loc"] + 0.5, parameters["scale"])
        elements = tfd.QuantizedDistribution(shifted, low=0.0, high=255.0)
        return tfd.Independent(elements, len(self.event_shape))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        normal = q.distribution.distribution
        return {"loc": normal.loc - 0.5, "scale": normal.scale}


ROWS: dict[str, Callable[[], keras.layers.Layer]] = {
    "Normal, one scale": lambda: QuantizedNormal(PIXELS, scale="shared"),
    "Normal": lambda: QuantizedNormal(PIXELS),
    "DiscretizedLogistic": lambda: tfvae.layers.DiscretizedLogistic(PIXELS),
    "mixture of 5 discretized logistics": (
        lambda: tfvae.layers.DiscretizedLogisticMixture(PIXELS, num_components=5)
    ),
}


def model(likelihood: keras.layers.Layer) -> tfvae.VAE:
    encoder = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            keras.layers.Rescaling(1 / 127.5, -1),
            tfvae.networks.mlp((PIXELS,), HIDDEN, "relu"),
            tfvae.layers.Normal(LATENT),
        ]
    )
    network = tfvae.networks.mlp((LATENT,), HIDDEN, "relu")
    return tfvae.VAE(encoder, keras.Sequential([network, likelihood]), seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a .npz with x_train and x_test in bytes")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--test-examples", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--only", choices=ROWS, action="append")
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()

    with np.load(options.data, allow_pickle=False) as arrays:
        x, x_test = (
            arrays[name].reshape(-1, PIXELS).astype("float32")
            for name in ("x_train", "x_test")
        )
    x_test = x_test[: options.test_examples]
    rows = []
    for name in options.only or ROWS:
        keras.utils.set_random_seed(0)
        vae = model(ROWS[name]())
        data = common.batches(x, options.batch_size, seed=0)
        seconds = common.train(
            vae,
            data,
            steps=options.epochs * int(data.cardinality()),
            learning_rate=options.learning_rate,
        )
        nats = common.evidence(vae, x_test, options.samples)
        bits = {
            f"bits/dim, {key}": sign * nats[key] / (PIXELS * np.log(2))
            for key, sign in (("log p(x)", -1), ("+-", 1), ("ELBO", -1))
        }
        rows.append((name, bits | {"training s": seconds}))
        print(common.table(rows, digits=3), flush=True)
        if options.output:
            options.output.write_text(json.dumps(dict(rows), indent=1), "utf-8")


if __name__ == "__main__":
    main()
