"""`tfvae evaluate` and `sample`: what is done with a saved model."""

import pathlib
import time

import numpy as np

from tfvae import datasets, plots
from tfvae.cli import display
from tfvae.cli.folders import workspace
from tfvae.cli.models import find
from tfvae.cli.preparation import recorded
from tfvae.cli.training import figures

__all__ = ["evaluate", "sample"]


def evaluate(
    model: pathlib.Path, source: str, part: str, samples: int, seed: int | None
) -> None:
    """Measures a saved model on data and prints the table.

    Args:
        model: Where `tfvae train` put the model.
        source: Name of a data set or path of a file.
        part: "test", "train" or "all".
        samples: Number of importance samples for each example.
        seed: Seed of the samples, or None for that of the training run.

    Raises:
        ValueError: If the model or the data cannot be used, or not together.
        OSError: If a file cannot be read.
    """
    saved = find(model)
    preparation = recorded(saved)
    if preparation is None:
        raise ValueError(
            f"{saved.file} has no metrics.json beside it, which records how its data "
            "were prepared: evaluate it in Python with vae.evaluate(x)."
        )
    arrays = datasets.load(source)
    vae = saved.load()
    expected = tuple(vae.likelihood_layer.event_shape)
    if arrays.event_shape != expected:
        raise ValueError(
            f"{model} takes examples of the shape {expected}, {source} holds "
            f"{arrays.event_shape}."
        )
    # Each part on its own, so that its draws are those of the training run.
    train, test = part != "test", part != "train"
    parts = [preparation.fixed(arrays.x_train, test=False)] if train else []
    parts += [preparation.fixed(arrays.x_test)] if test else []
    x = np.concatenate(parts)
    seed = preparation.seed if seed is None else seed
    started = time.monotonic()
    found = figures(vae, x, preparation, samples, seed, part)
    title = f"{model} on {len(x):,} examples of {source} ({part})"
    display.results(title, found, {"evaluation": time.monotonic() - started})


def sample(
    model: pathlib.Path, output: pathlib.Path, count: int, mean: bool, seed: int
) -> None:
    """Writes draws from a saved model.

    Args:
        model: Where `tfvae train` put the model.
        output: A .npy or .png file.
        count: Number of draws.
        mean: Whether to write E[x|z] in place of a draw from p(x|z).
        seed: Seed of the draws.

    Raises:
        ValueError: If the model cannot be used or the name has another ending.
        OSError: If a file cannot be read or written.
    """
    if output.suffix not in (".npy", ".png"):
        raise ValueError(f"The output must end in .npy or .png, received {output}.")
    saved = find(model)
    preparation = recorded(saved)
    with workspace(output.parent) as draft:
        x = saved.load().sample(count, seed=seed, mean=mean)
        if preparation is not None:
            x = preparation.restored(x)
        written = draft / output.name
        if output.suffix == ".npy":
            np.save(written, x, allow_pickle=False)
        else:
            plots.samples(x).savefig(written)
        written.replace(output)
    display.note("saved", f"{output}, {count:,} samples of shape {x.shape[1:]}")
