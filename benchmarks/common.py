"""What the benchmarks share: arrays, batches, one training run, one measurement."""

import time
import warnings
from collections.abc import Sequence

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
    x: np.ndarray,
    hidden: Sequence[int],
    posterior: keras.layers.Layer,
    activation: str = "tanh",
) -> tuple[keras.Model, keras.Model]:
    """An encoder and a decoder, whose bias starts at the mean of the data."""
    mean = np.clip(x.mean(axis=0), 0.001, 0.999)
    bias = keras.initializers.Constant(np.log(mean / (1 - mean)))
    likelihood = tfvae.layers.Bernoulli(x.shape[1], bias_initializer=bias)
    mlp = tfvae.networks.mlp
    encoder = [mlp(x.shape[1:], hidden, activation), posterior]
    decoder = [mlp(posterior.event_shape, hidden, activation), likelihood]
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
    """Trains with Adam, its rate falling along a cosine, and returns the seconds.

    It takes `steps` or, so that rounds are of one size, a few less.
    """
    rounds = max(1, round(steps / ROUND))
    steps -= steps % rounds
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
        epochs=rounds,
        steps_per_epoch=steps // rounds,
        verbose=0,
        callbacks=[keras.callbacks.TerminateOnNaN()],
    )
    return time.monotonic() - started


ROUND = 500
"""Steps between two looks at the loss, about."""


def evidence(
    vae: tfvae.VAE,
    x: np.ndarray,
    num_samples: int,
) -> dict[str, float]:
    """Means over examples: log p(x) with the error of that mean, ELBO, and doubts.

    Doubtful are examples whose importance weights have too heavy a tail.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = tfvae.evidence.importance(vae, x, num_samples, seed=0)
    return {
        "log p(x)": float(found.log_prob.mean()),
        "+-": float(found.log_prob.std() / np.sqrt(len(x))),
        "ELBO": float(found.elbo.mean()),
        "doubtful": float(found.unreliable.mean()),
    }


def table(rows: list[tuple[str, dict[str, float]]], digits: int = 2) -> str:
    """Rows of numbers as a Markdown table."""
    names = list(rows[0][1])
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, values in rows:
        numbers = " | ".join(f"{values[key]:.{digits}f}" for key in names)
        lines.append(f"| {name} | {numbers} |")
    return "\n".join(lines)
