"""Export as a web page in which the model runs: a folder for any static host."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tfvae.export.card import NAME, sums_of, to_json
from tfvae.export.litert import export_litert
from tfvae.export.page_description import describe, describe_signatures
from tfvae.export.placing import new_folder, place

__all__ = ["MODEL_FILES", "copy_page", "export_web", "is_web_export"]

PAGE = Path(__file__).with_name("page")
"""The page itself, with LiteRT.js under `vendor/`, which hatch_build.py put there."""

_MODEL, _DESCRIPTION, _ENTRY = "model.tflite", "model.json", "index.html"
MODEL_FILES = (_MODEL, _DESCRIPTION)
"""The files of a page that are a model's."""

_NOT_SERVED = ("package.json", "package-lock.json", ".*")

_MOST_EXAMPLES = 64
_MOST_NUMBERS = 2**19
"""Of the examples together, so that model.json stays a few megabytes."""


def export_web(
    vae: Any,
    path: str | os.PathLike[str],
    num_samples: int = 64,
    *,
    examples: Any = None,
    name: str | None = None,
    precision: str = "float32",
    metrics: dict[str, Any] | None = None,
    verbose: bool = False,
) -> dict[str, float]:
    """Writes a folder with a page that runs the model in the browser.

    The folder holds the page, LiteRT.js, `model.tflite` with a batch of one, and
    `model.json`, which describes the model. Any web server can serve it.

    Args:
        vae: The model.
        path: The folder to make, which must not exist yet.
        num_samples: Number S of draws in `log_prob`. Default: 64.
        examples: Data [N, *event] to begin with, of which the first 64 at most are
            kept. Default: draws from the model.
        name: What the page calls the model. Default: the name of the folder.
        precision: That of `model.tflite`, as `export_litert` takes it.
            Default: "float32".
        metrics: Figures of the model to keep with it. Default: None.
        verbose: Whether to print the largest differences. Default: False.

    Returns:
        What `export_litert` returns.

    Raises:
        FileExistsError: If `path` exists already.
        FileNotFoundError: If LiteRT.js was not fetched when tfvae was installed.
        ImportError: If the LiteRT interpreter is not installed.
        ValueError: If the examples are no data of the model, or it cannot be
            exported; nothing is put in place.
    """
    path = new_folder(path, "a page")
    _require_vendor()
    x = _examples(vae, examples)
    with place(path) as beside:
        copy_page(beside)
        differences = export_litert(
            vae,
            beside / _MODEL,
            num_samples=num_samples,
            precision=precision,
            examples=x,
            metrics=metrics,
            verbose=verbose,
        )
        description = describe(vae, name or path.name, num_samples, x)
        description["signatures"] = describe_signatures(vae, beside / _MODEL)
        text = json.dumps(description, ensure_ascii=False, allow_nan=False)
        (beside / _DESCRIPTION).write_text(text, "utf-8")
        sums = {"format": "web", "sha256": sums_of(beside)}
        (beside / NAME).write_text(to_json(sums), "utf-8")
    return differences


def copy_page(folder: Path) -> None:
    """Makes a folder with the page, to which a model and its description belong."""
    shutil.copytree(PAGE, folder, ignore=shutil.ignore_patterns(*_NOT_SERVED))


def is_web_export(path: str | os.PathLike[str]) -> bool:
    """Returns whether a folder is what `export_web` writes."""
    return all((Path(path) / name).is_file() for name in (_ENTRY, _MODEL, _DESCRIPTION))


def _require_vendor() -> None:
    if (PAGE / "vendor" / "package-lock.json").is_file():
        return
    raise FileNotFoundError(
        "The page needs LiteRT.js, which could not be fetched when tfvae was "
        "installed. Install Node.js with its npm, then tfvae once more: "
        "pip install --force-reinstall --no-deps with what you gave pip before."
    )


def _examples(vae: Any, examples: Any) -> np.ndarray:
    layer = vae.likelihood_layer
    size = math.prod(layer.event_shape)
    count = max(1, min(_MOST_EXAMPLES, _MOST_NUMBERS // size))
    if examples is None:
        return vae.sample(count, seed=0)
    x = np.asarray(examples)[:count]
    shape = tuple(layer.event_shape)
    if x.shape[1:] != shape or not len(x) or x.dtype.kind not in "buif":
        raise ValueError(
            f"`examples` must be numbers of the shape [N, {str(shape)[1:-1]}]. "
            f"Received: shape {x.shape}, dtype {x.dtype}."
        )
    x = x.astype(layer.variable_dtype)
    if np.any(layer.unsupported(x)):
        raise ValueError(
            f"`examples` must be in the support of {layer!r}: {layer.support}."
        )
    return x
