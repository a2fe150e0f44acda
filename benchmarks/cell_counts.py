"""Likelihoods of single-cell counts: log p(x) of cells that were not trained on.

    python benchmarks/cell_counts.py sc_mix_dropseq.npz

The genes with the largest variance of log(1 + count). Every likelihood is given the
total of a cell, as an offset; the same networks and steps for all. The cells are few,
so each is left out once, in five parts.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import common
import keras
import numpy as np

import tfvae

LATENT = 10


def counts(path: str, genes: int) -> np.ndarray:
    """The counts [cells, genes] from the parts of a CSR matrix."""
    with np.load(path, allow_pickle=False) as parts:
        dense = np.zeros(parts["shape"], "float32")
        rows = np.repeat(np.arange(len(dense)), np.diff(parts["indptr"]))
        dense[rows, parts["indices"]] = parts["data"]
    spread = np.log1p(dense).var(axis=0)
    return dense[:, np.sort(np.argsort(-spread)[:genes])]


Layer = Callable[[int], keras.layers.Layer]

ROWS: dict[str, Layer] = {
    "Poisson": lambda n: tfvae.layers.Poisson(n, library_size="observed"),
    "zero-inflated Poisson": (
        lambda n: tfvae.layers.ZeroInflatedPoisson(n, library_size="observed")
    ),
    "negative binomial": lambda n: tfvae.layers.NegativeBinomial(
        n, dispersion="shared", library_size="observed"
    ),
    "zero-inflated negative binomial": (
        lambda n: tfvae.layers.ZeroInflatedNegativeBinomial(
            n, dispersion="shared", library_size="observed"
        )
    ),
}


@keras.saving.register_keras_serializable("benchmarks")
class LogOnePlus(keras.layers.Layer):
    """log(1 + x), for counts that go into a network."""

    def call(self, x):
        return keras.ops.log1p(x)


def model(likelihood: Layer, genes: int) -> tfvae.VAE:
    encoder = keras.Sequential(
        [
            keras.Input((genes,)),
            LogOnePlus(),
            keras.layers.Dense(128, activation="relu"),
            tfvae.layers.Normal(LATENT),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((LATENT,)),
            keras.layers.Dense(128, activation="relu"),
            likelihood(genes),
        ]
    )
    return tfvae.VAE(encoder, decoder, seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a .npz with the CSR parts of a matrix of counts")
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--parts", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()

    x = counts(options.data, options.genes)
    part = np.random.default_rng(0).permutation(len(x)) % options.parts
    rows = []
    for name, likelihood in ROWS.items():
        found, seconds = [], 0.0
        for left_out in range(options.parts):
            keras.utils.set_random_seed(0)
            vae = model(likelihood, x.shape[1])
            seconds += common.train(
                vae,
                common.batches(x[part != left_out], options.batch_size, seed=0),
                steps=options.steps,
                learning_rate=options.learning_rate,
            )
            found.append(common.evidence(vae, x[part == left_out], options.samples))
        means = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
        # Parts of about one size: this is the error of the mean over all cells.
        means["+-"] = float(np.linalg.norm([one["+-"] for one in found])) / len(found)
        rows.append((name, means | {"training s": seconds}))
        print(common.table(rows), flush=True)
        if options.output:
            options.output.write_text(json.dumps(dict(rows), indent=1), "utf-8")


if __name__ == "__main__":
    main()
