"""The Householder flow: precision, divergences, reflections that vanish."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.comparison import assert_exact
from support.families.householder import Householder, orthogonal
from support.imports import imported_again
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae._builtins import builtins_only
from tfvae.distributions import MultivariateNormalHouseholder, closed_form_kl


def numbers(ratio: float, seed: int = 0, size: int = 8, count: int = 5, batch=500):
    """Parameters in float32, the largest scale `ratio` times the smallest."""
    rng = np.random.default_rng(seed)
    scale = ratio ** -rng.uniform(0, 1, (batch, size))
    v = rng.normal(size=(batch, count, size))
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    parts = {"loc": rng.normal(size=(batch, size)), "scale": scale, "reflections": v}
    return {name: part.astype(np.float32) for name, part in parts.items()}


def linear_operator(p):
    """The distribution of TensorFlow Probability with the same factors."""
    planes = [
        tf.linalg.LinearOperatorHouseholder(p["reflections"][:, k])
        for k in reversed(range(p["reflections"].shape[1]))
    ]
    scale = tf.linalg.LinearOperatorDiag(p["scale"])
    q = MultivariateNormalHouseholder(**p)
    return tfd.MultivariateNormalLinearOperator(
        q.mean(), tf.linalg.LinearOperatorComposition([*planes, scale])
    )


@pytest.mark.parametrize(("ratio", "more_than"), [(1e3, 1e-4), (1e5, 1e-2)])
def test_what_is_better_than_in_tensorflow_probability(ratio, more_than) -> None:
    p = numbers(ratio)
    q = MultivariateNormalHouseholder(**p)
    x = q.sample(seed=1).numpy()
    wide = {name: part.astype(np.float64) for name, part in p.items()}
    expected = Householder(8, 5).log_prob(x.astype(np.float64), wide)
    plain = linear_operator(p).log_prob(x).numpy().astype(np.float64)
    assert np.max(np.abs(plain - expected)) > more_than
    assert_exact(q.log_prob(x).numpy(), expected, "float32")
    relative = np.abs(q.log_prob(x).numpy() - expected) / np.maximum(1, abs(expected))
    assert np.max(relative) < 2e-7


def test_reflections_of_any_length_are_orthogonal() -> None:
    p = numbers(10, batch=20)
    p["reflections"] *= np.float32([1e-3, 1e3, 1, 7, 1e4])[:, None]
    q = MultivariateNormalHouseholder(**p)
    h = orthogonal(p["reflections"].astype(np.float64))
    scale = p["scale"].astype(np.float64)
    covariance = np.einsum("bij,bj,bkj->bik", h, scale**2, h)
    np.testing.assert_allclose(q.covariance(), covariance, rtol=1e-4, atol=2e-6)
    variance = np.einsum("bii->bi", covariance)
    np.testing.assert_allclose(q.variance(), variance, rtol=2e-6)
    np.testing.assert_allclose(q.stddev(), np.sqrt(variance), rtol=1e-6)
    entropy = (stats.norm.entropy() + np.log(scale)).sum(-1)
    np.testing.assert_allclose(q.entropy(), entropy, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(q.mode(), np.einsum("bij,bj->bi", h, p["loc"]), 1e-4)


def kl(q_mean, q_covariance, p_mean, p_covariance):
    """KL between Gaussians, from traces and determinants."""
    precision = np.linalg.inv(p_covariance)
    gap = p_mean - q_mean
    return 0.5 * (
        np.trace(precision @ q_covariance, axis1=-2, axis2=-1)
        + np.einsum("...i,...ij,...j->...", gap, precision, gap)
        - gap.shape[-1]
        + np.linalg.slogdet(p_covariance)[1]
        - np.linalg.slogdet(q_covariance)[1]
    )


LOC = np.array([0.5, -1, 2])
SCALE = np.array([0.5, 1, 3])
LOWER = np.array([[2.0, 0, 0], [-1, 0.5, 0], [0.3, 0.2, 1.5]])
PRIORS = {
    "standard": (
        tfvae.priors.StandardNormal(3, dtype="float64").distribution,
        0,
        np.eye(3),
    ),
    "elements": (tfd.Independent(tfd.Normal(LOC, SCALE), 1), LOC, np.diag(SCALE**2)),
    "diagonal": (tfd.MultivariateNormalDiag(LOC, SCALE), LOC, np.diag(SCALE**2)),
    "lower": (tfd.MultivariateNormalTriL(LOC, LOWER), LOC, LOWER @ LOWER.T),
    "ours": (
        tfvae.distributions.MultivariateNormalTriL(LOC, LOWER),
        LOC,
        LOWER @ LOWER.T,
    ),
}


@pytest.mark.parametrize("name", PRIORS)
def test_closed_form_divergences(name) -> None:
    prior, mean, covariance = PRIORS[name]
    raw = np.random.default_rng(2).normal(size=(7, 12))
    layer = tfvae.layers.HouseholderFlow(3, 2, projection=None, dtype="float64")
    q = layer(raw)
    p = Householder(3, 2).constrain(raw)
    h = orthogonal(p["reflections"])
    own = np.einsum("bij,bj,bkj->bik", h, p["scale"] ** 2, h)
    expected = kl(np.einsum("bij,bj->bi", h, p["loc"]), own, mean, covariance)
    actual = closed_form_kl(q, prior)
    assert actual is not None
    np.testing.assert_allclose(actual, expected, rtol=1e-10)


def test_none_where_no_closed_form_is_registered() -> None:
    q = tfvae.layers.HouseholderFlow(3)(np.ones((2, 4), np.float32))
    p = tfd.Independent(tfd.Laplace(np.zeros(3, "f"), np.ones(3, "f")), 1)
    assert closed_form_kl(q, p) is None


def test_the_registrations_survive_a_second_import() -> None:
    with imported_again("tfvae.distributions.householder"):
        q = tfvae.layers.HouseholderFlow(3)(np.ones((2, 4), np.float32))
        p = tfvae.priors.StandardNormal(3).distribution
        assert closed_form_kl(q, p).shape == (2,)


@pytest.mark.parametrize("length", [0.0, 1e-30, 1e-7, 1e-5, 1e5])
def test_raw_reflections_of_any_length(length) -> None:
    rng = np.random.default_rng(3)
    raw = rng.normal(size=(4, 12))
    raw[:, 6:] *= length / np.abs(raw[:, 6:]).max()
    raw = raw.astype(np.float32)
    layer = tfvae.layers.HouseholderFlow(3, 2, projection=None)
    features = tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(features)
        q = layer(features)
        x, log_q = layer.sample_and_log_prob(q, seed=4)
        total = tf.reduce_sum(x) + tf.reduce_sum(q.log_prob(x))
    assert np.all(np.isfinite(tape.gradient(total, features)))
    lengths = np.linalg.norm(q.reflections, axis=-1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    if length == 0:
        np.testing.assert_array_equal(q.reflections, np.eye(3)[np.zeros((4, 2), int)])
    np.testing.assert_allclose(q.log_prob(x), log_q, rtol=1e-4, atol=1e-4)


def test_the_form_for_builtins_is_the_same_density() -> None:
    p = numbers(10)
    q = MultivariateNormalHouseholder(**p)
    x = q.sample(seed=5)
    expected = q.log_prob(x)
    with builtins_only():
        np.testing.assert_allclose(q.log_prob(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None, "2"])
def test_the_number_of_reflections(count) -> None:
    message = r"`num_reflections` must be a positive integer\. Received: "
    with pytest.raises(ValueError, match=message):
        tfvae.layers.HouseholderFlow(3, count)


def test_events_have_one_axis() -> None:
    message = r"`event_shape` of HouseholderFlow must have one axis\. Received: \(2, 3"
    with pytest.raises(ValueError, match=message):
        tfvae.layers.HouseholderFlow((2, 3))
