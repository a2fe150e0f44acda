"""Priors and posteriors on MNIST: the same networks and the same budget for each.

    python benchmarks/mnist_priors.py mnist.npz

Dynamic binarisation, 784-300-300-40, tanh. `--only` runs a part of the rows.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import keras
import numpy as np

import tfvae

LATENT = 40
HIDDEN = (300, 300)


def standard(encoder: keras.Model, x: np.ndarray) -> tfvae.priors.Prior:
    return tfvae.priors.StandardNormal(LATENT)


def vamp(encoder: keras.Model, x: np.ndarray) -> tfvae.priors.Prior:
    inside = tfvae.priors.Interval(0.0, 1.0)
    return tfvae.priors.VampPrior(encoder, 500, constraint=inside).adapt(x, seed=0)


def flow(encoder: keras.Model, x: np.ndarray) -> tfvae.priors.Prior:
    return tfvae.priors.Flow(LATENT, num_flows=4, hidden_units=(128, 128), seed=0)


def normal() -> keras.layers.Layer:
    return tfvae.layers.Normal(LATENT)


def iaf() -> keras.layers.Layer:
    return tfvae.layers.InverseAutoregressiveFlow(
        LATENT, num_flows=2, hidden_units=(128, 128), context_units=64, seed=0
    )


ROWS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "normal, standard normal": (normal, standard),
    "normal, VampPrior(500)": (normal, vamp),
    "normal, Flow prior": (normal, flow),
    "IAF, standard normal": (iaf, standard),
}


def model(name: str, x: np.ndarray) -> tfvae.VAE:
    """One of the rows, untrained."""
    keras.utils.set_random_seed(0)
    posterior, prior = ROWS[name]
    encoder, decoder = common.bernoulli_networks(x, HIDDEN, posterior())
    return tfvae.VAE(encoder, decoder, prior(encoder, x), seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a .npz with x_train and x_test in bytes")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--test-examples", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--only", choices=ROWS, action="append")
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()

    with np.load(options.data, allow_pickle=False) as arrays:
        x, x_test = (
            arrays[name].reshape(-1, 784).astype("float32") / 255
            for name in ("x_train", "x_test")
        )
    x_test = tfvae.datasets.binarize(x_test[: options.test_examples], seed=0)
    rows = []
    for name in options.only or ROWS:
        vae = model(name, x)
        data = common.batches(x, options.batch_size, seed=0)
        seconds = common.train(
            vae,
            tfvae.datasets.binarize(data, seed=0),
            steps=options.epochs * int(data.cardinality()),
            learning_rate=options.learning_rate,
        )
        found = common.evidence(vae, x_test, options.samples)
        rows.append((name, found | {"training s": seconds}))
        print(common.table(rows), flush=True)
        if options.output:
            options.output.write_text(json.dumps(dict(rows), indent=1), "utf-8")


if __name__ == "__main__":
    main()
