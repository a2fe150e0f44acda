"""Smaller numbers in a `.tflite` file: float16 and 8-bit integers.

An integer takes the place of the products of the networks, matrix by matrix. What turns
their results into densities stays in float32: 256 values cannot hold nats.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfvae.export.check import Arrays, Calls, noise
from tfvae.export.signatures import Signature

__all__ = ["PRECISIONS", "calibration_for", "quantized"]

PRECISIONS = ("float32", "float16", "dynamic_int8", "int8")
"""float16 stores weights in 16 bits; dynamic_int8 stores them in 8 bits and turns what
they meet into integers as it comes; int8 does that by ranges seen in examples."""

_CALIBRATION = 100
"""Examples that the ranges are taken from."""


def quantized(content: bytes, precision: str, calibration: Calls | None) -> bytes:
    """Quantises the products of the networks in a `.tflite` file of float32.

    Weights of dense layers have one scale for each matrix, those of convolutions one
    for each channel: with one for each unit of a dense layer, the scales, which every
    signature holds again, would take a sixth of the file.

    Args:
        content: The file.
        precision: "dynamic_int8" or "int8".
        calibration: For "int8", inputs of several calls of each signature.

    Returns:
        The new file.
    """
    from ai_edge_quantizer import qtyping, quantizer

    operations, sizes = qtyping.TFLOperationName, qtyping.QuantGranularity
    granularities = {
        operations.FULLY_CONNECTED: sizes.TENSORWISE,
        operations.CONV_2D: sizes.CHANNELWISE,
        operations.CONV_2D_TRANSPOSE: sizes.CHANNELWISE,
        operations.DEPTHWISE_CONV_2D: sizes.CHANNELWISE,
    }
    work = quantizer.Quantizer(bytearray(content))
    for operation, granularity in granularities.items():
        if precision == "dynamic_int8":
            work.add_dynamic_config(".*", operation, 8, granularity)
        else:
            work.add_static_config(".*", operation, 8, 8, granularity)
    with _quietly():
        ranges = None if calibration is None else _ranges(work, calibration)
        return bytes(work.quantize(ranges).quantized_model)


def calibration_for(
    vae: Any, signatures: dict[str, Signature], examples: np.ndarray
) -> Calls:
    """Makes inputs that show the ranges of what the networks meet.

    Args:
        vae: The model.
        signatures: Name to signature, of a fixed batch size.
        examples: Data [N, *event].

    Returns:
        Inputs of up to 100 calls of each signature: examples, draws of z from the
        posterior and from the prior in turn, and noise.
    """
    generator = np.random.default_rng(2)
    x = examples[:_CALIBRATION]
    posterior, _ = vae.posterior_layer.sample_and_log_prob(vae.encode(x), (), (0, 1))
    prior = vae.prior.sample(len(x), seed=(0, 2))
    z = np.stack([posterior, prior], axis=1).reshape(-1, *posterior.shape[1:])

    def value(signature: Signature, spec: Any, call: int) -> np.ndarray:
        dtype, shape = spec.dtype.as_numpy_dtype, tuple(spec.shape)
        rows = {"x": x, "z": z}.get(spec.name)
        if rows is not None:
            first = call * shape[0]
            chosen = rows.take(range(first, first + shape[0]), axis=0, mode="wrap")
            return chosen.astype(dtype)
        return noise(signature.noise[spec.name], shape, generator, dtype)

    def calls(signature: Signature) -> list[Arrays]:
        return [
            {spec.name: value(signature, spec, call) for spec in signature.inputs}
            for call in range(len(x))
        ]

    return {name: calls(signature) for name, signature in signatures.items()}


def _ranges(work: Any, calibration: Calls) -> dict[str, Any]:
    """The least and the largest value of each tensor over all calls.

    The quantizer's own are moving averages of those of single calls, which cut off most
    of what a tensor of few elements takes.
    """
    found: dict[str, Any] = {}
    for call in range(max(len(calls) for calls in calibration.values())):
        one = {name: calls[call : call + 1] for name, calls in calibration.items()}
        for name, ends in work.calibrate(one).items():
            kept = found.setdefault(name, dict(ends))
            for end, choose in (("min", np.minimum), ("max", np.maximum)):
                if end in ends:
                    kept[end] = choose(kept[end], ends[end])
    return found


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps the bars, tables and warnings of the quantizer off the terminal.

    It warns of weights that signatures share, which come out the same for each.
    """
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _captured():
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _captured() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors")
        yield
