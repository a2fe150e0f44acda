"""Gamma and beta distributions, their draws and how these move."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.comparison import assert_exact
from support.families.counts import log_poisson
from support.families.positive import log_beta_density, log_gamma_density
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.distributions import draws, implicit

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
NUMBER = 50_000


def worst(actual, expected) -> float:
    error = np.abs(np.asarray(actual, np.float64) - expected)
    return float(np.max(error / np.maximum(1, np.abs(expected))))


def concentrations(dtype: str, low: float = -3, high: float = 6):
    rng = np.random.default_rng(0)
    one, two = 10 ** rng.uniform(low, high, (2, NUMBER))
    return one.astype(dtype), two.astype(dtype), rng


@both_dtypes
def test_gamma_is_exact(dtype) -> None:
    a, _, rng = concentrations(dtype)
    b = (10 ** rng.uniform(-3, 3, NUMBER)).astype(dtype)
    typical = np.maximum(rng.gamma(np.float64(a)) / b, 1e-37)
    for x in (typical, 10 ** rng.uniform(-37, 6, NUMBER), np.full(NUMBER, 1e-37)):
        x = x.astype(dtype)
        exact = log_gamma_density(x, a, b)
        assert_exact(distributions.Gamma(a, b).log_prob(x), exact, dtype)


@both_dtypes
def test_beta_is_exact(dtype) -> None:
    a, b, rng = concentrations(dtype)
    low, high = 1e-37, 1 - np.finfo(dtype).epsneg
    typical = np.clip(rng.beta(np.float64(a), np.float64(b)), low, high)
    ends = np.where(rng.random(NUMBER) < 0.5, low, high)
    for x in (typical, np.clip(rng.random(NUMBER), low, high), ends):
        x = np.minimum(x.astype(dtype), np.dtype(dtype).type(high))
        exact = log_beta_density(x, a, b)
        assert_exact(distributions.Beta(a, b).log_prob(x), exact, dtype)


def test_the_oracles_are_those_of_scipy() -> None:
    a, b, rng = concentrations("float64")
    x = np.maximum(rng.gamma(a), 1e-200)
    assert worst(log_gamma_density(x, a, 1), stats.gamma.logpdf(x, a)) < 1e-8
    a, b = np.minimum(a, 1e3), np.minimum(b, 1e3)
    x = np.clip(rng.beta(a, b), 1e-200, 1 - 1e-15)
    assert worst(log_beta_density(x, a, b), stats.beta.logpdf(x, a, b)) < 1e-9


def test_those_of_tensorflow_probability_are_not() -> None:
    a = np.float32(1e6)
    x = np.linspace(0.995, 1.005, 1001, dtype=np.float32)
    expected = log_gamma_density(x, a, a)
    assert np.max(np.abs(tfd.Gamma(a, a).log_prob(x) - expected)) > 0.1
    assert worst(distributions.Gamma(a, a).log_prob(x), expected) < 2e-6
    x = np.linspace(0.498, 0.502, 1001, dtype=np.float32)
    expected = log_beta_density(x, a, a)
    assert np.max(np.abs(tfd.Beta(a, a).log_prob(x) - expected)) > 0.01
    assert worst(distributions.Beta(a, a).log_prob(x), expected) < 2e-6


def test_the_distribution_of_the_same_name() -> None:
    a, b = np.float32([0.5, 3, 20]), np.float32([2, 1, 7])
    for name, x in (("Gamma", [0.1, 3, 4]), ("Beta", [0.1, 0.7, 0.8])):
        one, two = (getattr(m, name)(a, b) for m in (distributions, tfd))
        assert isinstance(one, type(two))
        for method in ("mean", "stddev", "variance", "log_prob", "cdf", "entropy"):
            arguments = (np.float32(x),) if method in ("log_prob", "cdf") else ()
            actual, expected = (getattr(p, method)(*arguments) for p in (one, two))
            np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["Gamma", "Beta"])
def test_the_ends_of_the_support_and_what_lies_outside(name) -> None:
    """As SciPy has it; the gradients are finite at the ends too."""
    x = np.float32([-1, 0, 1, 2])
    numbers = tf.constant(list(itertools.product([0.5, 1.0, 2.0], repeat=2)))
    a, b = np.float64(numbers)[..., None].swapaxes(0, 1)
    gamma, beta = stats.gamma.logpdf(x, a, scale=1 / b), stats.beta.logpdf(x, a, b)
    with tf.GradientTape() as tape:
        tape.watch(numbers)
        a, b = tf.unstack(numbers[..., None], axis=1)
        log_p = getattr(distributions, name)(a, b).log_prob(x)
    expected = gamma if name == "Gamma" else beta
    np.testing.assert_allclose(log_p, expected, rtol=1e-5, atol=1e-6)
    assert np.all(np.isfinite(tape.gradient(log_p, numbers)))
    for far in (np.inf, -np.inf):
        assert np.all(getattr(distributions, name)(a, b).log_prob(far) == -np.inf)


def differences(function, at, step):
    near, far = (function(at + h) - function(at - h) for h in (step, 2 * step))
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-7), ("float32", 2e-5)])
@pytest.mark.parametrize("a", [1e-2, 0.7, 9.0, 300.0])
@pytest.mark.parametrize("b", [1e-2, 1.3, 50.0])
@pytest.mark.parametrize("name", ["Gamma", "Beta"])
def test_gradients_of_log_densities(name, a, b, dtype, tolerance) -> None:
    u, highest = np.array([0.05, 0.3, 0.6, 0.95]), 1 - 1e-5
    x = stats.gamma.ppf(u, a) / b if name == "Gamma" else stats.beta.ppf(u, a, b)
    x = np.maximum(x, 1e-30) if name == "Gamma" else np.clip(x, 1e-30, highest)
    oracle = log_gamma_density if name == "Gamma" else log_beta_density
    inputs = [
        tf.constant(np.broadcast_to(value, x.shape).astype(dtype))
        for value in (x, a, b)
    ]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        density = getattr(distributions, name)(*inputs[1:]).log_prob(inputs[0])
    gradients = tape.gradient(density, inputs)
    at = [value.numpy().astype(np.float64) for value in inputs]
    for i, gradient in enumerate(gradients):
        room = at[i] if i or name == "Gamma" else np.minimum(at[i], 1 - at[i])

        def function(value, i=i):
            return oracle(*(value if j == i else at[j] for j in range(3)))

        expected = differences(function, at[i], 1e-3 * room) * room
        error = np.abs(gradient * room - expected)
        assert np.max(error / np.maximum(1, np.abs(expected))) < tolerance


def gamma_slopes(x, a):
    """-(dF / da) / (x p) of the smaller tail, by differences."""
    step = 1e-4 * a * np.minimum(1, 3 / np.sqrt(a))
    lower = special.gammainc(a, x) < 0.5

    def tail(v):
        return np.where(lower, special.gammainc(v, x), -special.gammaincc(v, x))

    return -differences(tail, a, step) / np.exp(log_gamma_density(x, a, 1)) / x


def test_slopes_of_gamma_quantiles() -> None:
    rng = np.random.default_rng(1)
    a = 10 ** rng.uniform(-2.5, 6, 5000)
    x = stats.gamma.ppf(rng.uniform(1e-4, 1 - 1e-4, 5000), a)
    a, x = a[x > 1e-300], x[x > 1e-300]
    expected = gamma_slopes(x, a)
    actual = implicit.gamma_slope(tf.constant(np.log(x)), tf.constant(a))
    np.testing.assert_allclose(actual, expected, rtol=1e-7)
    kept = x > 1e-35
    a, x, expected = a[kept], x[kept], expected[kept]
    single = implicit.gamma_slope(
        tf.constant(np.log(x), tf.float32), tf.constant(a, tf.float32)
    )
    np.testing.assert_allclose(single, expected, rtol=1e-4)
    # Of TensorFlow's own there is little left at large concentrations.
    large = (a > 3e4).nonzero()
    theirs = tf.raw_ops.RandomGammaGrad(alpha=a[large], sample=x[large]) / x[large]
    assert np.max(np.abs(theirs / expected[large] - 1)) > 0.1


def test_slopes_of_beta_quantiles() -> None:
    rng = np.random.default_rng(2)
    a, b = 10 ** rng.uniform(-2, 5, (2, 5000))
    x = stats.beta.ppf(rng.uniform(1e-3, 1 - 1e-3, 5000), a, b)
    kept = (x > 1e-200) & (x < 1 - 1e-7)
    a, b, x = a[kept], b[kept], x[kept]
    lower = special.betainc(a, b, x) < 0.5
    slope = np.exp(log_beta_density(x, a, b)) * x * (1 - x)

    def tail(one, two):
        other = -special.betaincc(one, two, x)
        return np.where(lower, special.betainc(one, two, x), other)

    steps = [1e-4 * v * np.minimum(1, 3 / np.sqrt(v)) for v in (a, b)]
    in_a = -differences(lambda v: tail(v, b), a, steps[0]) / slope
    in_b = -differences(lambda v: tail(a, v), b, steps[1]) / slope
    inputs = (tf.constant(v) for v in (np.log(x) - np.log1p(-x), a, b))
    slopes = implicit.beta_slopes(*inputs)
    for actual, expected in zip(slopes, (in_a, in_b), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


def uniforms(*shape: int, dtype: str = "float64"):
    """As the layers draw them: midpoints of 2^23 cells in single precision."""
    rng = np.random.default_rng(3)
    if dtype == "float64":
        return rng.random(shape)
    return ((rng.integers(0, 2**23, shape) + 0.5) * 2.0**-23).astype(dtype)


@both_dtypes
@pytest.mark.parametrize("a", [1e-3, 0.1, 0.999, 1.0, 4.0, 1e3, 1e6])
def test_gamma_draws(dtype, a) -> None:
    noise = uniforms(20_000, draws.GAMMA_NOISE, dtype=dtype)
    log_x = draws.log_gamma(noise, tf.constant(a, dtype)).numpy().astype(np.float64)
    if a < 0.01:  # below any number, x^a / Gamma(a + 1) is all of the function
        tiny = np.exp(a * log_x - special.gammaln(a + 1))
        transformed = special.gammainc(a, np.exp(log_x))
        transformed = np.where(log_x < -50, tiny, transformed)
    else:
        transformed = special.gammainc(a, np.exp(log_x))
    assert stats.kstest(transformed, "uniform").pvalue > 1e-3


@both_dtypes
@pytest.mark.parametrize(
    ("a", "b"), [(0.05, 0.02), (0.5, 3.0), (1.0, 1.0), (40.0, 2.0), (1e5, 3e5)]
)
def test_beta_draws(dtype, a, b) -> None:
    noise = uniforms(20_000, draws.BETA_NOISE, dtype=dtype)
    logit = draws.beta_logit(noise, tf.constant(a, dtype), tf.constant(b, dtype))
    logit = logit.numpy().astype(np.float64)
    x, rest = special.expit(logit), special.expit(-logit)
    transformed = np.where(
        logit < 0, special.betainc(a, b, x), special.betaincc(b, a, rest)
    )
    assert stats.kstest(transformed, "uniform").pvalue > 1e-3


def poisson_tails(x, rate):
    """P(X < x), P(X <= x), P(X > x), P(X >= x), by sums of masses."""
    width = 12 * np.sqrt(rate) + 50
    first = np.floor(max(0, rate - width))
    counts = np.arange(first, rate + width)
    mass = np.exp(log_poisson(counts, rate))
    upto, from_on = np.cumsum(mass), np.cumsum(mass[::-1])[::-1]
    index = (x - first).astype(int)
    return upto[index] - mass[index], upto[index], from_on[index + 1], from_on[index]


@both_dtypes
@pytest.mark.parametrize(
    "rate", [1e-6, 1e-3, 0.3, 1.49, 1.51, 4.0, 9.9, 10.1, 60.0, 1e3, 1e5, 1e7]
)
def test_poisson_draws_are_quantiles(dtype, rate) -> None:
    """The smallest count whose distribution function exceeds the number."""
    rng = np.random.default_rng(4)
    digits = {"float64": 52, "float32": 23}[dtype]
    cells = np.concatenate([2.0 ** rng.uniform(0, digits, 4000), [0, 1, 2]])
    u = (np.floor(cells) + 0.5) * 2.0**-digits
    u = np.concatenate([u, 1 - u, rng.random(4000)]).astype(dtype)
    rate = np.dtype(dtype).type(rate)
    x = draws.poisson(u, tf.constant(rate)).numpy().astype(np.float64)
    u = u.astype(np.float64)
    slack = {"float64": 1e-12, "float32": 3e-6}[dtype]
    lower = u < 0.5
    below, upto, above, from_on = poisson_tails(x, np.float64(rate))
    assert np.all(np.where(lower, below <= u + slack, from_on >= 1 - u - slack))
    assert np.all(np.where(lower, upto > u - slack, above < 1 - u + slack))
    # No draw is less probable than the smallest number, but for rounding.
    assert np.all(np.minimum(upto, from_on) > 2.0**-digits / 8)


@pytest.mark.parametrize(
    ("rate", "total_count"), [(3.0, 0.1), (1e-3, 2.0), (200.0, 40.0)]
)
def test_negative_binomial_draws(rate, total_count) -> None:
    noise = uniforms(20_000, draws.GAMMA_NOISE + 1, dtype="float32")
    x = draws.negative_binomial(noise, tf.constant(rate), tf.constant(total_count))
    x = x.numpy().astype(int)
    counts = np.arange(x.max() + 1)
    mass = stats.nbinom.pmf(counts, total_count, total_count / (total_count + rate))
    often = mass * 20_000 > 10
    observed = np.bincount(x)
    joined = [np.append(v[often], v[~often].sum()) for v in (observed, mass * 20_000)]
    joined[1][-1] = 20_000 - joined[1][:-1].sum()
    assert stats.chisquare(*joined).pvalue > 1e-4
