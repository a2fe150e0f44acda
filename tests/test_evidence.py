"""Bounds on log p(x): against NumPy at the draws, and against quadrature over z."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae._math import fold_in
from tfvae.evidence._draws import noise_of_draws
from tfvae.evidence._over_draws import blockwise, log_mean_weight, mean

ESTIMATORS = {
    "log_mean_weight": (log_mean_weight, scipy.special.logsumexp),
    "mean": (mean, np.sum),
}


def one_latent(**kwargs) -> tuple[tfvae.VAE, Oracle, np.ndarray]:
    """A model whose p(x) is an integral over one dimension, and data."""
    vae = small_vae(posterior=tfvae.layers.Normal(1), **kwargs)
    return vae, Oracle(vae), binary(8)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("samples_per_pass", [1, 3, 7, 10])
def test_sums_over_samples_do_not_depend_on_the_passes(name, samples_per_pass) -> None:
    estimator, reduce = ESTIMATORS[name]
    values = np.random.normal(scale=30.0, size=(7, 4))
    # To ask for more than there are is an error.
    found = estimator(
        lambda first, count: tf.gather(tf.constant(values), first + tf.range(count)),
        num_samples=7,
        samples_per_pass=samples_per_pass,
        batch_size=4,
        dtype=tf.float64,
    )
    expected = reduce(values, axis=0)
    expected = expected - np.log(7) if name == "log_mean_weight" else expected / 7
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_weights_of_zero_and_of_any_size() -> None:
    infinity = np.inf
    log_weights = np.array(
        [
            [-infinity, -infinity, -1e4, 1e4, 0.0],
            [-infinity, -2.0, -1e4, -1e4, np.nan],
        ]
    )
    for samples_per_pass in (1, 2, tf.constant(2)):
        found = log_mean_weight(
            lambda first, count: tf.constant(log_weights)[first : first + count],
            2,
            samples_per_pass,
            5,
            tf.float64,
        )
        expected = [-infinity, -2 - np.log(2), -1e4, 1e4 - np.log(2), np.nan]
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700])
def test_blocks_cover_every_example_once(size) -> None:
    seeds = []

    def block(start: tf.Tensor, stop: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds.append(tuple(seed.numpy()))
        rows = tf.range(start, stop)
        return tf.stack([rows, tf.ones_like(rows) * seed[0]], axis=1)

    seed = tf.constant([1, 2])
    found = blockwise(block, size, seed, (2,), tf.int32).numpy()
    np.testing.assert_array_equal(found[:, 0], np.arange(size))
    assert len(set(seeds)) == len(seeds) == max(1, -(-size // 256))
    assert set(found[:, 1]) == {seed[0] for seed in seeds if size}


def test_terms_at_the_draws_are_those_of_numpy() -> None:
    vae, x = small_vae(), binary(5)
    oracle = Oracle(vae)
    terms = vae.terms(x, num_samples=4, seed=1)
    z = terms.z.numpy().astype(float)
    assert z.shape == (4, 5, 3)
    close = {"rtol": 2e-6, "atol": 1e-5}
    for name in ("log_likelihood", "log_prior", "log_posterior", "log_weights"):
        arguments = (z,) if name == "log_prior" else (x, z)
        expected = getattr(oracle, name)(*arguments)
        assert expected.shape == (4, 5)
        np.testing.assert_allclose(getattr(terms, name), expected, **close)
    mean = oracle.log_likelihood(x, z).mean(0)
    np.testing.assert_allclose(terms.reconstruction, mean, **close)
    np.testing.assert_allclose(terms.kl(), oracle.kl(x), **close)
    np.testing.assert_allclose(terms.kl("analytic"), oracle.kl(x), **close)
    ratio = oracle.log_posterior(x, z) - oracle.log_prior(z)
    np.testing.assert_allclose(terms.kl("monte_carlo"), ratio.mean(0), **close)


@pytest.mark.parametrize("size", [5, 300])
def test_both_bounds_at_their_draws(size) -> None:
    vae, x = small_vae(), binary(size)
    oracle = Oracle(vae)
    layer = vae.posterior_layer

    def draws_of(num_samples: int) -> np.ndarray:
        """All at once, which the model makes in passes."""
        blocks = []
        for b, part in enumerate(np.split(x, range(256, size, 256))):
            q, seed = vae.encode(part), fold_in(tf.constant([9, 0]), b)
            noise = noise_of_draws(
                layer.noise,
                layer.noise_shape,
                seed,
                (0, num_samples),
                len(part),
                "float32",
            )
            blocks.append(layer.transform(q, noise)[0].numpy())
        return np.concatenate(blocks, axis=1).astype(float)

    close = {"rtol": 2e-6, "atol": 1e-5}
    for num_samples in (1, 35):
        draws = draws_of(num_samples)
        elbo = oracle.log_likelihood(x, draws).mean(0) - oracle.kl(x)
        found = vae.elbo(x, num_samples, seed=9)
        assert isinstance(found, tf.Tensor)
        assert (found.shape, found.dtype) == ((size,), tf.float32)
        np.testing.assert_allclose(found, elbo, **close)
        log_weights = oracle.log_weights(x, draws)
        log_prob = scipy.special.logsumexp(log_weights, axis=0) - np.log(num_samples)
        found = vae.log_prob(x, num_samples, seed=9)
        assert isinstance(found, tf.Tensor)
        assert (found.shape, found.dtype) == ((size,), tf.float32)
        np.testing.assert_allclose(found, log_prob, **close)


def test_without_a_closed_form_one_weight_is_both_bounds() -> None:
    laplace = tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1)
    vae, x = small_vae(prior=laplace), binary(20)
    one, same = vae.elbo(x, 1, seed=4), vae.log_prob(x, 1, seed=4)
    np.testing.assert_allclose(one, same, rtol=1e-6)
    # From the same weights, Jensen's inequality holds for every example.
    elbo, log_prob = vae.elbo(x, 70, seed=4), vae.log_prob(x, 70, seed=4)
    assert (elbo.numpy() < log_prob.numpy()).all()


@pytest.mark.usefixtures("float64")
def test_the_elbo_is_its_integral() -> None:
    vae, oracle, x = one_latent()
    expected = oracle.integral(oracle.log_likelihood, x, "posterior") - oracle.kl(x)
    size = 20_000
    error = vae.terms(x, 200, seed=0).log_likelihood.numpy().std(0) / np.sqrt(size)
    found = vae.elbo(x, size, seed=0).numpy()
    assert found.dtype == np.float64
    assert (np.abs(found - expected) < 4 * error).all()
    assert error.max() < 0.02


@pytest.mark.usefixtures("float64")
def test_the_importance_estimate_tends_to_log_p() -> None:
    vae, oracle, x = one_latent()
    expected = oracle.log_marginal(x)
    # The densities of all 64 events are a distribution.
    events = np.array(np.meshgrid(*[[0.0, 1.0]] * 6)).reshape(6, -1).T
    assert np.exp(oracle.log_marginal(events)).sum() == pytest.approx(1, rel=1e-10)
    size = 20_000
    log_weights = vae.terms(x, size, seed=1).log_weights.numpy()
    error = np.exp(log_weights - expected).std(0) / np.sqrt(size)
    found = vae.log_prob(x, size, seed=0).numpy()
    assert found.dtype == np.float64
    assert (np.abs(found - expected) < 4 * error).all()
    assert error.max() < 0.02


@pytest.mark.usefixtures("float64")
def test_the_bounds_are_in_order() -> None:
    vae, oracle, x = one_latent()
    bounds = [vae.elbo(x, 4000, seed=0).numpy()] + [
        np.mean([vae.log_prob(x, s, seed=seed).numpy() for seed in range(20)], axis=0)
        for s in (2, 10, 100)
    ]
    means = [bound.mean() for bound in [*bounds, oracle.log_marginal(x)]]
    assert (np.diff(means) > 0).all()


def test_seeds_and_repetition() -> None:
    vae, x = small_vae(), binary(300)
    for method in (vae.elbo, vae.log_prob):
        one = method(x, 5, seed=2)
        np.testing.assert_array_equal(method(x, 5, seed=(2, 0)), one)
        np.testing.assert_array_equal(method(x.astype(bool), 5, seed=2), one)
        assert np.abs(method(x, 5, seed=3) - one).min() > 0
        assert np.abs(method(x, 5) - method(x, 5)).min() > 0
        # The draws of an example do not depend on those in the blocks behind it.
        np.testing.assert_allclose(method(x[:270], 5, seed=2), one[:270], rtol=1e-6)


def test_gradients_with_respect_to_the_data() -> None:
    vae = small_vae(likelihood=tfvae.layers.Normal(6))
    x = tf.constant(np.random.normal(size=(3, 6)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(vae.log_prob(x, 50, seed=1))
    gradient = tape.gradient(value, x).numpy()
    step = 1e-2 * np.eye(6, dtype="float32")
    for i in range(6):
        high, low = (vae.log_prob(x + s * step[i], 50, seed=1) for s in (1, -1))
        expected = (high - low) / 2e-2
        np.testing.assert_allclose(gradient[:, i], expected, rtol=2e-2, atol=2e-2)
