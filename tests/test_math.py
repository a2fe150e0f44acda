"""Numerics against NumPy and SciPy; seeds and noise."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tfvae import _builtins, _math


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_positive_is_softplus_and_a_little_more(dtype) -> None:
    raw = np.array([-1e4, -100, -20, -1, 0, 1e-8, 1, 30, 1e4], dtype)
    expected = np.logaddexp(0.0, raw.astype(np.float64)) + 1e-6
    actual = _math.positive(tf.constant(raw))
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=2 * np.finfo(dtype).eps)


def test_log_2pi() -> None:
    assert math.exp(_math.LOG_2PI) == pytest.approx(2 * math.pi, rel=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_log_mean_exp(axis) -> None:
    values = np.random.default_rng(90).normal(0, 3, size=(5, 7))
    expected = np.log(np.mean(np.exp(values), axis=axis))
    actual = _math.log_mean_exp(tf.constant(values), axis=axis)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_log_mean_exp_does_not_overflow() -> None:
    for shift in (-1e5, -1e3, 1e3, 1e5):
        values = np.array([shift, shift + 1, -np.inf])
        expected = special.logsumexp(values) - np.log(3)
        np.testing.assert_allclose(_math.log_mean_exp(tf.constant(values)), expected)
    nothing = tf.constant([-np.inf, -np.inf])
    assert _math.log_mean_exp(nothing) == -np.inf
    one = tf.constant([[2.5]])
    np.testing.assert_array_equal(_math.log_mean_exp(one), [2.5])


@pytest.mark.parametrize(
    ("seed", "pair"),
    [
        (0, [0, 0]),
        (7, [7, 0]),
        (2**31 - 1, [2**31 - 1, 0]),
        (2**31, [0, 1]),
        (2**62 - 1, [2**31 - 1, 2**31 - 1]),
        ((3, 4), [3, 4]),
        ([-3, 4], [-3, 4]),
        (np.array([3, 4], np.int64), [3, 4]),
        (tf.constant([3, 4]), [3, 4]),
    ],
)
def test_seeds(seed, pair) -> None:
    actual = _math.as_seed(seed)
    assert actual.dtype == tf.int32
    np.testing.assert_array_equal(actual, pair)


BAD = [-1, 2**62, 1.0, None, "1", True, (), (1,), (1, 2, 3), (1.0, 2.0), [[1, 2]], {}]


@pytest.mark.parametrize("seed", BAD, ids=repr)
def test_bad_seeds(seed) -> None:
    message = r"`seed` must be a non-negative integer below 2\*\*62 or a pair of int32"
    with pytest.raises(ValueError, match=message + r"\. Received: "):
        _math.as_seed(seed)


def test_derived_seeds_differ() -> None:
    seed = tf.constant([5, 6])
    derived = [seed, *_math.split_seed(seed)]
    derived += [_math.fold_in(seed, number) for number in range(20)]
    derived += [_math.fold_in(derived[1], 0), _math.fold_in(derived[2], 0)]
    for one, two in itertools.combinations(derived, 2):
        assert np.any(one != two)
    again = [seed, *_math.split_seed(seed), _math.fold_in(seed, tf.constant(0))]
    for one, two in zip(derived, again, strict=False):
        np.testing.assert_array_equal(one, two)
    assert {part.dtype for part in derived} == {tf.int32}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise(kind, dtype) -> None:
    distribution = {"normal": stats.norm, "uniform": stats.uniform}[kind]
    noise = _math.standard_noise(kind, (100, 200), tf.constant([1, 2]), dtype)
    assert noise.dtype == dtype
    assert stats.kstest(noise.numpy().ravel(), distribution.cdf).pvalue > 1e-4
    again = _math.standard_noise(kind, (100, 200), tf.constant([1, 2]), dtype)
    np.testing.assert_array_equal(noise, again)
    other = _math.standard_noise(kind, (100, 200), tf.constant([1, 3]), dtype)
    assert abs(np.corrcoef(noise.numpy().ravel(), other.numpy().ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_uniforms_are_never_zero_or_one(jit_compile) -> None:
    """Of 2**25 plain ones about four are zero, and are a quantile of -inf."""

    @tf.function(jit_compile=jit_compile)
    def ends(seed):
        noise = _math.standard_noise("uniform", (2**20,), seed, tf.float32)
        return tf.reduce_min(noise), tf.reduce_max(noise)

    for number in range(32):
        low, high = ends(tf.constant([number, 9]))
        assert 0 < low < 1e-4
        assert 1 - 1e-4 < high < 1


def test_builtins_only_ends_with_its_block() -> None:
    assert not _builtins.traces_builtins_only()
    with pytest.raises(RuntimeError), _builtins.builtins_only():  # noqa: PT012
        assert _builtins.traces_builtins_only()
        raise RuntimeError
    assert not _builtins.traces_builtins_only()


def test_seeds_and_noise_are_the_same_under_xla() -> None:
    def draws(seed: tf.Tensor) -> list[tf.Tensor]:
        folded = _math.fold_in(_math.fold_in(seed, 2**31 - 1), 4)
        first, second = _math.split_seed(folded)
        noise = _math.standard_noise("uniform", [50], second, tf.float32)
        return [folded, first, noise]

    for seed in ([3, 9], [-5, 7], [2**31 - 1, -(2**31)]):
        plain = tf.function(draws)(tf.constant(seed))
        compiled = tf.function(draws, jit_compile=True)(tf.constant(seed))
        for one, other in zip(plain, compiled, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_uniforms_make_two_normals(dtype) -> None:
    rng = np.random.default_rng(4)
    u, v = rng.random((2, 10**5)).astype(dtype)
    v[:9] = np.arange(9) / 8  # where one series takes over from another
    radius = np.sqrt(-2 * np.log(np.longdouble(u)))
    angle = 2 * np.pi * np.longdouble(v)
    limit = 2 * np.finfo(dtype).eps
    normals = _math.normals_from_uniforms(tf.constant(u), tf.constant(v))
    for function, normal in zip((np.cos, np.sin), normals, strict=True):
        assert normal.dtype == dtype
        np.testing.assert_array_less(
            np.abs(normal - radius * function(angle)), limit * (1 + radius)
        )
