"""The scale of a normal likelihood: fixed at one, learned, or optimal.

    python benchmarks/normal_scales.py uci_tables.npz

Standardised tables; log p(x) of a fifth of the rows, the mean over three splits. A
scale of one is what "mean squared error" silently assumes.
"""

import argparse
import json
from pathlib import Path

import common
import keras
import numpy as np

import tfvae

TABLES = {
    "banknote": "banknote_x",
    "breast cancer": "breast_cancer_wdbc_x",
    "white wine": "wine_white_x",
}
SCALES: dict[str, float | str] = {
    "scale 1": 1.0,
    "shared": "shared",
    "optimal": "optimal",
    "elementwise": "elementwise",
}


def model(width: int, scale: float | str) -> tfvae.VAE:
    latent = max(1, width // 2)
    encoder = keras.Sequential(
        [tfvae.networks.mlp((width,), (64, 64)), tfvae.layers.Normal(latent)]
    )
    decoder = keras.Sequential(
        [tfvae.networks.mlp((latent,), (64, 64)), tfvae.layers.Normal(width, scale)]
    )
    return tfvae.VAE(encoder, decoder, seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a .npz with the tables")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()

    rows = []
    for table, key in TABLES.items():
        with np.load(options.data, allow_pickle=False) as arrays:
            whole = arrays[key]
        found: dict[str, list[float]] = {name: [] for name in SCALES}
        for seed in range(options.splits):
            x, x_test = common.split(whole, 0.2, seed)
            mean, spread = x.mean(axis=0), x.std(axis=0)
            x, x_test = ((part - mean) / spread for part in (x, x_test))
            for name, scale in SCALES.items():
                keras.utils.set_random_seed(seed)
                vae = model(x.shape[1], scale)
                common.train(
                    vae,
                    common.batches(x.astype("float32"), options.batch_size, seed),
                    steps=options.steps,
                    learning_rate=options.learning_rate,
                )
                test = x_test.astype("float32")
                evidence = common.evidence(vae, test, options.samples)
                found[name].append(evidence["log p(x)"])
        rows.append((table, {name: float(np.mean(v)) for name, v in found.items()}))
        print(common.table(rows), flush=True)
        if options.output:
            options.output.write_text(json.dumps(dict(rows), indent=1), "utf-8")


if __name__ == "__main__":
    main()
