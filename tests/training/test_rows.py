"""Rows of arrays as the batches of epochs."""

import gc
import itertools
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfvae.training import Rows


def epoch(rows: Rows) -> list[np.ndarray]:
    """The batches of an epoch, taken by hand."""
    rows.start()
    order = np.arange(rows.size) if rows.order is None else rows.order.numpy()
    step = rows.batch_size
    return [order[i : i + step] for i in range(0, rows.size, step)]


@pytest.mark.parametrize("size", [1, 8, 9, 23, 24])
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_every_row_once_in_an_epoch(size, shuffle) -> None:
    x = np.arange(2 * size).reshape(size, 2)
    rows = Rows((x,), 8, shuffle, lambda: (3,))
    batches = epoch(rows)
    assert len(batches) == rows.batches == int(rows.as_numbers().cardinality())
    assert sum(len(batch) == 8 for batch in batches) == rows.full_batches
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(size))
    if shuffle == "batch":
        for i, batch in enumerate(batches):
            assert set(batch // 8) == {i}
    if shuffle is False:
        np.testing.assert_array_equal(np.concatenate(batches), np.arange(size))
    elif size > 8:
        assert (np.concatenate(batches) != np.arange(size)).any()
    (last,) = rows.last()
    expected = x[batches[-1]] if size % 8 else x[:0]
    np.testing.assert_array_equal(last, expected)


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_datasets_have_the_same_batches(shuffle) -> None:
    x, weights = np.random.normal(size=(21, 3)), np.arange(21.0)
    seeds = iter([(1, 0), (1, 5), (1, 5)])
    rows = Rows((x, weights), 8, shuffle, lambda: next(seeds))
    dataset = rows.as_batches()
    for _ in range(3):
        expected, batches = epoch(rows), [*dataset.as_numpy_iterator()]
        assert len(batches) == int(dataset.cardinality()) == 3
        for (a, b), numbers in zip(batches, expected, strict=True):
            np.testing.assert_array_equal(a, x[numbers].astype("float32"))
            np.testing.assert_array_equal(b, numbers)


def test_the_order_follows_its_seed() -> None:
    x = np.zeros((1000, 1))
    one, two, other = (Rows((x,), 10, True, lambda s=s: (s,)) for s in (1, 1, 2))
    orders = [np.concatenate(epoch(rows)) for rows in (one, two, other)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).mean() > 0.9


def test_an_order_is_not_repeated_where_its_seed_is() -> None:
    rows = Rows((np.zeros((1000, 1)),), 10, True, lambda: (7,))
    orders = [np.concatenate(epoch(rows)) for _ in range(3)]
    for one, two in itertools.pairwise(orders):
        assert (one != two).mean() > 0.9


def test_tensorflow_does_not_keep_the_arrays() -> None:
    rows = Rows((np.zeros((10, 1)),), 5, True, lambda: (0,))
    rows.start()
    assert len([*rows.as_batches()]) == 2
    reference = weakref.ref(rows)
    del rows
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("make", [np.asarray, tf.constant], ids=["array", "tensor"])
@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("float64", "float32"),
        ("float32", "float32"),
        ("float16", "float32"),
        ("uint8", "uint8"),
        ("int64", "int64"),
        ("bool", "bool"),
    ],
)
def test_dtypes_are_those_that_keras_makes(make, dtype, kept) -> None:
    x = (np.random.random((13, 3)) * 2).astype(dtype)
    (found,) = Rows((make(x),), 4).arrays
    assert found.dtype == kept
    np.testing.assert_array_equal(found, x.astype(kept))


def test_arrays_are_copied_whatever_their_layout() -> None:
    x = np.random.random((40, 7)).astype("float32")
    views = {"whole": x, "rows": x[1:], "columns": x[:, 1:], "every other": x[::2]}
    for view in views.values():
        expected = view.copy()
        (found,) = Rows((view,), 4).arrays
        view += 1
        np.testing.assert_array_equal(found, expected)
        # XLA reads the buffer as it is.
        total = tf.function(tf.reduce_sum, jit_compile=True)(found)
        assert float(total) == pytest.approx(expected.sum(), rel=1e-5)


def test_one_copy_is_all_that_an_array_costs() -> None:
    code = """
import numpy as np, tensorflow as tf
from tfvae.training import Rows

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

tf.constant(1.0)
Rows((np.ones((10, 1), "float32"),), 5)
x = np.ones((200, 2**18), "float32")
before = peak()
rows = Rows((x,), 10)
print((peak() - before) * 1024 / x.nbytes)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the largest memory of a process there")
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 0.9 < float(run.stdout) < 1.1
