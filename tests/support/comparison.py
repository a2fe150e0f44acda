"""How close two numbers must be."""

from typing import Any

import numpy as np

__all__ = ["assert_exact"]


def assert_exact(actual: Any, expected: Any, dtype: str) -> None:
    """1e-5 max(1, |log p|) in float32; rounding alone in float64."""
    tolerance = {"float64": 1e-9, "float32": 1e-5}[dtype]
    error = np.abs(np.asarray(actual, np.float64) - expected)
    worst = np.max(error / np.maximum(1, np.abs(expected)))
    assert worst <= tolerance
