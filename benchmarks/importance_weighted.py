"""The table of the IWAE paper: VAE and IWAE with k samples on dynamic MNIST.

    python benchmarks/importance_weighted.py mnist.npz

One stochastic layer, 784-200-200-50, tanh, Glorot initialisation, the decoder's bias at
the mean of the data; the same number of epochs for each row. `--only` runs a part of
them, and `--annealed` compares with chains that do not need the encoder. Published:
Burda, Grosse and Salakhutdinov, 2016, table 1, after 3,280 epochs, and an independent
rerun with DReG gradients.
"""

import argparse
import json
from pathlib import Path

import common
import keras
import numpy as np

import tfvae
from tfvae import diagnostics
from tfvae.objectives import ELBO, ImportanceWeighted, Objective

LATENT = 50
HIDDEN = (200, 200)

ROWS: dict[str, tuple[Objective, float, int]] = {
    "VAE, k=1": (ELBO(1), -86.76, 19),
    "VAE, k=5": (ELBO(5), -86.47, 20),
    "VAE, k=50": (ELBO(50), -86.35, 20),
    "IWAE, k=5": (ImportanceWeighted(5), -85.54, 22),
    "IWAE, k=50": (ImportanceWeighted(50), -84.78, 25),
    "IWAE, k=50, dreg": (ImportanceWeighted(50, gradient="dreg"), -84.32, -1),
}
"""The objective, and what was published: log p(x) and active units (-1: not given)."""


def model(x: np.ndarray) -> tfvae.VAE:
    """The networks of the paper."""
    keras.utils.set_random_seed(0)
    posterior = tfvae.layers.Normal(LATENT)
    encoder, decoder = common.bernoulli_networks(x, HIDDEN, posterior)
    return tfvae.VAE(encoder, decoder, seed=0)


def annealed(
    vae: tfvae.VAE, x: np.ndarray, num_steps: int, num_samples: int
) -> dict[str, float]:
    """Means of log p(x) by annealing, and of its bounds for simulated images."""
    simulated, latents = tfvae.evidence.simulate(vae, len(x), seed=0)
    both = tfvae.evidence.annealed(vae, simulated, num_steps, seed=0, latents=latents)
    return {
        "annealed": tfvae.evidence.annealed(vae, x, num_steps, seed=0).log_prob.mean(),
        "simulated, importance": float(
            np.mean(vae.log_prob(simulated, num_samples, seed=0))
        ),
        "simulated, from below": both.log_prob.mean(),
        "simulated, from above": both.upper.mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a .npz with x_train and x_test in bytes")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--test-examples", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--annealed", type=int, help="steps, for some 64 test examples")
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
        objective, published, published_units = ROWS[name]
        vae = model(x)
        data = common.batches(x, options.batch_size, seed=0)
        seconds = common.train(
            vae,
            tfvae.datasets.binarize(data, seed=0),
            steps=options.epochs * int(data.cardinality()),
            learning_rate=options.learning_rate,
            objective=objective,
            jit_compile=True,
        )
        found = common.evidence(vae, x_test, options.samples)
        if options.annealed:
            found |= annealed(vae, x_test, options.annealed, options.samples)
        found["active units"] = diagnostics.active_units(vae, x_test).count
        found |= {"published log p(x)": published, "published units": published_units}
        rows.append((name, found | {"training s": seconds}))
        print(common.table(rows), flush=True)
        if options.output:
            options.output.write_text(json.dumps(dict(rows), indent=1), "utf-8")


if __name__ == "__main__":
    main()
