"""Arrays are looked at in chunks of rows, in order."""

import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import _chunks, _data
from tfvae._chunks import in_chunks


@pytest.mark.parametrize("make", [np.asarray, tf.constant], ids=["array", "tensor"])
@pytest.mark.parametrize(("rows", "chunks"), [(1, 1), (7, 3), (9, 3), (10, 4)])
def test_chunks_are_all_rows_in_order(make, rows, chunks, monkeypatch) -> None:
    monkeypatch.setattr(_chunks, "_BYTES", 3 * 5 * 4 + 1)
    x = make(np.arange(rows * 5, dtype=np.float32).reshape(rows, 5))
    parts = list(in_chunks(lambda part: np.asarray(x[part]), x))
    assert len(parts) == chunks
    np.testing.assert_array_equal(np.concatenate(parts), x)


def test_rows_larger_than_a_chunk_come_one_by_one(monkeypatch) -> None:
    monkeypatch.setattr(_chunks, "_BYTES", 8)
    x = np.zeros((3, 5))
    assert list(in_chunks(lambda part: part, x)) == [slice(i, i + 1) for i in range(3)]


def test_an_error_in_a_chunk_is_raised(monkeypatch) -> None:
    monkeypatch.setattr(_chunks, "_BYTES", 8)

    def fail(part: slice) -> None:
        raise ArithmeticError(part.start)

    with pytest.raises(ArithmeticError, match="0"):
        list(in_chunks(fail, np.zeros((100, 5))))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [(np.nan, "finite numbers"), (np.inf, "finite numbers"), (0.5, "the support of")],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_bad_value_of_many_is_named(value, complaint, dtype) -> None:
    x = np.zeros((20_000, 200), dtype)
    x[7_001, 3] = x[7_001, 9] = x[15_000, 0] = value
    words = f"`x` must .*{complaint}.* Received: {value} at \\[7001, 3\\]"
    with pytest.raises(ValueError, match=words):
        _data.check_array(tfvae.layers.Bernoulli(200), x)


def test_numbers_too_large_for_the_model_are_not_finite() -> None:
    x = np.zeros((5, 2))
    x[3, 1] = 1e300
    with pytest.raises(ValueError, match=r"finite numbers.*1e\+300 at \[3, 1\]"):
        _data.check_array(tfvae.layers.Normal(2), x)
