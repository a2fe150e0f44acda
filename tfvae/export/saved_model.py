"""Export as a SavedModel: TF Serving, C, Java, Go and plain TensorFlow load it."""

import functools
import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfvae.export.check import compare, inputs_for
from tfvae.export.placing import place
from tfvae.export.signatures import Signature, with_seed

__all__ = ["export_saved_model", "write_saved_model"]


def export_saved_model(
    vae: Any, path: str | os.PathLike[str], num_samples: int
) -> dict[str, float]:
    """Writes a SavedModel, compares it with the model and puts it in place.

    Args:
        vae: The model.
        path: The folder to make, such as "models/digits/1" for TF Serving.
        num_samples: Number S of draws in `log_prob`.

    Returns:
        For each signature, the largest difference from the model relative to what
        is allowed: at most 1.

    Raises:
        FileExistsError: If `path` exists already: a version never changes.
        ValueError: If `path` names a `.tflite` or `.keras` file, or a signature differs
            from the model; nothing is put in place.
    """
    path = Path(path)
    other = {".tflite": 'pass format="litert"', ".keras": "use `save`"}
    if path.suffix in other:
        raise ValueError(
            "`filepath` must name a folder, which a SavedModel is. Received: "
            f"{str(path)!r}. For a `{path.suffix}` file {other[path.suffix]}."
        )
    if path.exists():
        raise FileExistsError(
            f"{path} exists already, and a version that may be in use is never "
            "overwritten. Export to the next version."
        )
    signatures = with_seed(vae, num_samples)
    with place(path) as beside:
        served = signatures | {"serving_default": signatures["reconstruct"]}
        write_saved_model(vae, beside, served)
        loaded = tf.saved_model.load(str(beside))
        run = functools.partial(_run, loaded.signatures)
        return compare(run, signatures, inputs_for(vae, signatures))


def write_saved_model(vae: Any, path: Path, signatures: dict[str, Signature]) -> None:
    """Writes signatures and the weights they use, and nothing else of the model."""
    module = tf.Module()
    module.weights = [weight.value for weight in vae.weights]
    functions = {
        name: tf.function(
            signature.function, input_signature=signature.inputs, autograph=False
        )
        for name, signature in signatures.items()
    }
    tf.saved_model.save(module, str(path), signatures=functions)


def _run(signatures: Any, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    return {key: out.numpy() for key, out in signatures[name](**tensors).items()}
