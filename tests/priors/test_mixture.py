"""The density of a mixture of normals as one matrix product."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from tensorflow_probability import distributions as tfd

from tfvae._builtins import builtins_only
from tfvae.distributions import Normal
from tfvae.priors.mixture import NormalMixture, mixture

RNG = np.random.default_rng(0)


def components(size: int, reach: float, scale: float, count: int = 30):
    loc = RNG.normal(0, reach, (count, size)).astype("float32") + np.float32(reach)
    scales = (scale * RNG.uniform(0.5, 2, (count, size))).astype("float32")
    return RNG.normal(size=count).astype("float32"), loc, scales


def oracle(z, logits, loc, scale):
    z, logits, loc, scale = (np.asarray(a, np.float64) for a in (z, logits, loc, scale))
    parts = stats.norm.logpdf(z[..., None, :], loc, scale).sum(-1)
    return special.logsumexp(parts + special.log_softmax(logits), axis=-1)


def assert_close(p, z, parts) -> None:
    expected = oracle(z, *parts)
    error = np.abs(p.log_prob(z) - expected) / np.maximum(1, np.abs(expected))
    assert np.max(error) < 1e-5


@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("reach", [0.0, 1.0, 300.0])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.1, 1.0, 50.0])
def test_the_density_is_exact_in_float32(size, reach, scale) -> None:
    """Near a component, between two and far away."""
    logits, loc, scales = components(size, reach, scale)
    near = loc[:20] + scales[:20] * RNG.normal(size=(20, size))
    z = np.stack([near, loc[5:25], near[::-1] + 10 * scale, 3 * near]).astype("float32")
    p = mixture(logits, tfd.Independent(Normal(loc, scales), 1))
    assert isinstance(p, NormalMixture)
    expected = oracle(z, logits, loc, scales)
    compiled = tf.function(p.log_prob, jit_compile=True, autograph=False)
    for density in (p.log_prob, compiled):
        error = np.abs(density(z) - expected) / np.maximum(1, np.abs(expected))
        assert np.max(error) < 1e-5


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_gradients_are_those_of_the_components_one_by_one(scale) -> None:
    logits, loc, scales = map(tf.constant, components(4, 1.0, scale))
    z = loc[:20] + scales[:20] * RNG.normal(size=(20, 4)).astype("float32")
    gradients = []
    for kind, cast in (
        (NormalMixture, tf.float32),
        (tfd.MixtureSameFamily, tf.float64),
    ):
        inputs = [tf.cast(value, cast) for value in (logits, loc, scales, z)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            weights, m, s, at = inputs
            p = kind(tfd.Categorical(weights), tfd.Independent(tfd.Normal(m, s), 1))
            log_p = p.log_prob(at)
        gradients.append(tape.gradient(log_p, inputs))
    for actual, expected in zip(*gradients, strict=True):
        size = np.max(np.abs(expected))
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * size)


@pytest.mark.parametrize("scale", [1e-6, 1.0], ids=["one by one", "written out"])
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_a_batch_of_unknown_size_has_a_gradient(scale, jit_compile) -> None:
    """XLA knows its size only once it runs, as of the last batch of an epoch."""
    parts = components(4, 1.0, scale)

    @tf.function(
        input_signature=[tf.TensorSpec([None, 4])],
        jit_compile=jit_compile,
        autograph=False,
    )
    def gradients(z):
        inputs = [z, *map(tf.constant, parts)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            weights, loc, scales = inputs[1:]
            p = mixture(weights, tfd.Independent(Normal(loc, scales), 1))
            log_p = p.log_prob(z)
        return tape.gradient(log_p, inputs)

    for count in (1, 7):
        near = RNG.normal(size=(count, 4)).astype("float32")
        z = parts[1][:count] + parts[2][:count] * near
        wide = [tf.constant(value, tf.float64) for value in (z, *parts)]
        with tf.GradientTape() as tape:
            tape.watch(wide)
            at, weights, loc, scales = wide
            squares = tf.square((at[:, None] - loc) / scales)
            elements = -0.5 * squares - tf.math.log(scales)
            log_parts = tf.nn.log_softmax(weights) + tf.reduce_sum(elements, -1)
            log_p = tf.reduce_logsumexp(log_parts, axis=-1)
        exact = tape.gradient(log_p, wide)
        for actual, expected in zip(gradients(z), exact, strict=True):
            size = np.max(np.abs(expected))
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * size)


def test_events_of_several_axes_and_one_scale() -> None:
    logits, loc, _ = components(6, 1.0, 1.0)
    p = mixture(logits, tfd.Independent(Normal(loc.reshape(30, 3, 2), 0.7), 2))
    z = RNG.normal(size=(5, 4, 3, 2)).astype("float32")
    assert p.log_prob(z).shape == (5, 4)
    expected = oracle(z.reshape(5, 4, 6), logits, loc, 0.7 * np.float32(1))
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-5)
    assert p.log_prob(z[0, 0]).shape == ()
    with builtins_only():
        np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-5)


def test_other_components_make_an_ordinary_mixture() -> None:
    laplace = tfd.Independent(tfd.Laplace(np.zeros((3, 2)), 1.0), 1)
    assert type(mixture(np.zeros(3), laplace)) is tfd.MixtureSameFamily
