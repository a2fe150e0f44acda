"""Disentanglement on dSprites: beta-TC against the plain ELBO, with the same budget.

    python benchmarks/dsprites.py dsprites_grid46080.npz

A full grid of shape, scale, orientation and two positions; networks with 10 latents,
several seeds. MIG, DCI and SAP are those of the posterior means of `--examples` images.
"""

import argparse
import json
from pathlib import Path

import common
import keras
import numpy as np

import tfvae
from tfvae import diagnostics
from tfvae.objectives import ELBO, TotalCorrelation

LATENT = 10


def objective(beta: float) -> ELBO:
    """The ELBO, with the total correlation counted `beta` times."""
    return ELBO(penalties=[TotalCorrelation(beta - 1)] if beta > 1 else [])


def measure(vae: tfvae.VAE, x: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    codes = diagnostics.codes(vae, x)
    return {
        "MIG": diagnostics.mig(codes, factors).score,
        "DCI": diagnostics.dci(codes, factors, seed=0).disentanglement,
        "SAP": diagnostics.sap(codes, factors).score,
        "ELBO": float(np.mean(vae.elbo(x[:2000], seed=0))),
        "active units": diagnostics.active_units(vae, x).count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a .npz with imgs of 0 and 1 and latents_classes")
    parser.add_argument("--beta", type=float, default=6.0)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, nargs="+", default=(400, 400))
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()

    with np.load(options.data, allow_pickle=False) as arrays:
        x = arrays["imgs"].reshape(len(arrays["imgs"]), -1).astype("float32")
        factors = arrays["latents_classes"]
    chosen = np.random.default_rng(0).permutation(len(x))[: options.examples]
    found: dict[float, list[dict[str, float]]] = {1.0: [], options.beta: []}
    for seed in range(options.seeds):
        for beta, rows in found.items():
            keras.utils.set_random_seed(seed)
            networks = common.bernoulli_networks(
                x, options.hidden, tfvae.layers.Normal(LATENT), activation="relu"
            )
            vae = tfvae.VAE(*networks, seed=seed)
            vae.compile(
                keras.optimizers.Adam(options.learning_rate),
                objective(beta),
                steps_per_execution=20,
            )
            vae.fit(x, batch_size=options.batch_size, epochs=options.epochs, verbose=0)
            rows.append(measure(vae, x[chosen], factors[chosen]))
            print(f"seed {seed}, beta {beta:g}: {rows[-1]}", flush=True)
            if options.output:
                options.output.write_text(json.dumps(found, indent=1), "utf-8")
    means = {
        f"{'ELBO' if beta == 1 else f'beta-TC, beta = {beta:g}'}": {
            name: float(np.mean([row[name] for row in rows])) for name in rows[0]
        }
        for beta, rows in found.items()
    }
    print(common.table(list(means.items()), digits=3))


if __name__ == "__main__":
    main()
