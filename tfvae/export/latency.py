"""How long a `.tflite` file takes on this machine."""

import time
import warnings
from typing import Any

import numpy as np

__all__ = ["decoding_seconds", "interpreter", "warn_if_slower"]

_SLOWER = 1.2


def interpreter(content: bytes) -> Any:
    """Returns LiteRT's interpreter of a file, which uses one thread."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=content)


def decoding_seconds(content: bytes) -> float:
    """Returns the time of the fastest of some calls of `decode`."""
    runner = interpreter(content).get_signature_runner("decode")
    z = np.zeros(runner.get_input_details()["z"]["shape"], np.float32)
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 3 or (len(times) < 50 and time.perf_counter() - started < 1):
        before = time.perf_counter()
        runner(z=z)
        times.append(time.perf_counter() - before)
    return min(times)


def warn_if_slower(floats: bytes, integers: bytes, precision: str) -> None:
    """Warns where integers make a file slower, as they do many convolutions.

    Args:
        floats: The file of float32.
        integers: The file of integers.
        precision: What they are called.
    """
    before, after = decoding_seconds(floats), decoding_seconds(integers)
    if after > _SLOWER * before:
        warnings.warn(
            f"In {precision} `decode` takes {after / before:.1f} times as long here as "
            "in float32: the runtime has no fast integer kernels for the layers of "
            "this network on this processor. float16 is smaller and no slower.",
            UserWarning,
            stacklevel=5,
        )
