"""Export as a `.tflite` file for LiteRT: phones, browsers, small devices."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae._builtins import builtins_only
from tfvae.export.check import compare, inputs_for
from tfvae.export.placing import place
from tfvae.export.saved_model import write_saved_model
from tfvae.export.signatures import with_noise

__all__ = ["export_litert"]


def export_litert(
    vae: Any, path: str | os.PathLike[str], batch_size: int, num_samples: int
) -> dict[str, float]:
    """Converts to LiteRT builtins, compares with the model and puts it in place.

    Args:
        vae: The model.
        path: The file to write; one that exists is replaced.
        batch_size: The number of examples B, which is fixed in the file.
        num_samples: Number S of draws in `log_prob`.

    Returns:
        For each signature, the largest difference from the model relative to what
        is allowed: at most 1.

    Raises:
        ImportError: If the LiteRT interpreter is not installed.
        IsADirectoryError: If `path` is a folder.
        ValueError: If a layer does not compute in float32, an operation has no
            builtin, or a signature differs from the model; nothing is put in place.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            "A .tflite file is checked before it is put in place, and that needs the "
            "LiteRT interpreter: pip install 'tfvae[litert]'."
        ) from error
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder; name the `.tflite` file in it.")
    for layer in _layers(vae):
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"LiteRT computes in float32, and the layer {layer.name} in "
                f"{layer.compute_dtype}. Make the model with the dtype policy "
                '"float32", or export as a SavedModel.'
            )
    signatures = with_noise(vae, batch_size, num_samples)
    with tempfile.TemporaryDirectory() as folder, builtins_only():
        write_saved_model(vae, Path(folder), signatures)
        content = _convert(folder, list(signatures))
    interpreter = Interpreter(model_content=content)

    def run(name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return interpreter.get_signature_runner(name)(**inputs)

    differences = compare(run, signatures, inputs_for(vae, signatures))
    with place(path) as beside:
        beside.write_bytes(content)
    return differences


def _layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    for inner in getattr(layer, "layers", []):
        yield inner
        yield from _layers(inner)


def _convert(saved_model: str, names: list[str]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=names
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:
        missing = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
        if not missing:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"The model cannot be exported as LiteRT: {reason}"
            ) from error
        raise ValueError(
            f"The model cannot be exported as LiteRT: {', '.join(missing)} has no "
            "builtin operation. Export as a SavedModel, or use other layers."
        ) from error
