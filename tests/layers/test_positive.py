"""Gamma and beta layers: extremes, the draws near the ends, how they move."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.comparison import assert_exact
from support.families.positive import log_beta_density, log_gamma_density

from tfvae.layers import Beta, Gamma

LAYERS = {Gamma: log_gamma_density, Beta: log_beta_density}
every_layer = pytest.mark.parametrize("cls", LAYERS)
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


@every_layer
@both_dtypes
def test_draws_and_densities_for_extreme_features(cls, dtype) -> None:
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.integers(0, 6, (3000, 1))
    features = tf.constant(rng.uniform(-1, 1, (3000, 2)) * size, dtype)
    layer = cls(1, projection=None, dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        q = layer(features)
        x, log_q = layer.sample_and_log_prob(q, seed=1)
        alone = q.log_prob(tf.stop_gradient(x))
    assert not np.any(layer.unsupported(x))
    p = [np.float64(v)[:, 0] for v in layer.parameters(q).values()]
    expected = LAYERS[cls](np.float64(x)[:, 0], *p)
    assert_exact(log_q, expected, dtype)
    for result in (x, log_q, alone):
        assert np.all(np.isfinite(tape.gradient(result, features)))


@both_dtypes
@pytest.mark.parametrize("raw", [-12.0, -3.0, 0.0, 3.0, 100.0, 1e5])
def test_gamma_draws_move_along_their_quantile(dtype, raw) -> None:
    layer = Gamma(1, projection=None, dtype=dtype)
    features = tf.constant([[raw, 0.5]] * 50, dtype)
    with tf.GradientTape() as tape:
        tape.watch(features)
        q = layer(features)
        x, _ = layer.sample_and_log_prob(q, seed=2)
        log_x = tf.math.log(x)
    gradient = tape.gradient(log_x, features).numpy()
    a, b = (np.float64(v)[:, 0] for v in layer.parameters(q).values())
    kept = np.float64(x)[:, 0] > 1e-30
    assert kept.sum() >= (0 if raw < -5 else 20)
    u = stats.gamma.cdf(np.float64(x)[:, 0], a, scale=1 / b)
    kept &= (u > 1e-3) & (u < 1 - 1e-3)
    step = 1e-4 * a * np.minimum(1, 3 / np.sqrt(a))

    def quantile(move):
        return np.log(special.gammaincinv(a + move * step, u))

    expected = 8 * (quantile(1) - quantile(-1)) - (quantile(2) - quantile(-2))
    expected = expected / (12 * step) * special.expit(raw)
    tolerance = {"float64": 1e-5, "float32": 1e-3}[dtype]
    np.testing.assert_allclose(gradient[kept, 0], expected[kept], rtol=tolerance)
    in_rate = -special.expit(0.5) / b
    np.testing.assert_allclose(gradient[kept, 1], in_rate[kept], rtol=1e-5)


@pytest.mark.parametrize("raws", [(-3.0, 0.0), (0.0, 3.0), (100.0, 30.0), (1e4, 3e4)])
def test_beta_draws_move_along_their_quantile(raws) -> None:
    layer = Beta(1, projection=None, dtype="float64")
    features = tf.constant([raws] * 50, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(features)
        q = layer(features)
        x, _ = layer.sample_and_log_prob(q, seed=3)
    gradient = tape.gradient(x, features).numpy()
    a, b = (np.float64(v)[:, 0] for v in layer.parameters(q).values())
    x = x.numpy()[:, 0]
    u = special.betainc(a, b, x)
    kept = (u > 1e-3) & (u < 1 - 1e-3) & (x > 1e-100)
    assert kept.sum() > 20
    for i, (one, raw) in enumerate(zip((a, b), raws, strict=True)):
        step = 1e-4 * one * np.minimum(1, 3 / np.sqrt(one))

        def quantile(move, i=i, step=step):
            moved = [a, b]
            moved[i] = moved[i] + move * step
            return special.betaincinv(*moved, u)

        expected = 8 * (quantile(1) - quantile(-1)) - (quantile(2) - quantile(-2))
        expected = expected / (12 * step) * special.expit(raw)
        actual = gradient[:, i]
        np.testing.assert_allclose(actual[kept], expected[kept], rtol=1e-4)


def test_the_mean_of_the_gradient_is_the_gradient_of_the_mean() -> None:
    layer = Gamma(1, projection=None)
    features = tf.constant([[-1.0, 0.3]])
    with tf.GradientTape() as tape:
        tape.watch(features)
        x, _ = layer.sample_and_log_prob(layer(features), (100_000,), seed=4)
        mean = tf.reduce_mean(tf.math.log(x))
    a = np.logaddexp(0, -1.0)
    # E[log x] = psi(a) - log(b)
    expected = special.polygamma(1, a) * special.expit(-1.0)
    np.testing.assert_allclose(tape.gradient(mean, features)[0, 0], expected, rtol=0.02)


@every_layer
def test_tiny_concentrations_give_positive_draws(cls) -> None:
    layer = cls(1, projection=None)
    q = layer(np.full((1, 2), -1e5, np.float32))
    x, log_q = layer.sample_and_log_prob(q, (1000,), seed=5)
    assert np.all(x > 0)
    assert np.all(np.isfinite(log_q))


def test_supports() -> None:
    gamma, beta = Gamma(3), Beta(3)
    for x in ([0.0, 1.0, 2.0], [0, 1, 2], [False, True, True]):
        np.testing.assert_array_equal(gamma.unsupported(x), [True, False, False])
    x = np.array([0, 1e-30, 0.5, 1, np.nan], np.float32)
    np.testing.assert_array_equal(beta.unsupported(x), [1, 0, 0, 1, 1])
    assert np.all(beta.unsupported([0, 1]))
    assert np.all(beta.unsupported([False, True]))


@pytest.mark.parametrize("cls", [Gamma, Beta])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_support_is_that_of_the_precision(cls, dtype) -> None:
    """A number that becomes an end of the support when it is rounded is refused."""
    layer = cls(5, dtype=dtype)
    x = np.array([[1e-50, 1e-41, 2e-38, 0.5, 1 - 1e-9]])
    rounds = [True, True, False, False, cls is Beta]
    expected = [rounds if dtype == "float32" else [False] * 5]
    np.testing.assert_array_equal(layer.unsupported(x), expected)
    log_density = layer(np.zeros((1, 2))).distribution.log_prob(x.astype(dtype))
    np.testing.assert_array_equal(np.isfinite(log_density), ~np.array(expected))
