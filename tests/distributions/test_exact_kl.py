"""Divergences of one family that are registered again, to be exact in float32."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from support.comparison import assert_exact
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae.distributions import closed_form_kl


def kl_normal(m, s, mu, t):
    return ((m - mu) / t) ** 2 / 2 + (np.expm1(2 * np.log(s / t))) / 2 - np.log(s / t)


def kl_gamma(a, b, c, d):
    value = (a - c) * special.digamma(a) - special.gammaln(a) + special.gammaln(c)
    return value + c * np.log(b / d) + a * (d - b) / b


def kl_beta(a, b, c, d):
    value = special.betaln(c, d) - special.betaln(a, b)
    value += (a - c) * special.digamma(a) + (b - d) * special.digamma(b)
    return value + (c + d - a - b) * special.digamma(a + b)


EXACT = {
    "Normal": (kl_normal, 1e-3, 1e3, 1e-4),
    "LogNormal": (kl_normal, 1e-3, 1e3, 1e-4),
    "Gamma": (kl_gamma, 1e-3, 1e5, 0.05),
    "Beta": (kl_beta, 1e-3, 1e4, 0.004),
}


@pytest.mark.parametrize("family", EXACT)
@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_divergences_are_exact_in_single_precision(family, near, jit_compile) -> None:
    """Of one from itself with other parameters; those of the base class are not."""
    formula, low, high, theirs = EXACT[family]
    rng = np.random.default_rng(75)
    numbers = np.exp(rng.uniform(np.log(low), np.log(high), (4, 2000)))
    if near:
        numbers[2:] = numbers[:2] * rng.normal(1, 0.01, (2, 2000))
    numbers = numbers.astype(np.float32)
    expected = formula(*numbers.astype(np.float64))
    ours, base = getattr(distributions, family), getattr(tfd, family)

    def divergence(q, p):
        compute = tf.function(
            lambda n: closed_form_kl(q(n[0], n[1]), p(n[2], n[3])),
            jit_compile=jit_compile,
            autograph=False,
        )
        return compute(tf.constant(numbers))

    for q, p in ((ours, ours), (ours, base), (base, ours)):
        assert_exact(divergence(q, p), expected, "float32")
    if near:
        error = np.abs(divergence(base, base) - expected)
        assert np.max(error / np.maximum(1, expected)) > theirs


@pytest.mark.parametrize("family", EXACT)
def test_the_gradients_of_these_divergences(family) -> None:
    formula, ours = EXACT[family][0], getattr(distributions, family)
    numbers = np.random.default_rng(76).uniform(0.2, 30, (4, 200))
    at = tf.constant(numbers)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = closed_form_kl(ours(at[0], at[1]), ours(at[2], at[3]))
    gradient = tape.gradient(value, at)
    for i, step in enumerate(1e-4 * np.eye(4)[..., None] * numbers):
        difference = formula(*(numbers + step)) - formula(*(numbers - step))
        expected = difference / (2 * step[i])
        np.testing.assert_allclose(gradient[i], expected, rtol=1e-6, atol=1e-6)
