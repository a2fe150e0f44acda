"""Log-normal and Student's t distributions against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.comparison import assert_exact
from tensorflow_probability import distributions as tfd

from tfvae import _builtins, distributions
from tfvae._builtins import builtins_only


def relative_error(actual, expected) -> float:
    error = np.abs(np.asarray(actual, np.float64) - expected)
    return float(np.max(error / np.maximum(1, np.abs(expected))))


def log_normal(x, loc, scale):
    """The density in double precision, for numbers rounded to single precision."""
    x, loc, scale = (np.float64(np.float32(value)) for value in (x, loc, scale))
    return stats.norm.logpdf(np.log(x), loc, scale) - np.log(x)


@pytest.mark.parametrize(
    ("loc", "scale", "more_than"), [(5, 0.01, 1e-5), (5, 1e-3, 1e-3)]
)
def test_log_normals_with_small_scales(loc, scale, more_than) -> None:
    rng = np.random.default_rng(0)
    x = np.exp(rng.normal(loc, scale, 20_000)).astype(np.float32)
    expected = log_normal(x, loc, scale)
    loc, scale = np.float32(loc), np.float32(scale)
    assert relative_error(tfd.LogNormal(loc, scale).log_prob(x), expected) > more_than
    ours = distributions.LogNormal(loc, scale).log_prob(x)
    assert relative_error(ours, expected) < 2e-7


@pytest.mark.parametrize("loc", [-80, -1, 0, 1, 80])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 1, 30])
def test_log_normals_at_every_magnitude(loc, scale) -> None:
    x = np.logspace(-37, 38, 500).astype(np.float32)
    p = distributions.LogNormal(np.float32(loc), np.float32(scale))
    assert_exact(p.log_prob(x), log_normal(x, loc, scale), "float32")


def test_log_normals_are_positive() -> None:
    p = distributions.LogNormal(0.0, [1.0, 2.0])
    for x in (0.0, -0.0, -1.0, -np.inf):
        np.testing.assert_array_equal(p.log_prob(x), [-np.inf, -np.inf])
    with tf.GradientTape() as tape:
        x = tf.constant([-1.0, 0, 1])
        tape.watch(x)
        density = tf.reduce_sum(distributions.LogNormal(0.5, 1.0).log_prob(x)[2:])
    np.testing.assert_allclose(tape.gradient(density, x), [0, 0, -0.5], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.5, 3])
def test_log_normal_moments(scale) -> None:
    scale = np.float32(scale)
    p = distributions.LogNormal(np.float32(2), scale)
    expected = stats.lognorm(np.float64(scale), scale=np.exp(2))
    np.testing.assert_allclose(p.mean(), expected.mean(), rtol=2e-6)
    # SciPy's variance is a difference of two nearly equal numbers.
    stddev = expected.mean() * np.sqrt(np.expm1(np.float64(scale) ** 2))
    np.testing.assert_allclose(p.stddev(), stddev, rtol=2e-6)
    np.testing.assert_allclose(p.variance(), stddev**2, rtol=4e-6)


DEGREES = [1e-2, 0.5, 2.000001, 2.5, 5, 30, 1e3, 1e4, 1e5, 1e6]


@pytest.mark.parametrize("df", DEGREES)
@pytest.mark.parametrize("form", ["default", "builtins"])
def test_student_t_against_scipy(df, form) -> None:
    rng = np.random.default_rng(1)
    df, loc, scale = np.float32(df), np.float32(3), np.float32(0.7)
    x = rng.standard_t(np.maximum(df, 1), 5000) * scale + loc
    x = np.concatenate([x, rng.choice([-1, 1], 200) * np.logspace(-3, 18, 200)])
    x = x.astype(np.float32)
    p = distributions.StudentT(df, loc, scale)
    if form == "default":
        actual = p.log_prob(x)
    else:
        with builtins_only():
            actual = p.log_prob(x)
    wide = (np.float64(value) for value in (df, loc, scale))
    assert_exact(actual, stats.t.logpdf(np.float64(x), *wide), "float32")


def test_the_form_of_student_t_for_builtins_has_only_such_operations() -> None:
    p = distributions.StudentT(3.0, 0.0, 1.0)
    with builtins_only():
        written_out = tf.function(lambda x: p.log_prob(x)).get_concrete_function(
            tf.TensorSpec([None])
        )
    kinds = {op.type for op in written_out.graph.get_operations()}
    assert not {"Lgamma", "Log1p"} & kinds


@pytest.mark.parametrize("function", ["log1p", "expm1", "softplus"])
def test_functions_for_builtins(function) -> None:
    size = np.logspace(-30, 1.9, 400)
    x = np.concatenate([size, -size]).astype(np.float32)
    if function == "log1p":
        x = x[x > -1]
    if function == "softplus":
        x = np.concatenate([x, [-1e4, 1e4, 1e11]]).astype(np.float32)
    exact = {"softplus": lambda x: np.logaddexp(0, x)}
    expected = exact.get(function, getattr(np, function, None))(np.float64(x))
    ours = getattr(_builtins, function)
    np.testing.assert_allclose(ours(tf.constant(x)), expected, rtol=1e-6)
    with builtins_only():
        actual = tf.function(lambda x: ours(x), autograph=False)(x)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-37)
