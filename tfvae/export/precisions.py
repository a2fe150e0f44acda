"""What each precision of a `.tflite` file costs and saves."""

import dataclasses
import math
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tfvae.export.embedding import extract
from tfvae.export.latency import decoding_seconds
from tfvae.export.litert import export_litert
from tfvae.export.quantization import PRECISIONS

__all__ = ["Precision", "precisions"]


@dataclasses.dataclass(frozen=True)
class Precision:
    """One precision of a model.

    Attributes:
        name: "float32", "float16", "dynamic_int8" or "int8".
        bytes: Size of the file.
        seconds: Time of one call of `decode` on this machine.
        elbo_loss: Nats per example that the ELBO is lower than that of the model.
    """

    name: str
    bytes: int
    seconds: float
    elbo_loss: float


def precisions(
    vae: Any, x: Any, batch_size: int = 1, num_samples: int = 64
) -> list[Precision]:
    """Converts a model in each precision and measures what comes out.

    Args:
        vae: The model.
        x: Data [N, *event], of which the first 256 are measured.
        batch_size: The number of examples B in a call. Default: 1.
        num_samples: Number S of draws in `log_prob`. Default: 64.

    Returns:
        One `Precision` for each.

    Raises:
        ImportError: If the LiteRT interpreter or the quantizer is not installed.
        ValueError: If the model cannot be exported.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> vae = tfvae.VAE(encoder, decoder)
    >>> [found.name for found in tfvae.export.precisions(vae, vae.sample(20))]
    ['float32', 'float16', 'dynamic_int8', 'int8']
    """
    examples = np.asarray(x)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The seconds say it.
        warnings.filterwarnings("ignore", "In .* `decode` takes", UserWarning)
        return [
            _measured(
                vae,
                name,
                Path(folder, f"{name}.tflite"),
                examples,
                batch_size,
                num_samples,
            )
            for name in PRECISIONS
        ]


def _measured(
    vae: Any,
    name: str,
    path: Path,
    examples: np.ndarray,
    batch_size: int,
    num_samples: int,
) -> Precision:
    export_litert(
        vae,
        path,
        batch_size,
        num_samples,
        precision=name,
        max_elbo_loss=math.inf,
        examples=examples,
    )
    content = path.read_bytes()
    card = extract(content)
    assert card is not None  # it was written a moment ago
    loss = card["elbo_loss"] or 0.0
    return Precision(name, len(content), decoding_seconds(content), loss)
