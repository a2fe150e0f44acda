"""Draws of the layers: their distribution, their density, their seeds."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.layer_cases import CASES, Case, from_raw, names, raw_numbers

import tfvae

DRAWS = 4000

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
continuous = pytest.mark.parametrize(
    "case", [c for c in CASES if c.reparameterised], ids=lambda case: case.name
)
counts = pytest.mark.parametrize(
    "case", [c for c in CASES if not c.reparameterised], ids=lambda case: case.name
)


def draw(case: Case, shape: tuple[int, ...], size: int = 3, dtype: str = "float32"):
    rng = np.random.default_rng(10)
    raw = raw_numbers(case, 4, size, rng)
    layer, q, p = from_raw(case, raw, size, dtype)
    x, log_q = layer.sample_and_log_prob(q, shape, seed=11)
    return layer, q, p, np.asarray(x, np.float64), log_q.numpy()


def noise_for(case: Case, shape: tuple[int, ...], dtype: str = "float32"):
    rng = np.random.default_rng(12)
    numbers = rng.normal if case.cls.noise == "normal" else rng.uniform
    return numbers(size=shape).astype(dtype)


@continuous
def test_draws_are_uniform_through_the_distribution_function(case) -> None:
    """Kolmogorov-Smirnov for each element, and no correlation between elements."""
    _, _, p, x, _ = draw(case, (DRAWS,))
    uniforms = case.oracle(3).uniforms(x, p).reshape(DRAWS, -1)
    for column in uniforms.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(uniforms.T) - np.eye(uniforms.shape[1])
    assert np.abs(correlation).max() < 4.5 / np.sqrt(DRAWS)


@counts
def test_draws_have_the_frequencies_of_their_masses(case) -> None:
    """Chi-square over counts, those that are expected less than 10 times joined."""
    _, _, p, x, _ = draw(case, (DRAWS,))
    n = case.arguments.get("total_count", 1)
    for i, j in np.ndindex(4, 3):
        mass = stats.binom.pmf(np.arange(n + 1), n, special.expit(p["logits"][i, j]))
        observed = np.bincount(x[:, i, j].astype(int), minlength=n + 1)
        order = np.argsort(-mass)
        kept = order[mass[order] * DRAWS >= 10]
        rest = order[len(kept) :]
        joined = [np.append(part[kept], part[rest].sum()) for part in (mass, observed)]
        expected = np.maximum(joined[0] * DRAWS, 1e-9)
        if expected[-1] < 1:  # too few to test, and too few to matter
            assert joined[1][-1] < 8
            joined[1], expected = joined[1][:-1], expected[:-1]
            expected *= joined[1].sum() / expected.sum()
        assert stats.chisquare(joined[1], expected).pvalue > 1e-4


@every_case
def test_draws_lie_in_the_support(case) -> None:
    layer, _, _, x, _ = draw(case, (DRAWS,))
    assert not np.any(layer.unsupported(x))


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_density_that_comes_with_the_draws_is_theirs(case, dtype) -> None:
    _, q, p, x, log_q = draw(case, (50,), dtype=dtype)
    expected = case.oracle(3).log_prob(x, p)
    # A continuous draw is rounded, which moves the density as far as its slope.
    tolerance = {"float64": 1e-9, "float32": 1e-5}[dtype]
    if case.name == "multivariate-normal" and dtype == "float32":
        tolerance = 1e-4
    np.testing.assert_allclose(log_q, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(q.log_prob(x), log_q, rtol=tolerance, atol=tolerance)


@every_case
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_transform_is_the_documented_function_of_the_noise(case, shape) -> None:
    raw = raw_numbers(case, 4, 3, np.random.default_rng(13), 2)
    layer, q, p = from_raw(case, raw, 3)
    noise = noise_for(case, (*shape, 4, 3), "float64")
    x, log_q = layer.transform(q, noise)
    expected = case.oracle(3).draw(noise, p)
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-12)
    density = case.oracle(3).log_prob(expected, p)
    np.testing.assert_allclose(log_q, density, rtol=1e-9, atol=1e-9)
    again, log_again = layer.transform(q, noise)
    np.testing.assert_array_equal(again, x)
    np.testing.assert_array_equal(log_again, log_q)


@pytest.mark.parametrize("logit", [1e4, 100, 20, 1e-2, 9.99e-3, 1e-3, 1e-12, 0])
def test_continuous_bernoulli_quantiles_are_exact(logit) -> None:
    layer = tfvae.layers.ContinuousBernoulli(1, projection=None, dtype="float64")
    u = np.linspace(0, 1, 101)[:, None]
    for sign in (1, -1):
        logits = np.full_like(u, sign * logit)
        x = layer(logits).distribution.quantile(u).numpy()
        if logit == 0:
            np.testing.assert_allclose(x, u, rtol=1e-14)
            continue
        # The distribution function at the quantile: e^(l (x - 1)) without overflow.
        size = abs(logit)
        y, v = (x, u) if sign < 0 else (1 - x, 1 - u)
        actual = np.expm1(-size * y) / np.expm1(-size)
        np.testing.assert_allclose(actual, v, rtol=1e-9, atol=1e-12)


@every_case
def test_extreme_noise_gives_probable_draws(case) -> None:
    """The smallest and the largest uniform number are rare, not impossible."""
    if case.cls.noise != "uniform":
        return
    logits = np.array([[-9.0, -3, -1, 0, 1, 3, 9]], np.float32)
    layer, q, _ = from_raw(case, logits, 7, "float32")
    ends = np.array([2.0**-24, 1 - 2.0**-24], np.float32)
    x, log_q = layer.transform(q, np.broadcast_to(ends[:, None, None], (2, 1, 7)))
    assert not np.any(layer.unsupported(x))
    # Seven draws of a probability of 1e-7 each.
    assert np.all(log_q > -7 * 25)


@every_case
def test_a_seed_decides_the_draws(case) -> None:
    layer, q, _, x, log_q = draw(case, (5,))
    for same in (11, (11, 0), tf.constant([11, 0]), np.array([11, 0])):
        again, log_again = layer.sample_and_log_prob(q, (5,), seed=same)
        np.testing.assert_array_equal(again, x)
        np.testing.assert_array_equal(log_again, log_q)
    for other in (12, 11 + 2**31, (0, 11), None):
        assert np.any(layer.sample_and_log_prob(q, (5,), seed=other)[0] != x)
    assert np.any(layer.sample_and_log_prob(q, (5,))[0] != x)


@every_case
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_shapes_of_draws(case, shape) -> None:
    layer, q, _, x, log_q = draw(case, shape, size=3)
    assert x.shape == (*shape, 4, 3)
    assert log_q.shape == (*shape, 4)
    assert q.batch_shape == (4,)
    assert layer.event_shape == (3,)


@pytest.mark.parametrize(
    "seed", [-1, 2**62, 1.5, "a", [1], [1, 2, 3], [1.5, 2.5], True]
)
def test_bad_seeds(seed) -> None:
    layer = tfvae.layers.Normal(2)
    with pytest.raises(ValueError, match=r"`seed` must be .* Received: "):
        layer.sample_and_log_prob(layer(np.ones((1, 2))), seed=seed)
