"""Families with one logit for each element: every logit, every end."""

import numpy as np
import pytest
from scipy import special, stats
from support.cases.logits import CASES
from support.comparison import assert_exact
from support.families import logits
from support.layer_cases import from_raw, names

import tfvae

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def check(case, raw, x, size: int, dtype: str) -> None:
    x = np.asarray(x, dtype)
    _, q, p, family = from_raw(case, raw, size, dtype)
    expected = family.log_prob(x.astype(np.float64), p)
    assert_exact(q.log_prob(x), expected, dtype)


LOGITS = [0.0, 1e-30, 1e-9, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 5, 10, 20, 50, 88, 1e3, 1e4]


@every_case
@both_dtypes
def test_every_logit_at_the_edges_of_the_support_and_inside(case, dtype) -> None:
    support = (
        np.linspace(0, 1, 41)
        if case.name == "continuous-bernoulli"
        else np.arange(case.arguments.get("total_count", 1) + 1)
    )
    numbers = np.array([sign * logit for logit in LOGITS for sign in (1, -1)])
    raw, x = (part.reshape(-1, 1) for part in np.meshgrid(numbers, support))
    check(case, raw, x, 1, dtype)


@both_dtypes
def test_continuous_bernoulli_has_no_seam_around_zero(dtype) -> None:
    case = next(c for c in CASES if c.name == "continuous-bernoulli")
    numbers = np.concatenate([np.linspace(-2, 2, 4001), np.linspace(-0.02, 0.02, 2001)])
    rng = np.random.default_rng(4)
    check(case, numbers[:, None], rng.uniform(size=(6002, 1)), 1, dtype)


@pytest.mark.parametrize("total_count", [16, 255, 1000, 65_535])
def test_binomial_against_scipy(total_count) -> None:
    layer = tfvae.layers.Binomial(1, total_count, projection=None)
    rng = np.random.default_rng(5)
    numbers = rng.normal(0, 2, (500, 1)).astype(np.float32)
    probability = special.expit(numbers.astype(np.float64))
    typical = rng.binomial(total_count, probability)
    for x in (typical, rng.integers(0, total_count + 1, (500, 1))):
        expected = stats.binom.logpmf(x, total_count, probability)[:, 0]
        assert_exact(layer(numbers).log_prob(x.astype(np.float32)), expected, "float32")


@pytest.mark.parametrize("logit", [1e4, 100, 20, 1e-2, 9.99e-3, 1e-3, 1e-12, 0])
def test_continuous_bernoulli_quantiles_are_exact(logit) -> None:
    layer = tfvae.layers.ContinuousBernoulli(1, projection=None, dtype="float64")
    u = np.linspace(0, 1, 101)[:, None]
    for sign in (1, -1):
        numbers = np.full_like(u, sign * logit)
        x = layer(numbers).distribution.quantile(u).numpy()
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
    numbers = np.array([[-9.0, -3, -1, 0, 1, 3, 9]], np.float32)
    layer, q, *_ = from_raw(case, numbers, 7, "float32")
    ends = np.array([2.0**-24, 1 - 2.0**-24], np.float32)
    x, log_q = layer.transform(q, np.broadcast_to(ends[:, None, None], (2, 1, 7)))
    assert not np.any(layer.unsupported(x))
    # Seven draws of a probability of 1e-7 each.
    assert np.all(log_q > -7 * 25)


def test_the_oracle_is_that_of_scipy() -> None:
    """An exponential density on [0, 1] is a truncated exponential distribution."""
    flat = logits.ContinuousBernoulli(1)
    for logit in (-3.0, -0.1, -1e-3):
        truncated = stats.truncexpon(b=-logit, scale=-1 / logit)
        x = np.linspace(0, 1, 9)
        actual = flat.log_prob(x[:, None], {"logits": np.array([[logit]])})
        np.testing.assert_allclose(actual, truncated.logpdf(x), atol=1e-13)
