"""Argument checks: what they take, and the sentence they refuse the rest with."""

from collections import OrderedDict

import numpy as np
import pytest
import tensorflow as tf

from tfvae import _checks


def refused(message: str):
    return pytest.raises(ValueError, match=message)


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(7)])
def test_positive_int(value) -> None:
    actual = _checks.positive_int("count", value)
    assert actual == value
    assert type(actual) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None, [1], np.float32(1)])
def test_no_positive_int(value) -> None:
    with refused(r"^`count` must be a positive integer\. Received: .+\.$"):
        _checks.positive_int("count", value)


@pytest.mark.parametrize("value", [-2, 0, 1.5, np.float32(0.5), np.int64(3)])
def test_finite_number(value) -> None:
    actual = _checks.finite_number("beta", value)
    assert actual == value
    assert type(actual) is float


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, True, "1", None, [1], 1j])
def test_no_finite_number(value) -> None:
    with refused(r"^`beta` must be a finite number\. Received: .+\.$"):
        _checks.finite_number("beta", value)


def test_numbers_above_a_bound() -> None:
    assert _checks.finite_number("scale", 1e-30, above=0) == 1e-30
    for value in (0, -1, np.nan):
        with refused(r"^`scale` must be a finite number greater than 0\. Received: "):
            _checks.finite_number("scale", value, above=0)


def test_one_of() -> None:
    assert _checks.one_of("kind", "a", ("a", None)) == "a"
    assert _checks.one_of("kind", None, ("a", None)) is None
    for value in ("b", "", "A", 0, False, [], np.ones(2)):
        with refused(r"^`kind` must be one of 'a', None\. Received: "):
            _checks.one_of("kind", value, ("a", None))


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (3, (3,)),
        (np.int32(3), (3,)),
        ([3, 4], (3, 4)),
        ((np.int64(3), 1), (3, 1)),
    ],
)
def test_event_shape(value, shape) -> None:
    actual = _checks.event_shape(value)
    assert actual == shape
    assert all(type(axis) is int for axis in actual)


BAD_SHAPES = [0, -1, 1.0, True, None, "3", (), [], (0,), (3, None), (3, 1.5), {3}, b"3"]


@pytest.mark.parametrize("value", [*BAD_SHAPES, OrderedDict()], ids=repr)
def test_no_event_shape(value) -> None:
    with refused(r"^`event_shape` must be a positive integer.* Received: .+\.$"):
        _checks.event_shape(value)


@pytest.mark.parametrize("shape", [(None, 4, 3), (8, 4, 3), (1, None, 3)])
def test_has_shape(shape) -> None:
    _checks.has_shape("x", shape, (4, 3))


@pytest.mark.parametrize("shape", [(8, 3, 4), (8, 4), (8, 4, 3, 1), (), (8, 12)])
def test_another_shape(shape) -> None:
    with refused(r"^`x` must have the shape \[batch, 4, 3\]\. Received .* \[.*\]\.$"):
        _checks.has_shape("x", shape, (4, 3))


def test_a_shape_without_its_batch() -> None:
    with refused(r"Received the shape \[4, 3\]\. The batch axis is missing: "):
        _checks.has_shape("x", (4, 3), (4, 3))


@pytest.mark.parametrize("shape", [None, (4, 3), (None, 3), (8, 2, 4, None)])
def test_ends_with(shape) -> None:
    _checks.ends_with("z", tf.TensorShape(shape), (4, 3))


@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (4, 3, 1), (4, None, 4)])
def test_another_end(shape) -> None:
    with refused(r"^`z` must have the shape \[\.\.\., 4, 3\]\. Received .* \[.*\]\.$"):
        _checks.ends_with("z", tf.TensorShape(shape), (4, 3))


@pytest.mark.parametrize("shape", [(None, 7), (8, 7), (8, 4, 5, 7), (None, 4, 5, 7)])
def test_features(shape) -> None:
    _checks.features("Normal", shape, (4, 5))


@pytest.mark.parametrize("shape", [(), (7,), (8, 4, 7), (8, 5, 4, 7), (8, 4, 5, 1, 7)])
def test_other_features(shape) -> None:
    with refused(r"^Normal takes .* \[batch, 4, 5, features\]\. Received .*; put "):
        _checks.features("Normal", shape, (4, 5))


def test_descriptions() -> None:
    array = np.zeros((2, 3), np.float32)
    assert _checks.describe(array) == "an array of shape [2, 3] and dtype float32"
    assert _checks.describe("text") == "str"
    assert _checks.describe(None) == "NoneType"
