"""What `metrics.json` says, so that a run can be repeated."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfvae.datasets import Arrays

__all__ = ["describe", "to_json"]


def describe(source: str, arrays: Arrays) -> dict[str, Any]:
    """Returns where the data came from and what they are."""
    return {
        "source": source,
        "kind": arrays.kind,
        "maximum": arrays.maximum,
        "event_shape": list(arrays.event_shape),
        "training_examples": len(arrays.x_train),
        "test_examples": len(arrays.x_test),
    }


def to_json(record: dict[str, Any]) -> str:
    """Returns indented JSON with every list of numbers on one line.

    JSON has no infinity and no NaN, which become null.
    """
    text = json.dumps(_finite(record), indent=2, allow_nan=False)
    flat = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)
    return flat + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
