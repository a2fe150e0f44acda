"""The formats by name."""

import inspect
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tfvae import _checks
from tfvae.export.litert import export_litert
from tfvae.export.onnx_files import export_onnx
from tfvae.export.saved_model import export_saved_model
from tfvae.export.web import export_web

__all__ = ["FORMATS", "export"]

FORMATS: dict[str, Callable[..., dict[str, float]]] = {
    "tf_saved_model": export_saved_model,
    "litert": export_litert,
    "onnx": export_onnx,
    "web": export_web,
}


def export(
    vae: Any,
    path: str | os.PathLike[str],
    format: str,
    num_samples: int,
    /,
    *,
    examples: np.ndarray | None,
    verbose: bool,
    **options: Any,
) -> dict[str, float]:
    """Writes a model in a format, as `tfvae.VAE.export` says.

    Raises:
        ValueError: If there is no such format, or it takes no such option.
    """
    _checks.one_of("format", format, tuple(FORMATS))
    write = FORMATS[format]
    taken = [*inspect.signature(write).parameters][2:]
    unknown = options.keys() - set(taken)
    if unknown:
        names = ", ".join(f"`{name}`" for name in sorted(unknown))
        raise ValueError(f"format={format!r} takes no {names}.")
    return write(
        vae,
        path,
        num_samples=num_samples,
        examples=examples,
        verbose=verbose,
        **options,
    )
