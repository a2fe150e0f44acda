"""What the benchmarks share: arrays, batches, one training run, one measurement."""

import time

import keras
import numpy as np
import tensorflow as tf

import tfvae

__all__ = ["batches", "bernoulli_networks", "evidence", "split", "table", "train"]


def batches(x: np.ndarray, batch_size: int, seed: int) -> tf.data.Dataset:
    """Shuffled batches of rows; the rows themselves stay where they are."""
    data = tf.constant(x)
    rows = tf.data.Dataset.range(len(x)).shuffle(len(x), seed=seed)
    rows = rows.batch(batch_size, drop_remainder=len(x) > batch_size)
    options = tf.data.Options()
    options.autotune.enabled = False
    return rows.map(lambda numbers: tf.gather(data, numbers)).with_options(options)


def bernoulli_networks(
    x: np.ndarray, hidden: tuple[int, ...], posterior: keras.layers.Layer
) -> tuple[keras.Model, keras.Model]:
    """An encoder and a decoder, tanh, whose bias starts at the mean of the data."""
    mean = np.clip(x.mean(axis=0), 0.001, 0.999)
    bias = keras.initializers.Constant(np.log(mean / (1 - mean)))
    likelihood = tfvae.layers.Bernoulli(x.shape[1], bias_initializer=bias)
    encoder = [tfvae.networks.mlp(x.shape[1:], hidden), posterior]
    decoder = [tfvae.networks.mlp(posterior.event_shape, hidden), likelihood]
    return keras.Sequential(encoder), keras.Sequential(decoder)


def split(x: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in random order, cut in two: the second part has this share of them."""
    order = np.random.default_rng(seed).permutation(len(x))
    cut = len(x) - round(share * len(x))
    return x[order[:cut]], x[order[cut:]]


def train(
    vae: tfvae.VAE,
    data: tf.data.Dataset,
    *,
    steps: int,
    learning_rate: float = 1e-3,
    objective: tfvae.objectives.Objective | None = None,
    jit_compile: bool = False,
) -> float:
    """Trains with Adam, its rate falling along a cosine, and returns the seconds."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    vae.compile(
        keras.optimizers.Adam(rate),
        objective,
        steps_per_execution=50,
        jit_compile=jit_compile,
    )
    started = time.monotonic()
    # Rounds of many steps, so that small data do not cost the start of many epochs.
    vae.fit(
        data.repeat(),
        epochs=max(1, steps // ROUND),
        steps_per_epoch=min(steps, ROUND),
        verbose=0,
        callbacks=[keras.callbacks.TerminateOnNaN()],
    )
    return time.monotonic() - started


ROUND = 500
"""Steps between two looks at the loss."""


def evidence(
    vae: tfvae.VAE,
    x: np.ndarray,
    num_samples: int,
) -> dict[str, float]:
    """The mean of log p(x) and of the ELBO with the standard error of the first."""
    log_prob, elbo = [], []
    for i in range(0, len(x), 500):
        log_prob.append(vae.log_prob(x[i : i + 500], num_samples, seed=i).numpy())
        elbo.append(vae.elbo(x[i : i + 500], 20, seed=i).numpy())
    values = np.concatenate(log_prob)
    return {
        "log p(x)": float(values.mean()),
        "+-": float(values.std() / np.sqrt(len(values))),
        "ELBO": float(np.concatenate(elbo).mean()),
    }


def table(rows: list[tuple[str, dict[str, float]]], digits: int = 2) -> str:
    """Rows of numbers as a Markdown table."""
    names = list(rows[0][1])
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, values in rows:
        numbers = " | ".join(f"{values[key]:.{digits}f}" for key in names)
        lines.append(f"| {name} | {numbers} |")
    return "\n".join(lines)
