"""Normals with a diagonal and a few directions, against exact rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.comparison import assert_exact
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae._builtins import builtins_only


def exact(x, loc, scale, factor) -> float:
    """The log density by elimination without rounding, one point of D dimensions."""

    def rational(value):
        return [Fraction(float(number)) for number in np.ravel(value)]

    size = len(loc)
    rows = [rational(row) for row in factor]
    residual = [a - b for a, b in zip(rational(x), rational(loc), strict=True)]
    matrix = [
        [sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) for j in range(size)]
        for i in range(size)
    ]
    for i, number in enumerate(rational(scale)):
        matrix[i][i] += number**2
    determinant, square = Fraction(1), Fraction(0)
    for i in range(size):
        pivot = matrix[i][i]
        determinant *= pivot
        square += residual[i] ** 2 / pivot
        for j in range(i + 1, size):
            share = matrix[j][i] / pivot
            residual[j] -= share * residual[i]
            matrix[j] = [
                a - share * b for a, b in zip(matrix[j], matrix[i], strict=True)
            ]
    log_determinant = math.log(determinant.numerator) - math.log(
        determinant.denominator
    )
    return -0.5 * (float(square) + log_determinant + size * math.log(2 * math.pi))


def example(
    ratio: float, size: int, rank: int, rng: np.random.Generator, number: int = 10
):
    """Values drawn from random parameters, and these, in single precision."""
    factor = rng.normal(size=(size, rank))
    scale = np.exp(rng.normal(0, 0.3, size)) / ratio
    loc = rng.normal(size=size)
    noise = rng.normal(size=(number, size)) * scale
    x = loc + noise + rng.normal(size=(number, rank)) @ factor.T
    return [part.astype(np.float32) for part in (x, loc, scale, factor)]


def test_the_oracle_is_that_of_scipy() -> None:
    x, loc, scale, factor = example(2, 4, 2, np.random.default_rng(0))
    covariance = np.diag(np.float64(scale) ** 2) + np.float64(factor) @ factor.T
    expected = stats.multivariate_normal(loc, covariance).logpdf(x)
    actual = [exact(one, loc, scale, factor) for one in x]
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("ratio", [0.01, 1, 10, 100, 1e3, 1e4, 1e6])
@pytest.mark.parametrize(("size", "rank"), [(1, 1), (4, 1), (5, 2), (3, 5)])
def test_log_prob_in_single_precision(ratio, size, rank) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        x, *parameters = example(ratio, size, rank, rng)
        expected = [exact(one, *parameters) for one in x]
        p = distributions.MultivariateNormalLowRank(*parameters)
        assert_exact(p.log_prob(x), expected, "float32")


def test_tfp_loses_digits_where_the_directions_are_long() -> None:
    rng = np.random.default_rng(2)
    for ratio, more_than in ((10, 5e-4), (1e3, 0.1), (1e4, 1)):
        x, loc, scale, factor = example(ratio, 8, 2, rng, 300)
        expected = np.array([exact(one, loc, scale, factor) for one in x])
        plain = tfd.MultivariateNormalDiagPlusLowRankCovariance(loc, scale**2, factor)
        assert np.abs(plain.log_prob(x) - expected).max() > more_than
        ours = distributions.MultivariateNormalLowRank(loc, scale, factor)
        assert_exact(ours.log_prob(x), expected, "float32")


def test_directions_that_coincide() -> None:
    """The matrix of their products is singular up to one part in 10^22."""
    factor = np.full((3, 3), 1e5, np.float32)
    scale = np.float32([1e-6, 1e-6, 1e-6])
    p = distributions.MultivariateNormalLowRank(np.zeros(3, "f"), scale, factor)
    x = np.float32([[0, 0, 0], [1e-6, 0, 0], [1e5, 1e5, 1e5]])
    expected = [exact(one, np.zeros(3), scale, factor) for one in x]
    assert_exact(p.log_prob(x), expected, "float32")


def test_moments() -> None:
    rng = np.random.default_rng(3)
    _, loc, scale, factor = example(1, 4, 2, rng)
    p = distributions.MultivariateNormalLowRank(loc, scale, factor)
    covariance = np.diag(np.float64(scale) ** 2) + np.float64(factor) @ factor.T
    np.testing.assert_array_equal(p.mean(), loc)
    np.testing.assert_allclose(p.covariance(), covariance, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(p.variance(), np.diag(covariance), rtol=1e-6)
    np.testing.assert_allclose(p.stddev(), np.sqrt(np.diag(covariance)), rtol=1e-6)
    logdet = np.linalg.slogdet(covariance)[1]
    np.testing.assert_allclose(p.log_determinant(), logdet, rtol=1e-5)
    entropy = stats.multivariate_normal(loc, covariance).entropy()
    np.testing.assert_allclose(p.entropy(), entropy, rtol=1e-5)
    np.testing.assert_array_equal(p.mode(), loc)
    x = p.sample(100_000, seed=4).numpy().astype(float)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.05 * covariance.max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_density_of_a_draw_comes_from_its_noise(dtype) -> None:
    """Also where the rounding of the draw would move it by many nats."""
    rng = np.random.default_rng(5)
    _, loc, scale, factor = (part.astype(dtype) for part in example(1e6, 4, 2, rng))
    p = distributions.MultivariateNormalLowRank(loc, scale, factor)
    noise = rng.normal(size=(20, 6)).astype(dtype)
    _, actual = p.draw(noise)
    own, common = (np.float64(part) for part in np.split(noise, [4], axis=-1))
    move = own * np.float64(scale) + common @ np.float64(factor).T
    exactly = [exact(one, np.zeros(4), scale, factor) for one in move]
    assert_exact(actual, exactly, "float32")


def test_batches_broadcast() -> None:
    rng = np.random.default_rng(6)
    parts = [example(3, 4, 2, rng) for _ in range(6)]
    loc, scale, factor = (np.stack(part) for part in list(zip(*parts, strict=True))[1:])
    p = distributions.MultivariateNormalLowRank(
        loc.reshape(2, 3, 4), scale.reshape(2, 3, 4), factor.reshape(2, 3, 4, 2)
    )
    assert p.batch_shape == (2, 3)
    assert p.event_shape == (4,)
    x = rng.normal(size=(5, 1, 1, 4)).astype(np.float32)
    actual = p.log_prob(x).numpy().reshape(5, 6)
    expected = [[exact(one[0, 0], *part[1:]) for part in parts] for one in x]
    assert_exact(actual, expected, "float32")
    shared = distributions.MultivariateNormalLowRank(loc, scale[0], factor[0])
    assert shared.batch_shape == (6,)
    assert shared.mean().shape == shared.stddev().shape == (6, 4)
    assert shared.entropy().shape == (6,)


def test_the_form_for_builtins_is_the_same_density() -> None:
    x, *parameters = example(3, 4, 2, np.random.default_rng(7))
    p = distributions.MultivariateNormalLowRank(*parameters)
    with builtins_only():
        written_out = tf.function(lambda x: p.log_prob(x)).get_concrete_function(x)
    assert not any(
        tensor.dtype == tf.float64
        for op in written_out.graph.get_operations()
        for tensor in op.outputs
    )
    np.testing.assert_allclose(written_out(x), p.log_prob(x), rtol=1e-5)
