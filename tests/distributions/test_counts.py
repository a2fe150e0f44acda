"""Poisson and negative binomial distributions, and those with additional zeros."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.comparison import assert_exact
from support.families.counts import log_negative_binomial, log_poisson
from tensorflow_probability import distributions as tfd

from tfvae import distributions

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
NUMBER = 50_000


def examples(dtype: str):
    """Rates, inverse dispersions and counts, typical and not."""
    rng = np.random.default_rng(0)
    rate = (10 ** rng.uniform(-6, 7, NUMBER)).astype(dtype)
    trials = (10 ** rng.uniform(-6, 10, NUMBER)).astype(dtype)
    mixed = rng.gamma(np.float64(trials)) / trials * rate
    typical = rng.poisson(
        np.minimum(np.where(rng.random(NUMBER) < 0.5, rate, mixed), 1e7)
    )
    other = np.floor(10 ** rng.uniform(-0.5, 7, NUMBER))
    count = np.where(rng.random(NUMBER) < 0.7, typical, other).astype(dtype)
    return rate, trials, np.minimum(count, 1e7)


def worst(actual, expected) -> float:
    error = np.abs(np.asarray(actual, np.float64) - expected)
    return float(np.max(error / np.maximum(1, np.abs(expected))))


def test_the_oracles_are_those_of_scipy() -> None:
    rate, trials, count = examples("float64")
    assert worst(stats.poisson.logpmf(count, rate), log_poisson(count, rate)) < 1e-8
    small = (trials < 1e4) & (rate < 1e4) & (count < 1e4)
    m, r, k = rate[small], trials[small], count[small]
    expected = (
        special.gammaln(k + r)
        - special.gammaln(r)
        - special.gammaln(k + 1)
        - r * np.log1p(m / r)
        + special.xlogy(k, m / (r + m))
    )
    assert worst(log_negative_binomial(k, m, r), expected) < 1e-9


@both_dtypes
def test_log_masses_are_exact(dtype) -> None:
    rate, trials, count = examples(dtype)
    exact = log_poisson(count, rate)
    assert_exact(distributions.Poisson(rate).log_prob(count), exact, dtype)
    exact = log_negative_binomial(count, rate, trials)
    p = distributions.NegativeBinomial(rate, trials)
    assert_exact(p.log_prob(count), exact, dtype)


def test_those_of_tensorflow_probability_are_not() -> None:
    m = np.float32(1e6)
    k = np.float32(1e6) + np.arange(-2000, 2000, dtype=np.float32)
    expected = log_poisson(k, m)
    assert worst(tfd.Poisson(m).log_prob(k), expected) > 0.01
    assert worst(distributions.Poisson(m).log_prob(k), expected) < 1e-6
    for m, r, more_than in ((1e4, 1e4, 1e-3), (1e6, 1e7, 0.1)):
        m, r = np.float32(m), np.float32(r)
        k = m + np.arange(-500, 500, dtype=np.float32)
        expected = log_negative_binomial(k, m, r)
        theirs = tfd.NegativeBinomial(r, logits=np.log(m) - np.log(r))
        assert np.max(np.abs(theirs.log_prob(k) - expected)) > more_than
        assert worst(distributions.NegativeBinomial(m, r).log_prob(k), expected) < 2e-6


def test_tensorflow_probability_takes_the_log_odds_of_zeros_twice() -> None:
    inflated = tfd.Inflated(distributions.Poisson(1e4), inflated_loc_logits=1.0)
    np.testing.assert_allclose(inflated.prob(0.0), special.expit(2.0), rtol=1e-5)
    ours = distributions.ZeroInflatedPoisson(1e4, inflation_logits=1.0)
    np.testing.assert_allclose(ours.prob(0.0), special.expit(1.0), rtol=1e-6)


@both_dtypes
@pytest.mark.parametrize("logit", [-1e5, -40, -3, 0, 3, 40, 1e5])
def test_additional_zeros(dtype, logit) -> None:
    rate, trials, count = (part[:5000] for part in examples(dtype))
    logits = np.full_like(rate, logit)
    for p, masses in (
        (
            distributions.ZeroInflatedPoisson(rate, logits),
            lambda k: log_poisson(k, rate),
        ),
        (
            distributions.ZeroInflatedNegativeBinomial(rate, trials, logits),
            lambda k: log_negative_binomial(k, rate, trials),
        ),
    ):
        for k in (count, np.zeros_like(count)):
            some = special.log_expit(-np.float64(logit)) + masses(k)
            zero = np.logaddexp(special.log_expit(np.float64(logit)), some)
            assert_exact(p.log_prob(k), np.where(k == 0, zero, some), dtype)


@pytest.mark.parametrize("name", ["Poisson", "NegativeBinomial"])
def test_the_distribution_of_the_same_name(name) -> None:
    m, r = np.float32([0.5, 3, 20]), np.float32([2, 1, 7])
    one, two = {
        "Poisson": (distributions.Poisson(m), tfd.Poisson(m)),
        "NegativeBinomial": (
            distributions.NegativeBinomial(m, r),
            tfd.NegativeBinomial(r, logits=np.log(m / r)),
        ),
    }[name]
    assert isinstance(one, type(two))
    x = np.float32([0, 3, 25])
    for method in ("mean", "stddev", "variance", "mode", "log_prob", "cdf"):
        arguments = (x,) if method in ("log_prob", "cdf") else ()
        actual, expected = (getattr(p, method)(*arguments) for p in (one, two))
        np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_moments_and_masses_of_all_counts() -> None:
    k = np.arange(5000.0)[:, None]
    m, r, logit = np.array([0.01, 3.0, 40.0]), np.array([0.2, 5.0, 1e9]), 0.7
    for p in (
        distributions.Poisson(m),
        distributions.NegativeBinomial(m, r),
        distributions.ZeroInflatedPoisson(m, logit * np.ones(3)),
        distributions.ZeroInflatedNegativeBinomial(m, r, logit * np.ones(3)),
    ):
        mass = p.prob(k).numpy()
        np.testing.assert_allclose(mass.sum(0), 1, rtol=1e-12)
        mean = (k * mass).sum(0)
        np.testing.assert_allclose(p.mean(), mean, rtol=1e-11)
        spread = ((k - mean) ** 2 * mass).sum(0)
        np.testing.assert_allclose(p.variance(), spread, rtol=1e-9)


def test_what_is_no_count_has_no_mass() -> None:
    for p in (
        distributions.Poisson(2.0),
        distributions.NegativeBinomial(2.0, 3.0),
        distributions.ZeroInflatedPoisson(2.0, 0.0),
        distributions.ZeroInflatedNegativeBinomial(2.0, 3.0, 0.0),
    ):
        for x in (-1.0, 0.5, 1e-6, np.inf, -np.inf):
            assert p.log_prob(x) == -np.inf
            assert p.prob(x) == 0
        assert np.isnan(p.log_prob(np.nan))


def test_a_rate_of_zero() -> None:
    rate = tf.constant([0.0, 0.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(rate)
        masses = [
            distributions.Poisson(rate).log_prob(0.0),
            distributions.NegativeBinomial(rate, 3.0).log_prob(0.0),
        ]
    for mass in masses:
        np.testing.assert_array_equal(mass, [0, 0])
        np.testing.assert_array_equal(tape.gradient(mass, rate), [-1, -1])


def test_a_large_inverse_dispersion_is_a_poisson_distribution() -> None:
    k, m = np.arange(60.0), np.float64(20)
    p = distributions.NegativeBinomial(m, np.float64(1e15))
    np.testing.assert_allclose(p.log_prob(k), stats.poisson.logpmf(k, m), rtol=1e-9)
    single = distributions.NegativeBinomial(np.float32(m), np.float32(1e15))
    assert_exact(single.log_prob(np.float32(k)), stats.poisson.logpmf(k, m), "float32")


def differences(function, at):
    step = at * 1e-3
    near, far = (function(at + h) - function(at - h) for h in (step, 2 * step))
    return (8 * near - far) / (12 * step)


def assert_slope(gradient, function, at: float, tolerance: float) -> None:
    """The gradient in the logarithm of a parameter, next to one nat."""
    actual, expected = gradient.numpy() * at, differences(function, at) * at
    error = np.abs(actual - expected) / np.maximum(1, np.abs(expected))
    assert np.max(error) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-7), ("float32", 1e-5)])
@pytest.mark.parametrize("r", [1e-5, 1e-2, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("m", [1e-5, 0.1, 3.0, 1e3])
def test_gradients_are_those_of_the_oracle(m, r, dtype, tolerance) -> None:
    k = np.array([0.0, 1, 2, 7, 100, 1e4])
    rate, trials = (tf.fill(k.shape, tf.constant(v, dtype)) for v in (m, r))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([rate, trials])
        mass = distributions.NegativeBinomial(rate, trials).log_prob(k)
        plain = distributions.Poisson(rate).log_prob(k)
    m, r = float(rate[0]), float(trials[0])
    in_rate, in_trials = tape.gradient(mass, [rate, trials])
    assert_slope(in_rate, lambda v: log_negative_binomial(k, v, r), m, tolerance)
    assert_slope(in_trials, lambda v: log_negative_binomial(k, m, v), r, tolerance)
    plain = tape.gradient(plain, rate)
    assert_slope(plain, lambda v: log_poisson(k, v), m, tolerance)


def test_the_gradient_in_a_large_inverse_dispersion_keeps_its_digits() -> None:
    """It falls like 1 / r^2, as (x - (x - m)^2) / (2 r^2)."""
    k, m, r = np.float32([3, 20, 40]), np.float32(20), tf.fill([3], 1e6)
    with tf.GradientTape() as tape:
        tape.watch(r)
        mass = distributions.NegativeBinomial(m, r).log_prob(k)
    expected = (k - (np.float64(k) - 20) ** 2) / (2 * 1e12)
    np.testing.assert_allclose(tape.gradient(mass, r), expected, rtol=1e-3)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("r", [0.05, 3.0])
def test_samples_have_the_masses(jit, r) -> None:
    p = distributions.NegativeBinomial(4.0, r)
    draw = tf.function(lambda: p.sample(20_000, seed=(1, 2)), jit_compile=jit)
    x = draw().numpy()
    counts = np.arange(400)
    observed = np.bincount(np.minimum(x, 399).astype(int), minlength=400)
    expected = np.exp(log_negative_binomial(counts, 4.0, r)) * 20_000
    often = expected > 10
    joined = [np.append(v[often], v[~often].sum()) for v in (observed, expected)]
    joined[1] *= 20_000 / joined[1].sum()
    assert stats.chisquare(*joined).pvalue > 1e-4
