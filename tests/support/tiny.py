"""The small trained model that comes with the repository."""

import json
from pathlib import Path

import keras
import pytest
from packaging.version import Version

__all__ = ["RECORD", "TINY", "readable"]

TINY = Path(__file__).parents[2] / "saved_models" / "tiny"
RECORD = json.loads((TINY / "metrics.json").read_text())

# Keras reads what older releases wrote, not what newer ones did.
readable = pytest.mark.skipif(
    Version(keras.__version__) < Version(RECORD["versions"]["keras"]),
    reason="the small model was written by a newer Keras",
)
