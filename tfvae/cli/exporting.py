"""`tfvae export`: a saved model in another format."""

import pathlib
import re
from typing import Any

import keras
import numpy as np
from rich.table import Table

import tfvae
from tfvae import datasets
from tfvae.cli import display
from tfvae.cli.models import SavedModel, find
from tfvae.cli.preparation import Preparation, recorded
from tfvae.export import precisions

__all__ = ["export", "prepared"]

_EXAMPLES = 500

_FLAGS = {
    "`filepath`": "--output",
    "`examples`": "--data",
    "`max_elbo_loss`": "--max-elbo-loss",
    "`serving_default`": "--serving-default",
    "`warmup`": "--warmup",
    "`precision`": "--precision",
    "`noise`": "--noise",
    "`batch_size`": "--batch-size",
}


def export(
    model: pathlib.Path,
    output: pathlib.Path,
    format: str,
    source: str | None,
    raw: bool,
    table: bool,
    options: dict[str, Any],
) -> None:
    """Exports a saved model.

    Args:
        model: Where `tfvae train` put the model.
        output: What to write; it must not exist yet.
        format: One of `tfvae.export.FORMATS`.
        source: Name of a data set or path of a file to compare on, or None.
        raw: Whether a SavedModel also takes bytes as they are stored.
        table: Whether to print what each precision costs.
        options: What `tfvae.VAE.export` takes beside these.

    Raises:
        ValueError: If the model cannot be used, `output` exists or the options do
            not fit the format.
        OSError: If a file cannot be read or written.
    """
    if output.exists():
        raise ValueError(f"{output} exists already: choose another place.")
    saved = find(model)
    vae = saved.load()
    examples = None if source is None else prepared(saved, vae, source)
    if raw:
        options["preprocessing"] = _preprocessing(saved, vae)
    if saved.record is not None:
        options["metrics"] = saved.record.get("test")
    if table:
        _show_precisions(vae, examples, options)
    try:
        vae.export(str(output), format=format, examples=examples, **options)
    except ValueError as error:
        raise ValueError(_in_flags(str(error))) from error
    if format == "web" and examples is not None:
        display.note("published", f"the page holds examples of {source}")
    display.note("saved", str(output))


def _in_flags(message: str) -> str:
    """Says a message of `tfvae.VAE.export` in the words of the command line."""
    for python, flag in _FLAGS.items():
        message = message.replace(python, flag)
    return re.sub(r'(format|precision)="(\w+)"', r"--\1 \2", message)


def prepared(saved: SavedModel, vae: tfvae.VAE, source: str) -> np.ndarray:
    """Returns some test data of a source as the model's training prepared its own.

    Raises:
        ValueError: If nothing says how, or the data do not fit the model.
    """
    preparation = _recorded(saved)
    arrays = datasets.load(source)
    expected = tuple(vae.likelihood_layer.event_shape)
    if arrays.event_shape != expected:
        raise ValueError(
            f"{saved.file} takes examples of the shape {expected}, {source} holds "
            f"{arrays.event_shape}."
        )
    return preparation.fixed(arrays.x_test[:_EXAMPLES])


def _recorded(saved: SavedModel) -> Preparation:
    preparation = recorded(saved)
    if preparation is None:
        raise ValueError(
            f"{saved.file} has no metrics.json beside it, which records how its data "
            "were prepared: export it in Python, with vae.export(examples=x)."
        )
    return preparation


def _preprocessing(saved: SavedModel, vae: tfvae.VAE) -> keras.Model:
    """Makes a model from bytes to data; grey values above one half become 1."""
    preparation = _recorded(saved)
    kind = ((saved.record or {}).get("data") or {}).get("kind")
    if kind not in ("binary", "counts", "bytes"):
        raise ValueError(
            f"--raw takes values as they are stored, in bytes, and {saved.file} was "
            f"trained on {kind or 'unknown'} values."
        )
    shape = vae.likelihood_layer.event_shape
    scale = 1 / np.asarray(preparation.divisor, np.float32)
    offset = -np.asarray(preparation.shift, np.float32) * scale
    stack = [
        keras.Input(shape, dtype="uint8"),
        keras.layers.Rescaling(scale.tolist(), offset.tolist()),
    ]
    if preparation.binarize != "none":
        stack.append(keras.layers.Activation(_above_half))
        display.note("raw", "grey values above one half become 1, the others 0")
    return keras.Sequential(stack)


def _above_half(x: Any) -> Any:
    return keras.ops.cast(x > 0.5, x.dtype)


def _show_precisions(
    vae: tfvae.VAE, examples: np.ndarray | None, options: dict[str, Any]
) -> None:
    if examples is None:
        raise ValueError("--table measures precisions on data: name some with --data.")
    sizes = ("batch_size", "num_samples")
    shape = {name: options[name] for name in sizes if name in options}
    table = Table(title_justify="left")
    table.add_column("precision")
    for heading in ("bytes", "of float32", "decode", "ELBO, nats"):
        table.add_column(heading, justify="right")
    rows = precisions(vae, examples, **shape)
    for row in rows:
        table.add_row(
            row.name,
            f"{row.bytes:,}",
            f"{row.bytes / rows[0].bytes:.0%}",
            f"{row.seconds * 1e6:.0f} µs",
            f"{0 - row.elbo_loss:+.3f}",
        )
    display.console.print(table)
