"""Discretized logistic distributions against the written-out formula."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from support.comparison import assert_exact
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfvae import distributions

SCALES = [1e-4, 1e-2, 0.1, 0.5, 1, 10, 1e3, 1e5, 1e7]
CENTRES = [-1e7, -300, -0.5, 0, 0.5, 100.3, 127.5, 254.49, 255, 1e4, 1e7]


def log_masses(loc, scale, num_bins=256):
    """Of each bin: [..., N], in double precision."""
    loc, scale = np.float64(loc)[..., None], np.float64(scale)[..., None]
    k = np.arange(num_bins)
    a, b = (k - 0.5 - loc) / scale, (k + 0.5 - loc) / scale
    inside = (
        special.log_expit(b) + special.log_expit(-a) + np.log(-np.expm1(-1 / scale))
    )
    inside[..., 0] = special.log_expit(b)[..., 0]
    inside[..., -1] = special.log_expit(-a)[..., -1]
    return inside


def single():
    loc, scale = (part.ravel() for part in np.meshgrid(CENTRES, SCALES))
    return loc.astype(np.float32), scale.astype(np.float32)


def mixture():
    rng = np.random.default_rng(0)
    loc, scale = single()
    pairs = rng.integers(0, len(loc), (200, 3))
    logits = (rng.normal(size=(200, 3)) * 20).astype(np.float32)
    return logits, loc[pairs], scale[pairs]


def test_the_formula_is_the_difference_of_distribution_functions() -> None:
    """Where double precision can subtract them."""
    k = np.arange(1, 255)
    for loc, scale in ((100.3, 5.0), (0.0, 20.0), (250.0, 80.0)):
        masses = np.exp(log_masses(np.array(loc), np.array(scale)))
        upper, lower = (special.expit((k + half - loc) / scale) for half in (0.5, -0.5))
        np.testing.assert_allclose(masses[1:-1], upper - lower, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(masses.sum(), 1, rtol=1e-13)
        np.testing.assert_allclose(masses[0], special.expit((0.5 - loc) / scale))
        np.testing.assert_allclose(masses[-1], special.expit((loc - 254.5) / scale))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_bin_of_every_scale(dtype) -> None:
    loc, scale = single()
    p = distributions.DiscretizedLogistic(
        loc[:, None].astype(dtype), scale[:, None].astype(dtype)
    )
    k = np.arange(256).astype(dtype)
    assert_exact(p.log_prob(k), log_masses(loc, scale), dtype)


def test_quantized_distributions_of_tfp_lose_digits() -> None:
    k = np.arange(256).astype(np.float32)
    for scale, more_than in ((1e3, 1e-5), (1e5, 1e-3)):
        loc, scale = np.float32(100.3), np.float32(scale)
        logistic = tfd.TransformedDistribution(
            tfd.Logistic(loc, scale), tfb.Shift(np.float32(-0.5))
        )
        plain = tfd.QuantizedDistribution(logistic, 0.0, 255.0)
        expected = log_masses(loc, scale)
        assert np.abs(plain.log_prob(k) - expected).max() > more_than
        ours = distributions.DiscretizedLogistic(loc, scale).log_prob(k)
        assert np.abs(ours - expected).max() < 2e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mixtures(dtype) -> None:
    logits, loc, scale = mixture()
    p = distributions.DiscretizedLogisticMixture(
        *(value[:, None].astype(dtype) for value in (logits, loc, scale))
    )
    weights = special.log_softmax(np.float64(logits), axis=-1)
    expected = special.logsumexp(weights[..., None] + log_masses(loc, scale), axis=1)
    k = np.arange(256).astype(dtype)
    assert_exact(p.log_prob(k), expected, dtype)
    np.testing.assert_allclose(np.exp(expected).sum(-1), 1, rtol=1e-7)


@pytest.mark.parametrize("num_bins", [2, 3, 16, 256])
def test_moments(num_bins) -> None:
    logits, loc, scale = mixture()
    weights, k = special.softmax(np.float64(logits), axis=-1), np.arange(num_bins)
    masses = np.exp(log_masses(loc, scale, num_bins))
    both = (weights[..., None] * masses).sum(1)
    pairs = [
        (distributions.DiscretizedLogistic(loc, scale, num_bins), masses),
        (distributions.DiscretizedLogisticMixture(logits, loc, scale, num_bins), both),
    ]
    for p, mass in pairs:
        mean = mass @ k
        variance = (mass * (k - mean[..., None]) ** 2).sum(-1)
        np.testing.assert_allclose(p.mean(), mean, rtol=2e-6, atol=1e-30)
        # An atom in one bin: the mean is rounded in single precision.
        np.testing.assert_allclose(p.variance(), variance, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(p.stddev(), np.sqrt(variance), rtol=1e-5, atol=4e-5)


def test_what_is_no_bin() -> None:
    one = distributions.DiscretizedLogistic(100.0, 1.0)
    two = distributions.DiscretizedLogisticMixture([0.0], [100.0], [1.0])
    for p in (one, two):
        for x in (-1.0, 256.0, 0.5, 254.999):
            assert p.log_prob(x) == -np.inf
            assert p.prob(x) == 0
        whole = np.arange(256)
        expected = p.log_prob(whole.astype(np.float32))
        for dtype in (np.uint8, np.int32, np.int64):
            np.testing.assert_array_equal(p.log_prob(whole.astype(dtype)), expected)


def test_draws_follow_the_masses() -> None:
    one = distributions.DiscretizedLogistic(3.3, 1.5, num_bins=8)
    two = distributions.DiscretizedLogisticMixture(
        [0.0, -1.0], [1.2, 6.0], [0.3, 1.0], num_bins=8
    )
    for p in (one, two):
        x = p.sample(40_000, seed=1).numpy()
        masses = p.prob(np.arange(8.0, dtype=np.float32)).numpy()
        counts = np.bincount(x.astype(int), minlength=8)
        assert len(counts) == 8
        deviation = (counts - 40_000 * masses) / np.sqrt(40_000 * masses)
        assert np.square(deviation).sum() < 30


def test_gradients_are_finite_everywhere() -> None:
    loc, scale = single()
    k = tf.range(256.0)
    with tf.GradientTape() as tape:
        variables = [tf.constant(value[:, None]) for value in (loc, scale)]
        tape.watch(variables)
        log_p = distributions.DiscretizedLogistic(*variables).log_prob(k)
    for gradient in tape.gradient(log_p, variables):
        assert np.all(np.isfinite(gradient))
