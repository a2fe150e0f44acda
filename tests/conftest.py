"""What every test has: a seed of its own. Doctests have none, like their readers."""

import zlib

import keras
import pytest


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Seed Python, NumPy and TensorFlow from the test's name, whatever ran before."""
    keras.utils.set_random_seed(zlib.crc32(request.node.nodeid.encode()))
