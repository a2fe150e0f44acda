"""One end of the pipe: a process that takes one timed round whenever it is asked to.

It needs NumPy alone, so that every environment can import it.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Task", "memory", "reset_peak", "serve"]

PACKAGES = (
    "jax",
    "jaxlib",
    "keras",
    "numpy",
    "optax",
    "pythae",
    "tensorflow",
    "tensorflow-probability",
    "tf_keras",
    "tfvae",
    "torch",
)


@dataclass(frozen=True)
class Task:
    """What one row of a table does in a round."""

    variant: str
    """Which of the functions given to `serve` makes the round."""
    data: str = ""
    """Path of an array [N, 784] of zeros and ones, float32, as .npy."""
    network: str = "dense"
    width: int = 200
    """Hidden units of the dense network."""
    batch_size: int = 100
    epochs: int = 1
    samples: int = 1
    """Draws of z for each example."""
    objective: str = "elbo"
    """"elbo", or the gradient of the importance-weighted bound."""
    images: int = 100
    """Examples whose log p(x) is measured."""
    options: dict[str, Any] = field(default_factory=dict)
    """What only this peer understands."""

    def load(self) -> np.ndarray:
        x = np.load(self.data)
        return x.reshape(-1, 28, 28, 1) if self.network == "conv" else x


def memory(name: str = "VmRSS") -> float:
    """MiB of this process in RAM: now ("VmRSS") or at most ("VmHWM")."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def reset_peak() -> None:
    """Has "VmHWM" start again from what is in RAM now."""
    Path("/proc/self/clear_refs").write_text("5", "utf-8")


def serve(**variants: Callable[[Task], Callable[[], Any]]) -> None:
    """Reads a task and then requests for rounds, and answers each with a line of JSON.

    Args:
        **variants: For each variant of a task, the function that prepares it and
            returns the round, whose result is a number or a dict.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed goes to the log

    def answer(found: dict[str, Any]) -> None:
        print(json.dumps(found), file=answers, flush=True)

    task = Task(**json.loads(sys.stdin.readline()))
    take = variants[task.variant](task)
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    answer({"versions": versions})
    while sys.stdin.readline():
        before = memory()
        reset_peak()
        started = time.perf_counter()
        value = take()
        seconds = time.perf_counter() - started
        found = value if isinstance(value, dict) else {"value": float(value)}
        growth = memory("VmHWM") - before
        answer({"seconds": seconds, "before": before, "growth": growth} | found)
