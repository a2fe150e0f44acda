"""The density p(x) as a distribution."""

import re

import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf
from support.linear import Linear
from support.small import small_vae
from support.training import binary
from tensorflow_probability import distributions as tfd

from tfvae.evidence import Marginal


@pytest.mark.usefixtures("float64")
def test_it_integrates_to_one() -> None:
    p = Linear(1, 1).vae.marginal(num_samples=3)
    grid = np.linspace(-15, 15, 2001)
    total = scipy.integrate.trapezoid(np.exp(p.log_prob(grid[:, None])), grid)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.usefixtures("float64")
def test_it_integrates_to_one_with_an_approximate_posterior() -> None:
    linear = Linear(2, 1, full=False)
    linear.set_posterior(widen=1.3)
    p = linear.vae.marginal(num_samples=2000)
    grid = np.linspace(-15, 15, 601)
    total = scipy.integrate.trapezoid(np.exp(p.log_prob(grid[:, None])), grid)
    assert total == pytest.approx(1, abs=0.01)


@pytest.mark.usefixtures("float64")
def test_draws_and_densities_are_those_of_the_normal() -> None:
    linear = Linear(2, 3, prior=True)
    p = linear.vae.marginal()
    x = p.sample(20_000, seed=1).numpy()
    expected = linear.marginal
    deviation = np.sqrt(np.diag(expected.cov))
    error = deviation / np.sqrt(20_000)
    assert (np.abs(x.mean(axis=0) - expected.mean) < 4.5 * error).all()
    np.testing.assert_allclose(
        np.cov(x.T), expected.cov, atol=0.06 * deviation.max() ** 2
    )
    x = x[:24].reshape(2, 3, 4, 3)
    np.testing.assert_allclose(p.log_prob(x), expected.logpdf(x), rtol=1e-9)


def test_it_is_a_distribution() -> None:
    vae, x = small_vae(), binary(5)
    p = vae.marginal(num_samples=7)
    assert isinstance(p, Marginal)
    assert isinstance(p, tfd.Distribution)
    assert (p.vae, p.num_samples) == (vae, 7)
    assert (p.batch_shape, p.event_shape, p.dtype) == ([], [6], tf.float32)
    np.testing.assert_array_equal(p.batch_shape_tensor(), [])
    np.testing.assert_array_equal(p.event_shape_tensor(), [6])
    assert p.sample().shape == [6]
    assert p.sample((2, 3), seed=1).shape == [2, 3, 6]
    assert p.log_prob(x[0]).shape == []
    assert p.prob(x).shape == [5]
    assert "Marginal" in str(p)
    np.testing.assert_array_equal(p.sample(4, seed=1), p.sample(4, seed=1))


def test_densities_have_a_fixed_seed() -> None:
    vae, x = small_vae(), binary(5)
    p = vae.marginal(num_samples=7)
    np.testing.assert_array_equal(p.log_prob(x), p.log_prob(x))
    np.testing.assert_array_equal(p.log_prob(x), vae.log_prob(x, 7, seed=0))
    np.testing.assert_array_equal(p.log_prob(x, seed=3), vae.log_prob(x, 7, seed=3))
    assert np.abs(p.log_prob(x, seed=3) - p.log_prob(x)).min() > 0
    inside = tf.function(p.log_prob, autograph=False)(tf.constant(x))
    np.testing.assert_allclose(inside, p.log_prob(x), rtol=1e-5)


@pytest.mark.usefixtures("float64")
def test_leading_axes_that_a_graph_does_not_know() -> None:
    linear = Linear(2, 3)
    p = linear.vae.marginal(num_samples=2)
    x = linear.marginal.rvs(8).reshape(2, 4, 3)
    expected = linear.marginal.logpdf(x)
    for shape in ((None, None, 3), (None, 4, None), (None, None, None), None):
        spec = tf.TensorSpec(shape, tf.float64)
        function = tf.function(p.log_prob, input_signature=[spec], autograph=False)
        np.testing.assert_allclose(function(tf.constant(x)), expected, rtol=1e-9)
    wrong = tf.TensorSpec((None, None), tf.float64)
    function = tf.function(p.log_prob, input_signature=[wrong], autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError):
        function(tf.zeros((3, 2), tf.float64))


@pytest.mark.parametrize("shape", [(), (5,), (6, 1), (6, 5), (2, 3)])
def test_wrong_shapes(shape) -> None:
    p = small_vae().marginal(2)
    received = re.escape(str(list(shape)))
    message = rf"`x` must have the shape \[\.\.\., 6\]. Received the shape {received}"
    with pytest.raises(ValueError, match=message):
        p.log_prob(np.zeros(shape, "float32"))
    spec = tf.TensorSpec(shape, tf.float32)
    with pytest.raises(ValueError, match=message):
        tf.function(p.log_prob, autograph=False).get_concrete_function(spec)


def test_wrong_arguments() -> None:
    vae = small_vae()
    with pytest.raises(ValueError, match="`num_samples` must be"):
        vae.marginal(0)
    with pytest.raises(ValueError, match="support of Bernoulli"):
        vae.marginal(2).log_prob(binary(3) + 0.5)
