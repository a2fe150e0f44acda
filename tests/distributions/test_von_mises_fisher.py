"""The von Mises-Fisher distribution against SciPy and quadrature."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.comparison import assert_exact
from support.families.sphere import (
    VonMisesFisher,
    angle_density,
    angle_log_normaliser,
    angle_tails,
    log_area,
)
from support.imports import imported_again
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae._builtins import builtins_only
from tfvae.distributions import closed_form_kl
from tfvae.distributions.polar_angle import PolarAngle

DIMENSIONS = (2, 3, 4, 5, 10, 50, 128, 500)
CONCENTRATIONS = np.array([1e-6, 1e-3, 0.1, 1, 5, 8, 12, 17, 30, 100, 1e3, 1e4, 1e5])

every_dimension = pytest.mark.parametrize("dimension", DIMENSIONS)


def unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def samples(dimension: int, seed: int, count: int = 600):
    """Mean directions, concentrations and vectors from near to far of the mean."""
    rng = np.random.default_rng(seed)
    k = 10 ** rng.uniform(-6, 5, count)
    m = unit(rng.normal(size=(count, dimension)))
    spread = 10 ** rng.uniform(-1, 1, count) / np.sqrt(k)
    x = unit(m + rng.normal(size=(count, dimension)) * spread[:, None])
    x[::50], x[1::50] = m[::50], -m[1::50]
    return m, k, x


def written_out(m, k, x):
    """The log density of the directions, in double precision."""
    m, k, x = (np.asarray(part, np.float64) for part in (m, k, x))
    versine = ((unit(x) - unit(m)) ** 2).sum(-1) / 2
    dimension = m.shape[-1]
    normaliser = angle_log_normaliser(k, dimension) + log_area(dimension - 1)
    return -k * versine - normaliser


@every_dimension
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_density(dimension, dtype) -> None:
    m, k, x = (part.astype(dtype) for part in samples(dimension, 80))
    p = distributions.VonMisesFisher(m, k)
    expected = written_out(m, k, x)
    assert_exact(p.log_prob(x), expected, dtype)
    with builtins_only():
        assert_exact(p.log_prob(x), expected, dtype)


def test_the_oracle_is_that_of_scipy() -> None:
    for dimension in (2, 3, 5, 10):
        for k in (1e-3, 1.0, 50.0, 1e4):
            m, _, x = samples(dimension, 81, 3)
            scipy = stats.vonmises_fisher(m[0], k)
            actual = written_out(m[[0, 0, 0]], np.full(3, k), x)
            np.testing.assert_allclose(scipy.logpdf(x), actual, rtol=1e-9, atol=1e-9)
            # And the Bessel function of the usual form.
            order = dimension / 2 - 1
            usual = order * np.log(k) - np.log(special.ive(order, k))
            usual -= dimension / 2 * np.log(2 * np.pi)
            np.testing.assert_allclose(written_out(m, k, m), usual, rtol=1e-9)


@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
def test_what_is_better_than_in_tensorflow_probability(dimension) -> None:
    m, _, _ = samples(dimension, 82)
    m, k = m.astype(np.float32), np.full(len(m), 1e5, np.float32)
    rng = np.random.default_rng(83)
    x = unit(m + rng.normal(size=m.shape) / np.sqrt(k[0])).astype(np.float32)
    expected = written_out(m, k, x)
    error = {}
    for cls in (tfd.VonMisesFisher, distributions.VonMisesFisher):
        actual = cls(m, k).log_prob(x).numpy()
        error[cls] = np.max(np.abs(actual - expected))
    assert error[tfd.VonMisesFisher] > 1e-3
    assert error[distributions.VonMisesFisher] < 5e-6


@pytest.mark.parametrize("dimension", [2, 3])
def test_total_mass(dimension) -> None:
    """On the circle and on the sphere, by quadrature of the area."""
    turn = np.arange(400) * 2 * np.pi / 400
    if dimension == 2:
        x = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        weights = np.full(400, 2 * np.pi / 400)
    else:
        height, part = special.roots_legendre(200)
        height, part, turn = (
            array.ravel()
            for array in np.broadcast_arrays(height[:, None], part[:, None], turn)
        )
        ring = np.sqrt(1 - height**2)
        x = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=-1)
        weights = part * 2 * np.pi / 400
    m, _, _ = samples(dimension, 84, 5)
    for k in (1e-6, 0.5, 20.0, 300.0):
        p = distributions.VonMisesFisher(m[:, None], np.full((5, 1), k))
        mass = np.exp(p.log_prob(x)) @ weights
        np.testing.assert_allclose(mass, 1, rtol=1e-10)


@every_dimension
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 6e-5)])
def test_the_angle_is_the_quantile(dimension, dtype, tolerance) -> None:
    """Both tails down to 1e-7, from nearly uniform to concentrated."""
    k = CONCENTRATIONS.astype(dtype).astype(np.float64)
    tail = np.concatenate([2.0 ** -np.arange(1, 25), np.arange(20, 32) / 64])
    angle = PolarAngle(tf.constant(k, dtype), dimension)
    for upper in (False, True):
        u = np.repeat((1 - tail if upper else tail)[:, None], len(k), 1)
        t, from_pi = angle.quantile(tf.constant(u, dtype))
        t = np.where(from_pi, np.pi - np.float64(t), np.float64(t))
        below, above = angle_tails(t, k, dimension)
        mass = np.where(u > 0.5, above, below)
        np.testing.assert_allclose(mass, np.minimum(u, 1 - u), rtol=tolerance)


@every_dimension
def test_the_gradient_of_the_angle(dimension) -> None:
    """Against differences of the distribution function, its smaller tail."""
    tails = np.array([1e-6, 1e-3, 0.1, 0.4, 0.5, 0.6, 0.97, 1 - 1e-5])
    k, concentration = CONCENTRATIONS, tf.constant(CONCENTRATIONS)
    for u in tails:
        with tf.GradientTape() as tape:
            tape.watch(concentration)
            angle = PolarAngle(concentration, dimension)
            t, from_pi = angle.quantile(tf.fill([len(k)], tf.constant(u, tf.float64)))
            t = tf.where(from_pi, np.pi - t, t)
        actual, t = tape.gradient(t, concentration).numpy(), t.numpy()
        step, upper = 1e-3 * np.maximum(k, 1e-2), int(u > 0.5)
        step = np.minimum(step, k / 3)

        def tail(factor, t=t, step=step, upper=upper):
            return angle_tails(t, k + factor * step, dimension)[upper]

        slope = 8 * (tail(1) - tail(-1)) - (tail(2) - tail(-2))
        rate = slope / (12 * step) * (1 if upper else -1)
        expected = rate / angle_density(t, k, dimension)
        # What rounding leaves of the differences.
        noise = 1e-14 * min(u, 1 - u) / step / angle_density(t, k, dimension)
        error = np.abs(actual - expected)
        assert np.all(error <= 1e-6 * np.abs(expected) + 100 * noise)


@every_dimension
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_are_unit_vectors_with_their_density(dimension, dtype) -> None:
    m, k, _ = (part.astype(dtype) for part in samples(dimension, 85, 100))
    m[:5], m[5:10] = np.eye(dimension, dtype=dtype)[0], -np.eye(dimension)[0]
    p = distributions.VonMisesFisher(m, k)
    noise = np.random.default_rng(86).random((20, 100, *p.noise_shape)).astype(dtype)
    noise[0], noise[1], noise[2] = 2.0**-24, 0.5, 1 - 2.0**-24
    x, log_q = (part.numpy().astype(float) for part in p.transform(noise))
    precision = {"float32": 6e-7, "float64": 2e-15}[dtype]
    assert np.max(np.abs(np.linalg.norm(x, axis=-1) - 1)) < precision
    # Rounding turns x by an angle of so much, which the density sees as sqrt(k).
    expected = written_out(m, k, x)
    np.testing.assert_allclose(
        log_q,
        expected,
        rtol=1e-6 if dtype == "float32" else 1e-12,
        atol=precision * np.sqrt(1e5),
    )


@pytest.mark.parametrize("dimension", [4, 7])
@pytest.mark.parametrize("k", [1e-3, 3.0, 200.0])
def test_samples_in_more_dimensions(dimension, k) -> None:
    family = VonMisesFisher(dimension)
    m = samples(dimension, 87, 1)[0]
    p = distributions.VonMisesFisher(m.astype(np.float32), np.float32([k]))
    x = p.sample(5000, seed=88).numpy().astype(np.float64)
    u = family.uniforms(x, {"mean_direction": m, "concentration": np.array([k])})
    assert u.shape == (5000, 1, dimension - 1)
    for column in u[:, 0].T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(u[:, 0].T) - np.eye(dimension - 1)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(5000)


@every_dimension
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments(dimension, dtype) -> None:
    k = CONCENTRATIONS.astype(dtype)
    m = samples(dimension, 89, len(k))[0].astype(dtype)
    p = distributions.VonMisesFisher(m, k)
    t, weights = special.roots_legendre(4000)
    wide = k.astype(np.float64)
    # In units of the width of the density, which is at most that of a circle.
    high = np.minimum(np.pi, 40 * np.sqrt((dimension + 1) / np.maximum(wide, 1e-9)))
    t = high[:, None] * (t + 1) / 2
    logs = -2 * wide[:, None] * np.sin(t / 2) ** 2
    if dimension > 2:
        logs += (dimension - 2) * np.log(np.sin(t))
    mass = np.exp(logs - logs.max(-1, keepdims=True)) * weights
    mass /= mass.sum(-1, keepdims=True)
    versine = 2 * np.sin(t / 2) ** 2
    lost = (mass * versine).sum(-1)
    along = (mass * (versine - lost[:, None]) ** 2).sum(-1)[:, None, None]
    across = (mass * np.sin(t) ** 2).sum(-1)[:, None, None] / (dimension - 1)
    wide_m = unit(m.astype(np.float64))
    outer = wide_m[:, :, None] * wide_m[:, None, :]
    covariance = along * outer + across * (np.eye(dimension) - outer)
    tolerance = {"float32": 1e-6, "float64": 1e-10}[dtype]
    np.testing.assert_allclose(
        p.mean(), (1 - lost)[:, None] * wide_m, rtol=0, atol=tolerance
    )
    size = np.abs(covariance).max((-2, -1), keepdims=True)
    error = np.abs(p.covariance() - covariance) / size
    assert np.max(error) < tolerance
    deviation = np.sqrt(np.einsum("bii->bi", covariance))
    np.testing.assert_allclose(p.stddev(), deviation, rtol=5e-6)
    np.testing.assert_allclose(p.variance(), deviation**2, rtol=1e-5)
    normaliser = angle_log_normaliser(wide, dimension) + log_area(dimension - 1)
    entropy = wide * lost + normaliser
    assert_exact(p.entropy(), entropy, dtype)
    divergence = log_area(dimension) - entropy
    for uniform in (
        tfd.SphericalUniform(dimension, dtype=p.dtype),
        tfd.SphericalUniform(dimension, [len(k)], dtype=p.dtype),
    ):
        assert_exact(closed_form_kl(p, uniform), divergence, dtype)
    assert np.all(closed_form_kl(p, uniform) >= -1e-12)


def test_the_registration_survives_a_second_import() -> None:
    with imported_again("tfvae.distributions.von_mises_fisher"):
        p = distributions.VonMisesFisher(np.eye(3, dtype="f"), np.ones(3, "f"))
        assert closed_form_kl(p, tfd.SphericalUniform(3)).shape == (3,)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_graphs(jit_compile) -> None:
    m, k, x = (part.astype(np.float32) for part in samples(5, 90, 50))
    noise = np.random.default_rng(91).random((4, 50, 5)).astype(np.float32)

    def numbers(m, k, x, noise):
        with tf.GradientTape() as tape:
            tape.watch([m, k])
            p = distributions.VonMisesFisher(m, k)
            drawn, log_q = p.transform(noise)
            total = tf.reduce_sum(drawn[..., 0]) + tf.reduce_sum(log_q)
        gradients = tape.gradient(total, [m, k])
        divergence = closed_form_kl(p, tfd.SphericalUniform(5))
        return p.log_prob(x), drawn, log_q, p.stddev(), divergence, *gradients

    arguments = [tf.constant(part) for part in (m, k, x, noise)]
    compiled = tf.function(numbers, jit_compile=jit_compile, autograph=False)
    expected = numbers(*arguments)
    for actual, one in zip(compiled(*arguments), expected, strict=True):
        np.testing.assert_allclose(actual, one, rtol=2e-5, atol=2e-5)


def test_a_concentration_of_zero_is_uniform() -> None:
    for dimension in (2, 3, 50):
        m = np.eye(dimension)[1]
        p = distributions.VonMisesFisher(m, np.float64(0))
        np.testing.assert_allclose(p.log_prob(m), -log_area(dimension), rtol=1e-12)
        np.testing.assert_allclose(p.mean(), 0, atol=1e-12)
        np.testing.assert_allclose(p.variance(), 1 / dimension, rtol=1e-10)


def test_zero_has_no_density() -> None:
    with tf.GradientTape() as tape:
        x = tf.zeros([2, 3])
        tape.watch(x)
        log_p = distributions.VonMisesFisher([0.0, 0.6, 0.8], 2.0).log_prob(x)
    assert np.all(log_p == -np.inf)
    np.testing.assert_array_equal(tape.gradient(log_p, x), np.zeros((2, 3)))


def test_a_uniform_distribution_of_another_dimension() -> None:
    p = distributions.VonMisesFisher(np.eye(3, dtype="f"), np.ones(3, "f"))
    with pytest.raises(ValueError, match=r"same number .* Received: 3 and 4\."):
        closed_form_kl(p, tfd.SphericalUniform(4))
