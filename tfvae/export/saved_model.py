"""Export as a SavedModel: TF Serving, C, Java, Go and plain TensorFlow load it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae.export import served
from tfvae.export.card import NAME, card, plain, sums_of, to_json
from tfvae.export.check import Calls, compare, inputs_for, report
from tfvae.export.placing import new_folder, place
from tfvae.export.signatures import Signature, from_raw, with_seed
from tfvae.export.warmup import check_installed, write_warmup

__all__ = ["ASSETS", "export_saved_model", "traced", "write_saved_model"]

ASSETS = "assets.extra"
"""The folder of a SavedModel that TensorFlow leaves to its owner."""

_LARGEST = (255, 15, 1)
"""The largest byte that may be tried as a raw value, one after the other."""


def export_saved_model(
    vae: Any,
    path: str | os.PathLike[str],
    num_samples: int = 64,
    *,
    serving_default: str = "reconstruct",
    examples: np.ndarray | None = None,
    warmup: bool = False,
    preprocessing: Any = None,
    metrics: dict[str, Any] | None = None,
    verbose: bool = False,
) -> dict[str, float]:
    """Writes a SavedModel, compares it with the model and puts it in place.

    Args:
        vae: The model.
        path: The folder to make, such as "models/digits/1" for TF Serving.
        num_samples: Number S of draws in `log_prob`.
        serving_default: The signature that a request without a name gets.
        examples: Data [N, *event] to compare on, beside draws from the model.
        warmup: Whether to write requests that a server plays before it serves.
        preprocessing: A Keras layer or model from bytes to data, or None.
        metrics: Figures of the model to keep with it.
        verbose: Whether to print the largest differences.

    Returns:
        For each signature, the largest difference from the model relative to what
        is allowed: at most 1.

    Raises:
        FileExistsError: If `path` exists already: a version never changes.
        ImportError: If `warmup` lacks tensorflow-serving-api.
        ValueError: If `path` names a file of another format, an argument is none of
            these, or a signature differs from the model; nothing is put in place.
    """
    path = new_folder(path, "a SavedModel")
    if warmup:
        check_installed()
    signatures = with_seed(vae, num_samples)
    raw = None
    if preprocessing is not None:
        raw = _raw(vae, preprocessing)
        spec = tf.TensorSpec((None, *raw.shape[1:]), tf.uint8, "raw")
        signatures |= from_raw(signatures, preprocessing, spec)
    _checks.one_of("serving_default", serving_default, tuple(signatures))
    figures = plain(metrics)
    inputs = inputs_for(vae, signatures, examples, raw)
    weights = [*vae.weights, *(preprocessing.weights if preprocessing else ())]
    with place(path) as beside:
        served_names = signatures | {"serving_default": signatures[serving_default]}
        functions = traced(served_names)
        write_saved_model(weights, beside, functions)
        found = compare(signatures, inputs, _run(beside, inputs))
        assets = beside / ASSETS
        assets.mkdir()
        if warmup:
            write_warmup(assets, path.absolute().parent.name, inputs)
        content = card(
            vae,
            signatures,
            functions,
            f"tensorflow {tf.__version__}",
            found,
            figures,
            format="tf_saved_model",
            serving_default=serving_default,
            num_samples=num_samples,
            sha256=sums_of(beside),
        )
        (assets / NAME).write_text(to_json(content), "utf-8")
    if verbose:
        report(found, "a process with TensorFlow alone")
    return {name: difference.share for name, difference in found.items()}


def traced(signatures: dict[str, Signature]) -> dict[str, Any]:
    """Returns the concrete function of each signature."""
    return {
        name: tf.function(
            signature.function, input_signature=signature.inputs, autograph=False
        ).get_concrete_function()
        for name, signature in signatures.items()
    }


def write_saved_model(weights: Any, path: Path, functions: dict[str, Any]) -> None:
    """Writes signatures and the weights they use, and nothing else of the model."""
    module = tf.Module()
    module.weights = [weight.value for weight in weights]
    tf.saved_model.save(module, str(path), signatures=functions)


def _raw(vae: Any, preprocessing: Any) -> np.ndarray:
    """Returns some bytes that the preprocessing makes data of, and checks that it does.

    Not every byte need be such: counts may end below 255.
    """
    if not isinstance(preprocessing, keras.layers.Layer):
        raise ValueError(
            "`preprocessing` must be a Keras layer or model that makes data of bytes. "
            f"Received: {preprocessing!r}."
        )
    layer = vae.likelihood_layer
    event = shape = tuple(layer.event_shape)
    declared = getattr(preprocessing, "inputs", None)
    if declared:
        shape = tuple(declared[0].shape[1:])
        if len(shape) == len(event):
            # Sizes that it leaves open are those of the data.
            shape = tuple(own or size for own, size in zip(shape, event, strict=True))
    for largest in _LARGEST:
        generator = np.random.default_rng(4)
        raw = generator.integers(0, largest, (8, *shape), np.uint8, endpoint=True)
        made = tf.cast(preprocessing(raw, training=False), layer.variable_dtype)
        if tuple(made.shape) != (8, *event):
            raise ValueError(
                f"`preprocessing` must make data of the shape {[8, *event]} of bytes "
                f"{list(raw.shape)}. Received: {made.shape.as_list()}."
            )
        if not np.any(layer.unsupported(made)):
            return raw
    raise ValueError(
        f"`preprocessing` must make data in the support of {layer!r}. Received one "
        f"that makes {np.unique(made)[:8]} of bytes."
    )


def _run(folder: Path, inputs: Calls) -> Calls:
    """Runs the signatures in a process that has TensorFlow alone."""
    if not sys.executable:
        raise ValueError(
            "A SavedModel is checked by a Python process of its own, and "
            "sys.executable does not say where Python is."
        )
    names = [
        (name, call, key)
        for name, calls in inputs.items()
        for call, given in enumerate(calls)
        for key in given
    ]
    arrays: Any = {
        str(number): inputs[name][call][key]
        for number, (name, call, key) in enumerate(names)
    }
    with tempfile.TemporaryDirectory() as room:
        before, after = Path(room, "inputs.npz"), Path(room, "outputs.npz")
        np.savez(before, names=json.dumps(names), **arrays)
        files = [served.__file__, folder, before, after]
        # -P keeps the modules beside the script out of the way of TensorFlow's.
        command = [sys.executable, "-P", *map(str, files)]
        quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(command, capture_output=True, text=True, env=quiet)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ValueError(
                f"The SavedModel does not run where TensorFlow is alone: {reason}"
            )
        outputs: Calls = {name: [{} for _ in calls] for name, calls in inputs.items()}
        with np.load(after) as results:
            for number, found in enumerate(json.loads(str(results["names"]))):
                name, call, key = found
                outputs[name][call][key] = results[str(number)]
    return outputs
