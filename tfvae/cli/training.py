"""`tfvae train`: from data to a measured, saved and exported model."""

import dataclasses
import importlib
import pathlib
import re
import time
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfvae
from tfvae import datasets, evidence, plots
from tfvae._math import as_seed, fold_in
from tfvae.cli import display
from tfvae.cli.folders import ASSETS, FILES, publish, workspace
from tfvae.cli.models import build
from tfvae.cli.options import Options, resolve
from tfvae.cli.preparation import Preparation, prepare
from tfvae.cli.record import describe, to_json
from tfvae.evidence._weights import FEWEST
from tfvae.export.card import versions

__all__ = ["figures", "run"]

_WATCHED = 2000  # test examples that the training curve follows
_STREAM = 1_702_258_020  # sets this noise apart from a training run's of the same seed


def run(
    source: str, flags: Mapping[str, Any], output: pathlib.Path, name: str | None
) -> None:
    """Trains, measures, saves, exports and reports.

    Args:
        source: Name of a data set or path of a file.
        flags: As `resolve` takes them.
        output: Folder of all models.
        name: Folder of this one, or None for the name of the data.

    Raises:
        ValueError: If the data, the options and the folder do not go together, or
            the training diverges.
        OSError: If a file cannot be read or written.
        ImportError: If a package is missing that the end of the run needs.
    """
    _check_installed()
    arrays = datasets.load(source)
    options = resolve(flags, arrays)
    preparation = prepare(
        arrays, options.likelihood, options.binarize, options.scale, options.seed
    )
    home = output / (_clean(arrays.name) if name is None else _folder_name(name))
    with workspace(home) as draft:
        _introduce(arrays, preparation, options)
        started = time.monotonic()
        vae, history = fit(arrays, preparation, options)
        trained = time.monotonic()
        x_test = preparation.fixed(arrays.x_test)
        test = figures(vae, x_test, preparation, options.evidence_samples, options.seed)
        measured = time.monotonic()

        saved_model = draft / "saved_model"
        kept: Any = {"examples": x_test, "metrics": test, "verbose": False}
        vae.export(str(saved_model), warmup=True, **kept)
        assets = saved_model / ASSETS
        vae.save(assets / "model.keras")
        not_exported = {}
        try:
            vae.export(str(assets / "model.tflite"), format="litert", **kept)
        except ValueError as error:
            not_exported["model.tflite"] = " ".join(str(error).split())
        exported = time.monotonic()
        plots.report(
            vae,
            x_test,
            history=history,
            labels=arrays.y_test,
            title=home.name,
            subtitle=_subtitle(test),
            seed=options.seed,
        ).savefig(assets / "report.png")
        seconds = {
            "training": trained - started,
            "evaluation": measured - trained,
            "export": exported - measured,
        }
        record = {
            "name": home.name,
            "test": test,
            "seconds": seconds,
            "not_exported": not_exported,
            "data": describe(source, arrays),
            "preparation": dataclasses.asdict(preparation),
            "options": dataclasses.asdict(options),
            "versions": versions(),
            "history": history,
        }
        (assets / "metrics.json").write_text(to_json(record), "utf-8")
        version = publish(saved_model, home)
    display.results(home.name, test, seconds)
    written = [name for name in FILES if name not in not_exported]
    display.note("saved", f"{home}/{', '.join(written)}; {version}/")
    for file, reason in not_exported.items():
        display.note("not saved", f"{file}: {reason}")


def fit(
    arrays: datasets.Arrays, preparation: Preparation, options: Options
) -> tuple[tfvae.VAE, dict[str, list[float]]]:
    """Trains a model. The test data are watched and decide nothing.

    Returns:
        The model and its history: one number per epoch and name.

    Raises:
        ValueError: If the loss stops being finite.
    """
    keras.utils.set_random_seed(options.seed)
    x = preparation.scaled(arrays.x_train)
    vae = build(x, preparation, options)
    if preparation.binarize == "static":
        x = preparation.fixed(arrays.x_train, test=False)
    batches = _batches(x, options)
    if preparation.binarize == "dynamic":
        batches = datasets.binarize(batches, seed=options.seed)
    steps = int(batches.cardinality())
    rate: Any = options.learning_rate
    if options.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, options.epochs * steps)
    vae.compile(
        optimizer=keras.optimizers.Adam(rate),
        objective=tfvae.objectives.ELBO(beta=options.beta),
        steps_per_execution=min(steps, 20),
    )
    bar = display.EpochBar()
    try:
        history = vae.fit(
            batches,
            validation_data=preparation.fixed(arrays.x_test[:_WATCHED]),
            epochs=options.epochs,
            callbacks=[bar, keras.callbacks.TerminateOnNaN()],
            verbose=0,
        ).history
    finally:
        bar.close()
    history = {key: [float(v) for v in values] for key, values in history.items()}
    if not np.isfinite([values[-1] for values in history.values()]).all():
        raise ValueError(
            f"The training diverged in epoch {len(history['loss'])}: choose a smaller "
            f"--learning-rate than {options.learning_rate:g}."
        )
    return vae, history


def figures(
    vae: tfvae.VAE,
    x: np.ndarray,
    preparation: Preparation,
    samples: int,
    seed: int,
    part: str = "test",
) -> dict[str, Any]:
    """Measures a model on data and returns what `metrics.json` says of it.

    Raises:
        ValueError: If a figure of an example is not finite.
    """
    with warnings.catch_warnings():
        # `unreliable_examples` says it in the record.
        warnings.filterwarnings("ignore", "`pareto_k` ", UserWarning)
        found = evidence.importance(vae, x, samples, fold_in(as_seed(seed), _STREAM))
    infinite = ~(np.isfinite(found.elbo) & np.isfinite(found.log_prob))
    if infinite.any():
        raise ValueError(
            f"The ELBO or log p(x) of {infinite.sum():,} of {len(x):,} examples is not "
            "finite in float32: they may lie far from the training data."
        )
    values = {
        "elbo": found.elbo,
        "reconstruction": found.reconstruction,
        "kl": found.reconstruction - found.elbo,
        "log_prob": found.log_prob,
    }
    error = found.log_prob.std() / np.sqrt(len(x))
    known = samples >= FEWEST
    return {
        **{name: float(per_example.mean()) for name, per_example in values.items()},
        "unit": "nats per example",
        "log_prob_standard_error": float(error),
        "unreliable_examples": int(found.unreliable.sum()) if known else None,
        "pareto_k_limit": found.pareto_k_limit,
        "log_jacobian": preparation.log_jacobian(x[0].size),
        "samples": samples,
        "examples": len(x),
        "part": part,
    }


def _batches(x: np.ndarray, options: Options) -> tf.data.Dataset:
    """Shuffled batches; rows are shuffled by their numbers, which are small."""
    rows = tf.data.Dataset.range(len(x))
    rows = rows.shuffle(len(x), seed=options.seed).batch(options.batch_size)
    data = tf.constant(x)
    batches = rows.map(lambda numbers: tf.gather(data, numbers))
    settings = tf.data.Options()
    settings.autotune.enabled = False  # its threads stall the start of every epoch
    return batches.with_options(settings)


def _check_installed() -> None:
    """Finds out before the training what would stop the run after it."""
    needed = ("matplotlib.figure", "ai_edge_quantizer", "tensorflow_serving.apis")
    for module in needed:
        try:
            importlib.import_module(module)
        except ImportError as error:
            package = module.split(".")[0]
            raise ImportError(
                f"`tfvae train` needs {package}: pip install 'tfvae[all]' ({error})."
            ) from error


def _clean(name: str) -> str:
    """Makes a plain folder name of the name of the data."""
    return re.sub(r"[^\w .-]+", "-", name).strip(" .-") or "model"


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w .-]*", name):
        raise ValueError(
            "--name must be a plain folder name of letters, digits, spaces, dots, "
            f"dashes and underscores, received {name!r}."
        )
    return name


def _introduce(
    arrays: datasets.Arrays, preparation: Preparation, options: Options
) -> None:
    shape = " x ".join(str(axis) for axis in arrays.event_shape)
    counts = (
        f"{len(arrays.x_train):,} training and {len(arrays.x_test):,} test examples"
    )
    display.note("data", f"{arrays.name}: {counts} of {shape}, {arrays.kind} values")
    family = preparation.likelihood.replace("_", " ")
    if preparation.total_count:
        family += f"({preparation.total_count})"
    text = f"{family}, {preparation.why}"
    if preparation.binarize != "none":
        text += f" ({preparation.binarize} binarisation)"
    display.note("likelihood", text)
    if preparation.scale != "none":
        display.note("scale", preparation.scale)
    sizes = "-".join(str(size) for size in options.hidden)
    network = f"{options.network} {sizes} {options.activation}"
    display.note("model", f"{network}, {options.latent} latent units")
    display.note(
        "training",
        f"{options.epochs} epochs in batches of {options.batch_size}, Adam from "
        f"{options.learning_rate:g}, {options.schedule} schedule, seed {options.seed}",
    )


def _subtitle(test: dict[str, Any]) -> str:
    def number(key: str) -> str:
        return f"{test[key]:.2f}".replace("-", "\N{MINUS SIGN}")

    # Too low where the weights have a heavy tail, and as far as is known elsewhere.
    sign = "" if test["unreliable_examples"] == 0 else "\N{GREATER-THAN OR EQUAL TO} "
    return (
        f"test data, nats per example:   log p(x) {sign}{number('log_prob')}"
        f"  ({test['samples']:,} samples)      ELBO {number('elbo')}  =  "
        f"reconstruction {number('reconstruction')}  \N{MINUS SIGN}  KL {number('kl')}"
    )
