"""What importance weights say, against SciPy and brute force."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from tfvae.evidence import _weights


def heavy(k: float, size: int, count: int) -> np.ndarray:
    """Logarithms of weights with a generalised Pareto tail."""
    return np.log(1 + scipy.stats.genpareto(k).rvs((size, count)))


@pytest.mark.parametrize("k", [-0.5, 0.0, 0.3, 0.7, 1.2])
def test_the_shape_of_a_pareto_tail_is_found(k) -> None:
    size = 200_000
    tail = int(np.ceil(3 * np.sqrt(size)))
    found = _weights.pareto_k(heavy(k, size, 30))
    # Of a maximum likelihood estimate the deviation is (1 + k) / sqrt(M).
    deviation = (1 + max(k, 0)) / np.sqrt(tail)
    assert found.std() < 1.5 * deviation
    prior = (tail * k + 10 * 0.5) / (tail + 10)
    assert abs(found.mean() - prior) < 4 * deviation / np.sqrt(30) + 0.01


def test_the_fit_is_the_likeliest_shape_but_for_its_prior() -> None:
    # Among 3000 exceedances, Zhang and Stephens' mean is near the mode.
    excess = np.sort(scipy.stats.genpareto(0.4).rvs((3000, 1)), axis=0)
    shape, _, _ = scipy.stats.genpareto.fit(excess, floc=0)
    expected = (3000 * shape + 5) / 3010
    assert _weights._pareto_shape(excess)[0] == pytest.approx(expected, abs=0.003)


def test_shifts_and_order_do_not_matter_to_it() -> None:
    log_weights = heavy(0.5, 1000, 4)
    found = _weights.pareto_k(log_weights)
    other = _weights.pareto_k(np.random.permutation(log_weights) + 5000.0)
    np.testing.assert_allclose(other, found, rtol=1e-8)


def test_weights_without_a_tail() -> None:
    assert np.isnan(_weights.pareto_k(np.zeros((1000, 1))))
    assert np.isnan(_weights.pareto_k(np.random.normal(size=(20, 1))))
    assert np.isfinite(_weights.pareto_k(np.random.normal(size=(21, 1))))
    # Most of the largest are equal: the fit is to those that are not.
    mixed = np.concatenate([np.zeros(990), np.linspace(1, 2, 10)])[:, None]
    assert np.isfinite(_weights.pareto_k(mixed))


def test_the_limit_is_that_of_the_paper() -> None:
    for count, limit in ((10, 0.0), (100, 0.5), (1000, 2 / 3), (10_000, 0.7)):
        assert _weights.pareto_k_limit(count) == pytest.approx(limit)
    # Where the two terms meet.
    meet = 10 ** (1 / 0.3)
    assert _weights.pareto_k_limit(int(meet)) < 0.7
    assert _weights.pareto_k_limit(int(meet) + 1) == 0.7


@pytest.mark.filterwarnings("error")
def test_weights_that_underflow_are_the_heaviest_tails() -> None:
    log_weights = np.linspace(-1e6, 0, 1000)[:, None]
    assert _weights.pareto_k(log_weights) > 5


def test_means_and_errors_are_those_of_scipy() -> None:
    log_weights = np.random.normal(scale=3, size=(50, 7)) + 900
    weights = np.exp(log_weights.astype(np.longdouble) - 900)
    mean = scipy.special.logsumexp(log_weights, axis=0) - np.log(50)
    np.testing.assert_allclose(_weights.log_mean(log_weights), mean, rtol=1e-14)
    error = scipy.stats.sem(weights, axis=0) / weights.mean(axis=0)
    np.testing.assert_allclose(
        _weights.standard_error(log_weights), error.astype(float), rtol=1e-10
    )
    size = weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0)
    np.testing.assert_allclose(
        _weights.effective_sample_size(log_weights), size.astype(float), rtol=1e-12
    )


def brute_force(log_weights: np.ndarray) -> np.ndarray:
    """The jackknife by leaving out one weight at a time, in extended precision."""
    weights = np.exp(log_weights.astype(np.longdouble))
    count = len(weights)
    left = [np.log(np.delete(weights, s, axis=0).mean(axis=0)) for s in range(count)]
    whole = np.log(weights.mean(axis=0))
    return (count * whole - (count - 1) * np.mean(left, axis=0)).astype(float)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("count", [2, 3, 40])
def test_the_jackknife_leaves_each_out(count, scale) -> None:
    log_weights = np.random.normal(scale=scale, size=(count, 20))
    found = _weights.jackknife(log_weights)
    np.testing.assert_allclose(found, brute_force(log_weights), rtol=1e-11, atol=1e-11)
    moved = _weights.jackknife(log_weights + 1000) - 1000
    np.testing.assert_allclose(moved, found, rtol=1e-9, atol=1e-9)


def test_the_jackknife_removes_the_first_order_of_the_bias() -> None:
    # Log of a mean of exponentials: E w = 1, and the bias is -1 / (2 S) at first.
    count, repeats = 20, 200_000
    log_weights = np.log(np.random.exponential(size=(count, repeats)))
    plain, corrected = _weights.log_mean(log_weights), _weights.jackknife(log_weights)
    bias = scipy.special.digamma(count) - np.log(count)
    error = plain.std() / np.sqrt(repeats)
    assert abs(plain.mean() - bias) < 4 * error
    assert abs(corrected.mean()) < abs(bias) / 20


@pytest.mark.filterwarnings("error")
def test_weights_of_zero() -> None:
    log_weights = np.full((30, 2), -np.inf)
    log_weights[:, 1] = np.linspace(-2, 0, 30)
    log_weights[:5, 1] = -np.inf
    assert _weights.log_mean(log_weights)[0] == -np.inf
    assert np.isnan(_weights.standard_error(log_weights)[0])
    for function in (
        _weights.log_mean,
        _weights.standard_error,
        _weights.effective_sample_size,
        _weights.jackknife,
        _weights.pareto_k,
    ):
        assert np.isfinite(function(log_weights)[1])
