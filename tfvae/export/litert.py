"""Export as a `.tflite` file for LiteRT: phones, browsers, small devices."""

import os
import re
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae._builtins import builtins_only
from tfvae.export.blame import layers_of, sources
from tfvae.export.card import card, plain
from tfvae.export.check import report
from tfvae.export.embedding import embed
from tfvae.export.latency import warn_if_slower
from tfvae.export.litert_comparison import compared, compared_draws
from tfvae.export.placing import place
from tfvae.export.quantization import PRECISIONS, calibration_for, quantized
from tfvae.export.saved_model import traced, write_saved_model
from tfvae.export.signatures import DRAWING, Signature, internal, with_noise

__all__ = ["check_computes_in_float32", "export_litert"]


def export_litert(
    vae: Any,
    path: str | os.PathLike[str],
    batch_size: int = 1,
    num_samples: int = 64,
    *,
    precision: str = "float32",
    noise: str = "input",
    max_elbo_loss: float = 1.0,
    examples: np.ndarray | None = None,
    metrics: dict[str, Any] | None = None,
    verbose: bool = False,
) -> dict[str, float]:
    """Converts to LiteRT builtins, compares with the model and puts it in place.

    Args:
        vae: The model.
        path: The file to write; one that exists is replaced.
        batch_size: The number of examples B, which is fixed in the file.
        num_samples: Number S of draws in `log_prob`.
        precision: One of `PRECISIONS`.
        noise: "input", or "internal" for draws by the random op of the runtime.
        max_elbo_loss: Nats of the ELBO that another precision than float32 may cost.
        examples: Data [N, *event] to compare on, beside draws from the model; "int8"
            takes its ranges from them.
        metrics: Figures of the model to keep with it.
        verbose: Whether to print the largest differences.

    Returns:
        For each signature, the largest difference from the model relative to what
        is allowed in float32: at most 1 there, and more in other precisions.

    Raises:
        ImportError: If the LiteRT interpreter or the quantizer is not installed.
        IsADirectoryError: If `path` is a folder.
        ValueError: If an argument is none of these, a layer does not compute in
            float32, an operation has no builtin, or a signature differs from the
            model; nothing is put in place.
    """
    _check_installed()
    _checks.positive_int("batch_size", batch_size)
    _checks.one_of("precision", precision, PRECISIONS)
    _checks.one_of("noise", noise, ("input", "internal"))
    if not (isinstance(max_elbo_loss, int | float) and max_elbo_loss >= 0):
        raise ValueError(
            "`max_elbo_loss` must be a number of nats, zero or more. Received: "
            f"{max_elbo_loss!r}."
        )
    figures = plain(metrics)
    path = _file(path)
    if precision == "int8" and examples is None:
        raise ValueError(
            '`examples` must be given with precision="int8", which takes the ranges of '
            "its integers from them. Received: None."
        )
    check_computes_in_float32(vae, "LiteRT")
    given = with_noise(vae, batch_size, num_samples)
    signatures = given | {name: internal(given[name]) for name in DRAWING}
    with place(path) as beside:
        content, functions = _converted(vae, given, precision, examples)
        comparison: Any = {
            "signatures": with_noise(vae, None, num_samples),
            "batch_size": batch_size,
            "precision": precision,
            "max_elbo_loss": max_elbo_loss,
            "examples": examples,
        }
        found, loss = compared(vae, content, **comparison)
        if noise == "internal":
            content, functions = _converted(vae, signatures, precision, examples)
            found |= compared_draws(vae, content, **comparison)
        about = card(
            vae,
            given if noise == "input" else signatures,
            functions,
            _runtime(),
            found,
            figures,
            format="litert",
            precision=precision,
            noise=noise,
            batch_size=batch_size,
            num_samples=num_samples,
            elbo_loss=loss,
        )
        beside.write_bytes(embed(content, about))
    if verbose:
        report(found, _runtime(), exact=precision == "float32")
        if loss is not None:
            print(f"In {precision} the ELBO changes by {-loss:+.3g} nats per example.")
    return {name: difference.share for name, difference in found.items()}


def _file(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name the `.tflite` file in it.")
    if path.suffix != ".tflite":
        raise ValueError(
            f'`filepath` must end in `.tflite` with format="litert". Received: '
            f"{str(path)!r}."
        )
    return path


def _converted(
    vae: Any,
    signatures: dict[str, Signature],
    precision: str,
    examples: np.ndarray | None,
) -> tuple[bytes, dict[str, Any]]:
    """Returns a file, and the concrete functions of its signatures."""
    with tempfile.TemporaryDirectory() as folder, builtins_only():
        functions = traced(signatures)
        write_saved_model(vae.weights, Path(folder), functions)
        content = _convert(vae, folder, functions, precision == "float16")
    if precision.endswith("int8"):
        calibration = None
        if examples is not None and precision == "int8":
            calibration = calibration_for(vae, signatures, examples)
        floats, content = content, quantized(content, precision, calibration)
        warn_if_slower(floats, content, precision)
    return content, functions


def check_computes_in_float32(vae: Any, runtime: str) -> None:
    """Refuses a model with a layer that computes in something else.

    Raises:
        ValueError: If there is one, which it names.
    """
    for layer in layers_of(vae):
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"{runtime} computes in float32, and the layer {layer.name} in "
                f"{layer.compute_dtype}. Make the model with the dtype policy "
                '"float32", or export as a SavedModel.'
            )


def _check_installed() -> None:
    try:
        import ai_edge_litert.interpreter  # noqa: F401
        import ai_edge_quantizer  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "A .tflite file is checked before it is put in place, and that needs the "
            f"LiteRT interpreter: pip install 'tfvae[litert]' ({error})."
        ) from error


def _runtime() -> str:
    return f"ai_edge_litert {metadata.version('ai-edge-litert')}"


def _convert(
    vae: Any, saved_model: str, functions: dict[str, Any], half: bool
) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=list(functions)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        return converter.convert()
    except Exception as error:
        missing = set(re.findall(r"'tf\.(\w+)' op is neither", str(error)))
        if not missing:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"The model cannot be exported as LiteRT: {reason}"
            ) from error
        raise ValueError(
            "The model cannot be exported as LiteRT: "
            f"{', '.join(sources(vae, functions, missing))} has no builtin operation. "
            "Export as a SavedModel, or use other layers."
        ) from error
