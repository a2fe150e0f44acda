"""What every test has: a seed of its own. Doctests have none, like their readers."""

import gc
import zlib
from collections.abc import Iterator

import keras
import pytest
from support.graphs import forgotten_graphs

# Collected for doctests it would be imported a second time, under another name.
collect_ignore = ["support"]


def pytest_collection_finish() -> None:
    """Spare the collections to come a look at all that TensorFlow's import made."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Seed Python, NumPy and TensorFlow from the test's name, whatever ran before."""
    keras.utils.set_random_seed(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(autouse=True, scope="module")
def _graphs() -> Iterator[None]:
    """Forget the graphs of a module when its tests are done."""
    with forgotten_graphs():
        yield
    gc.freeze()


@pytest.fixture
def float64() -> Iterator[None]:
    """Make models, and what Keras makes of data, double precision."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])
