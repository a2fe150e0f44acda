"""Export as ONNX files, one for each signature: ONNX Runtime and its relatives."""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae._builtins import builtins_only
from tfvae.export.blame import sources
from tfvae.export.card import NAME, card, plain, to_json
from tfvae.export.check import Calls, compare, inputs_for, report
from tfvae.export.litert import check_computes_in_float32
from tfvae.export.onnx_operations import operations
from tfvae.export.placing import new_folder, place
from tfvae.export.signatures import Signature, with_noise

__all__ = ["export_onnx"]

_OPSET = 18


def export_onnx(
    vae: Any,
    path: str | os.PathLike[str],
    num_samples: int = 64,
    *,
    examples: np.ndarray | None = None,
    metrics: dict[str, Any] | None = None,
    verbose: bool = False,
) -> dict[str, float]:
    """Converts each signature, compares all with the model and puts them in place.

    Args:
        vae: The model.
        path: The folder to make. It gets a file for each signature, which takes any
            batch size, and a card.
        num_samples: Number S of draws in `log_prob`.
        examples: Data [N, *event] to compare on, beside draws from the model.
        metrics: Figures of the model to keep with it.
        verbose: Whether to print the largest differences.

    Returns:
        For each signature, the largest difference from the model relative to what
        is allowed: at most 1.

    Raises:
        FileExistsError: If `path` exists already.
        ImportError: If the converter or the runtime is not installed.
        ValueError: If a layer does not compute in float32, an operation has no
            counterpart in ONNX, or a signature differs from the model; nothing is put
            in place.
    """
    _check_installed()
    path = new_folder(path, "the place of ONNX files")
    figures = plain(metrics)
    check_computes_in_float32(vae, "The exported ONNX model")
    signatures = with_noise(vae, None, num_samples)
    with builtins_only(), _quietly():
        functions = {
            name: tf.function(
                signature.function, input_signature=signature.inputs, autograph=False
            )
            for name, signature in signatures.items()
        }
        traced = {name: f.get_concrete_function() for name, f in functions.items()}
        files = {
            name: _convert(vae, name, function, signatures[name], traced)
            for name, function in functions.items()
        }
    inputs = inputs_for(vae, signatures, examples)
    found = compare(signatures, inputs, _run(files, inputs))
    runtime = f"onnxruntime {metadata.version('onnxruntime')}"
    content = card(
        vae,
        signatures,
        traced,
        runtime,
        found,
        figures,
        format="onnx",
        opset=_OPSET,
        noise="input",
        num_samples=num_samples,
        sha256={
            f"{name}.onnx": hashlib.sha256(file).hexdigest()
            for name, file in files.items()
        },
    )
    with place(path) as beside:
        beside.mkdir()
        for name, file in files.items():
            (beside / f"{name}.onnx").write_bytes(file)
        (beside / NAME).write_text(to_json(content), "utf-8")
    if verbose:
        report(found, runtime)
    return {name: difference.share for name, difference in found.items()}


def _check_installed() -> None:
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "ONNX files are made with tf2onnx and checked in onnxruntime: "
            f"pip install 'tfvae[onnx]' ({error})."
        ) from error


def _convert(
    vae: Any, name: str, function: Any, signature: Signature, traced: dict[str, Any]
) -> bytes:
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(
        function,
        input_signature=signature.inputs,
        opset=_OPSET,
        custom_op_handlers=operations(),
    )
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    missing = {node.op_type for node in model.graph.node} - known
    if missing:
        found = ", ".join(sources(vae, {name: traced[name]}, missing))
        raise ValueError(
            f"The model cannot be exported as ONNX: {found} has no counterpart there. "
            "Export as a SavedModel, or use other layers."
        )
    _keep_constants(model.graph, traced[name])
    _name_axes(model.graph)
    return model.SerializeToString()


def _keep_constants(graph: Any, function: Any) -> None:
    """Gives the graph the tensors that a function refers to, such as a fixed prior's.

    The converter makes inputs of them.
    """
    import onnx

    values = {inside.name: outside for outside, inside in function.graph.captures}
    for entry in [entry for entry in graph.input if entry.name in values]:
        graph.input.remove(entry)
        value = values[entry.name].numpy()
        graph.initializer.append(onnx.numpy_helper.from_array(value, entry.name))


def _name_axes(graph: Any) -> None:
    """Calls the axis of the examples by its name, for which the converter has none."""
    for entry in (*graph.input, *graph.output):
        for axis in entry.type.tensor_type.shape.dim:
            if not axis.dim_value:
                axis.dim_param = "batch"


def _run(files: dict[str, bytes], inputs: Calls) -> Calls:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    outputs: Calls = {}
    for name, calls in inputs.items():
        session = onnxruntime.InferenceSession(
            files[name], options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        outputs[name] = [
            dict(zip(names, session.run(names, call), strict=True)) for call in calls
        ]
    return outputs


@contextmanager
def _quietly() -> Iterator[None]:
    """The converter logs operations that it lacks, which are told of otherwise."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
