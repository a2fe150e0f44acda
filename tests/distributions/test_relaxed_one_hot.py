"""Relaxed one-hot distributions: the published density, and what is zero."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special
from support.comparison import assert_exact
from tensorflow_probability import distributions as tfd

from tfvae.distributions import RelaxedOneHotCategorical

BOUND = {"float32": 2.0**-120, "float64": 2.0**-1000}


def published(x, temperature, logits):
    """Equation 10 of Maddison et al., in logarithms and double precision."""
    k = x.shape[-1]
    weights = special.log_softmax(logits, axis=-1)
    powers = weights - temperature * np.log(x)
    return (
        math.lgamma(k)
        + (k - 1) * math.log(temperature)
        + (powers - np.log(x)).sum(-1)
        - k * special.logsumexp(powers, axis=-1)
    )


def written_out(x, temperature, logits, bound):
    """The density of the docstring, one point."""
    kept = x > 0
    n = kept.sum()
    weights = special.log_softmax(logits)
    powers = weights - temperature * np.log(np.maximum(x, bound))
    return (
        math.lgamma(n)
        + (n - 1) * math.log(temperature)
        + (powers[kept] - np.log(x[kept])).sum()
        - n * special.logsumexp(powers)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("classes", [2, 10, 50])
def test_the_published_density(dtype, temperature, classes) -> None:
    rng = np.random.default_rng(0)
    for spread in (0.1, 1.0, 5.0):
        x = rng.dirichlet(np.full(classes, 1 / spread), 200).astype(dtype)
        x = np.maximum(x, 1e-30).astype(dtype)
        logits = (rng.normal(size=classes) * spread).astype(dtype)
        p = RelaxedOneHotCategorical(np.dtype(dtype).type(temperature), logits)
        exact = float(np.dtype(dtype).type(temperature))
        expected = published(np.float64(x), exact, np.float64(logits))
        assert_exact(p.log_prob(x), expected, dtype)
        if temperature >= 0.5:  # the same distribution as that of TFP
            plain = tfd.RelaxedOneHotCategorical(p.temperature, logits=logits)
            np.testing.assert_allclose(
                plain.log_prob(x), expected, rtol=1e-3, atol=1e-6
            )


@pytest.mark.parametrize("classes", [10, 50])
def test_draws_at_a_low_temperature_have_a_density(classes) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=classes).astype(np.float32)
    temperature = np.float32(0.1)
    theirs = tfd.RelaxedOneHotCategorical(temperature, logits=logits)
    # A copy: TFP remembers the logarithms of the very tensor that it drew.
    drawn = theirs.sample(1000, seed=1).numpy().copy()
    lost = ~np.isfinite(theirs.log_prob(drawn))
    assert lost.mean() > (0.005 if classes == 10 else 0.1)
    p = RelaxedOneHotCategorical(temperature, logits)
    uniforms = rng.random((1000, classes)).astype(np.float32)
    x, log_p = p.draw(uniforms)
    assert np.any(x == 0)
    np.testing.assert_allclose(tf.reduce_sum(x, -1), 1, rtol=1e-6)
    expected = [
        written_out(one, float(temperature), np.float64(logits), BOUND["float32"])
        for one in np.float64(x)
    ]
    assert_exact(log_p, expected, "float32")
    assert_exact(p.log_prob(x), expected, "float32")


def test_one_hot_values_have_the_probability_of_rounding_to_them() -> None:
    """The other class lies below c if its exponential is c^-t times larger."""
    logits, temperature = np.array([0.3, -0.4]), 0.02
    p = RelaxedOneHotCategorical(np.float32(temperature), logits.astype(np.float32))
    odds = np.exp(logits[1] - logits[0]) * BOUND["float32"] ** -temperature
    probability = 1 / (1 + odds)
    np.testing.assert_allclose(p.prob([1.0, 0.0]), probability, rtol=1e-5)
    x = p.sample(100_000, seed=2).numpy()
    share = np.mean((x == [1, 0]).all(-1))
    assert abs(share - probability) < 4 * np.sqrt(probability / 100_000)
    assert probability > 0.1


@pytest.mark.parametrize("temperature", [0.02, 0.05])
def test_faces_and_inside_together_have_mass_one(temperature) -> None:
    """Three classes: three corners, three edges and the inside, by quadrature."""
    logits = np.array([0.5, 0.0, -1.0])
    p = RelaxedOneHotCategorical(np.float32(temperature), logits.astype(np.float32))
    exact_temperature = float(np.float32(temperature))
    low = math.log(BOUND["float32"])

    def density(x):
        x = np.asarray(x)
        return np.exp(written_out(x, exact_temperature, logits, BOUND["float32"]))

    corners = [density(corner) for corner in np.eye(3)]
    np.testing.assert_allclose(p.prob(np.eye(3, dtype=np.float32)), corners, rtol=1e-5)

    def edge(pair) -> float:
        # From the middle to either end, in the logarithm of the smaller coordinate.
        total = 0.0
        for small, large in (pair, pair[::-1]):

            def integrand(y, small=small, large=large):
                x = np.zeros(3)
                x[small], x[large] = np.exp(y), -np.expm1(y)
                return density(x) * np.exp(y)

            total += integrate.quad(integrand, low, math.log(0.5), limit=200)[0]
        return total

    edges = sum(edge(pair) for pair in itertools.combinations(range(3), 2))

    # Inside, in the logarithms of the two smaller coordinates over the largest.
    nodes, weights = special.roots_legendre(400)
    line = low / 2 * (1 - nodes)
    inside = 0.0
    for largest in range(3):
        a, b = np.meshgrid(line, line)
        total = 1 + np.exp(a) + np.exp(b)
        x = np.stack([1 / total, np.exp(a) / total, np.exp(b) / total], -1)
        order = [largest, *(k for k in range(3) if k != largest)]
        x = x[..., np.argsort(order)]
        jacobian = np.prod(x, axis=-1)
        values = np.exp(published(x, exact_temperature, logits)) * jacobian
        inside += (weights * -low / 2) @ values @ (weights * -low / 2)
    assert sum(corners) > 0.01
    assert inside > 0.05
    # The boundary between edge and inside is drawn at c, not at c times the total.
    np.testing.assert_allclose(sum(corners) + edges + inside, 1, rtol=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ratio_of_two_densities_has_mean_one(dtype) -> None:
    """E_q[p / q] = 1, where zeros are common and where there are none."""
    rng = np.random.default_rng(3)
    logits = (0.3 * rng.normal(size=(2, 5))).astype(dtype)
    q = RelaxedOneHotCategorical(np.array(0.05, dtype), logits[0])
    p = RelaxedOneHotCategorical(np.array(0.06, dtype), logits[1])
    x, log_q = q.draw(rng.random((200_000, 5)).astype(dtype))
    assert np.mean(np.any(x == 0, axis=-1)) > (0.1 if dtype == "float32" else -1)
    ratio = np.exp(np.float64(p.log_prob(x) - log_q))
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(ratio))
    assert ratio.std() < 20


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_off_the_simplex_there_is_no_density(dtype) -> None:
    """Rounding apart, also that of a thousand classes and of half precision."""
    p = RelaxedOneHotCategorical(np.array(0.5, dtype), np.zeros(3, dtype))
    for x in ([-0.2, 0.6, 0.6], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0], [0.5, 0.5, 0.01]):
        assert p.log_prob(np.array(x, dtype)) == -np.inf
    assert np.isnan(p.log_prob(np.array([0.5, 0.5, np.nan], dtype)))
    rng = np.random.default_rng(4)
    many = RelaxedOneHotCategorical(np.array(0.5, dtype), np.zeros(1000, dtype))
    x, _ = many.draw(rng.uniform(1e-7, 1 - 1e-7, (1000, 1000)).astype(dtype))
    assert np.all(np.isfinite(many.log_prob(x)))
    assert np.all(np.isfinite(p.log_prob(rng.dirichlet([1, 1, 1], 100).astype("f2"))))


def test_extreme_logits_are_finite() -> None:
    extremes = np.float32([-1e5, 0, 1e5])
    logits = np.array(list(itertools.product(extremes, repeat=3)))
    for temperature in (1e-3, 0.1, 10.0):
        with tf.GradientTape() as tape:
            watched = tf.constant(logits)
            tape.watch(watched)
            p = RelaxedOneHotCategorical(temperature, watched)
            ends = [np.full((27, 3), u, np.float32) for u in (2.0**-24, 1 - 2.0**-24)]
            results = [part for end in ends for part in p.draw(end)]
            results += [p.log_prob(x) for x in np.eye(3, dtype=np.float32)]
            results.append(p.log_prob(np.full(3, 1 / 3, np.float32)))
            total = tf.add_n([tf.reduce_sum(result) for result in results])
        assert all(np.all(np.isfinite(result)) for result in results)
        assert np.all(np.isfinite(tape.gradient(total, watched)))
