"""Values of bounds: against NumPy at given draws, quadrature, and the true evidence."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae.objectives import (
    ELBO,
    CombinedImportanceWeighted,
    Context,
    Estimate,
    ImportanceWeighted,
    MultiplyImportanceWeighted,
    Objective,
    PartiallyImportanceWeighted,
    Reconstruction,
    Renyi,
)
from tfvae.objectives.weightings import Combination, LogMeanExp, Power


def estimate(objective: Objective, vae, x, seed=1, step=0, training=False) -> Estimate:
    context = Context(tf.constant(step, tf.int64), None, training, tf.constant([7, 8]))
    return objective.estimate(vae.terms(x, objective.num_draws, seed), context)


def log_mean(w: np.ndarray, axis: int) -> np.ndarray:
    """The logarithm of the mean weight, of log weights."""
    return scipy.special.logsumexp(w, axis=axis) - np.log(w.shape[axis])


def reference(name: str, w: np.ndarray) -> np.ndarray:
    """The bound of log weights [6, B], where M is 2 and K is 3."""
    groups = w.reshape(2, 3, -1)
    return {
        "importance": log_mean(w, 0),
        "multiply": (log_mean(groups[0], 0) + log_mean(groups[1], 0)) / 2,
        "exchanged": sum(log_mean(w[2 * i : 2 * i + 2], 0) for i in range(3)) / 3,
        "partially": log_mean(w, 0),
        "combined": 0.3 * w.mean(0) + 0.7 * log_mean(w, 0),
        "renyi": log_mean(0.75 * w, 0) / 0.75,
        "renyi above": log_mean(-0.5 * w, 0) / -0.5,
        "upper": log_mean(3 * w, 0) / 3,
    }[name]


BOUNDS = {
    "importance": ImportanceWeighted(6),
    "multiply": MultiplyImportanceWeighted(2, 3),
    "exchanged": MultiplyImportanceWeighted(3, 2),
    "partially": PartiallyImportanceWeighted(2, 3),
    "combined": CombinedImportanceWeighted(0.3, 6),
    "renyi": Renyi(0.25, 6),
    "renyi above": Renyi(1.5, 6),
    "upper": Renyi(-2.0, 6),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_those_of_numpy(name, training) -> None:
    vae, x = small_vae(), binary(5)
    oracle, objective = Oracle(vae), BOUNDS[name]
    z = vae.terms(x, 6, seed=1).z.numpy().astype(float)
    expected = reference(name, oracle.log_weights(x, z))
    found = estimate(objective, vae, x, training=training)
    np.testing.assert_allclose(found.bound, expected, rtol=2e-6, atol=1e-5)
    np.testing.assert_allclose(found.decoder_loss, -expected, rtol=2e-6, atol=1e-5)
    np.testing.assert_allclose(found.encoder_loss, -expected, rtol=2e-6, atol=1e-5)
    elbo = oracle.log_likelihood(x, z).mean(0) - oracle.kl(x)
    np.testing.assert_allclose(found.elbo, elbo, rtol=2e-6, atol=1e-5)


def test_groups_and_samples_cannot_be_exchanged() -> None:
    vae, x = small_vae(), binary(5)
    one = estimate(MultiplyImportanceWeighted(2, 3), vae, x).bound
    other = estimate(MultiplyImportanceWeighted(3, 2), vae, x).bound
    assert np.abs(one - other).min() > 1e-3


@pytest.mark.parametrize("gradient", ["reparameterized", "stl", "dreg", "score"])
@pytest.mark.parametrize("name", BOUNDS)
def test_the_reported_loss_is_minus_the_bound_whatever_the_gradient(
    name, gradient
) -> None:
    vae, x = small_vae(), binary(5)
    config = BOUNDS[name].get_config() | {"gradient": gradient}
    found = estimate(type(BOUNDS[name]).from_config(config), vae, x, training=True)
    expected = estimate(BOUNDS[name], vae, x).bound
    for value in (found.bound, -found.encoder_loss, -found.decoder_loss):
        np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_the_reconstruction_has_no_kl() -> None:
    vae, x = small_vae(), binary(5)
    found = estimate(Reconstruction(4), vae, x, training=True)
    np.testing.assert_array_equal(found.bound, found.reconstruction)
    np.testing.assert_array_equal(found.decoder_loss, -found.reconstruction)


@pytest.mark.parametrize("kl", ["analytic", "monte_carlo"])
def test_free_nats_are_free(kl) -> None:
    vae, x = small_vae(), binary(5)
    plain = estimate(ELBO(3, kl=kl), vae, x)
    middle = float(np.median(plain.kl))
    found = estimate(ELBO(3, 2.0, kl, free_nats=middle), vae, x, training=True)
    expected = plain.reconstruction - 2 * np.maximum(plain.kl, middle)
    np.testing.assert_allclose(found.bound, expected, rtol=1e-6)
    np.testing.assert_allclose(found.kl, plain.kl, rtol=1e-6)


@pytest.mark.parametrize("kl", ["analytic", "monte_carlo"])
def test_free_nats_have_no_gradient(kl) -> None:
    vae, x = small_vae(), binary(5)

    def gradient(objective) -> list[np.ndarray]:
        weights = [w.value for w in vae.encoder.trainable_variables]
        with tf.GradientTape() as tape:
            loss = estimate(objective, vae, x, training=True).encoder_loss
        return tape.gradient(loss, weights)

    all_free = gradient(ELBO(3, kl=kl, free_nats=1e4))
    none_free = gradient(ELBO(3, kl=kl, free_nats=1e-6))
    for found, expected in zip(all_free, gradient(Reconstruction(3)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for found, expected in zip(none_free, gradient(ELBO(3, kl=kl)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alpha", [1.0, 1 - 1e-7, 1 + 1e-7, 1 - 1e-4])
def test_renyi_near_one_is_the_elbo(alpha) -> None:
    vae, x = small_vae(), binary(5)
    oracle = Oracle(vae)
    z = vae.terms(x, 6, seed=1).z.numpy().astype(float)
    w = oracle.log_weights(x, z)
    # The next term of the expansion in 1 - alpha.
    expected = w.mean(0) + (1 - alpha) * w.var(0) / 2
    found = estimate(Renyi(alpha, 6), vae, x).bound
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_renyi_at_zero_is_the_importance_weighted_bound() -> None:
    vae, x = small_vae(), binary(5)
    one, other = Renyi(0.0, 6), ImportanceWeighted(6)
    np.testing.assert_allclose(
        estimate(one, vae, x).bound, estimate(other, vae, x).bound, rtol=1e-6
    )


def test_large_weights_neither_overflow_nor_vanish() -> None:
    log_weights = tf.constant([[-5000.0], [-4000.0], [3000.0]])
    weightings = [LogMeanExp(), LogMeanExp(3), Combination(tf.constant(0.5))]
    weightings += [Power(alpha) for alpha in (-1.0, 0.5, 0.999, 1.0, 2.0)]
    for weighting in weightings:
        assert np.all(np.isfinite(weighting.value(log_weights)))
        assert np.all(np.isfinite(weighting.slopes(log_weights)))


def one_dimensional() -> tuple[tfvae.VAE, np.ndarray, Oracle]:
    keras.utils.set_random_seed(0)
    vae = small_vae(posterior=tfvae.layers.Normal(1))
    return vae, binary(3), Oracle(vae)


class Quadrature:
    """Expectations of functions of importance weights, over z of one dimension."""

    def __init__(self, oracle: Oracle, x: np.ndarray, nodes: int = 120) -> None:
        places, weights = np.polynomial.hermite_e.hermegauss(nodes)
        loc, scale = oracle.posterior(x)
        z = loc + scale * places[:, None, None]
        self.v = np.stack([oracle.log_weights(x, part) for part in z])
        self.weights = weights / weights.sum()

    def elbo(self) -> np.ndarray:
        return self.weights @ self.v

    def log_mean(self, num_samples: int, power: float = 1.0) -> np.ndarray:
        """E[log 1/K sum_k w_k^power], by the Laplace transform of one weight.

        log s = integral of (exp(-t) - exp(-s t)) / t dt, and the w_k are independent.
        """
        v = power * self.v
        middle = self.weights @ v
        t = np.exp(np.linspace(-60, 60, 24_001))
        step = 120 / 24_000
        w = np.exp(v - middle)
        result = []
        for column in w.T:
            transform = np.exp(-np.multiply.outer(t, column)) @ self.weights
            result.append(np.sum(np.exp(-t) - transform**num_samples) * step)
        return middle + result - np.log(num_samples)

    def bound(self, name: str) -> np.ndarray:
        """What the bound of that name in `BOUNDS` is in expectation."""
        return {
            "importance": lambda: self.log_mean(6),
            "multiply": lambda: self.log_mean(3),
            "exchanged": lambda: self.log_mean(2),
            "partially": lambda: self.log_mean(6),
            "combined": lambda: 0.3 * self.elbo() + 0.7 * self.log_mean(6),
            "renyi": lambda: self.log_mean(6, 0.75) / 0.75,
            "renyi above": lambda: self.log_mean(6, -0.5) / -0.5,
            "upper": lambda: self.log_mean(6, 3.0) / 3,
        }[name]()


@pytest.mark.parametrize("power", [1.0, 0.75, -0.5, 3.0])
def test_the_quadrature_is_that_over_all_draws(power) -> None:
    _, x, oracle = one_dimensional()
    quadrature = Quadrature(oracle, x, nodes=60)
    v, p = power * quadrature.v, quadrature.weights
    two = np.logaddexp(v[:, None], v[None])
    three = np.logaddexp(two[:, :, None], v[None, None])
    means = [
        np.einsum("i,ib->b", p, v),
        np.einsum("i,j,ijb->b", p, p, two) - np.log(2),
        np.einsum("i,j,k,ijkb->b", p, p, p, three) - np.log(3),
    ]
    for number, expected in enumerate(means, start=1):
        found = quadrature.log_mean(number, power)
        np.testing.assert_allclose(found, expected, atol=1e-8)


def repeated(objective: Objective, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of `size` independent estimates for each of 3 examples, and errors."""
    vae, x, _ = one_dimensional()
    found = estimate(objective, vae, np.tile(x, (size, 1)), seed=3).bound
    found = found.numpy().astype(float).reshape(size, len(x))
    return found.mean(0), found.std(0, ddof=1) / np.sqrt(size)


@pytest.mark.parametrize("name", BOUNDS)
def test_expectations_are_those_of_quadrature(name) -> None:
    _, x, oracle = one_dimensional()
    quadrature = Quadrature(oracle, x)
    expected = quadrature.bound(name)
    found, error = repeated(BOUNDS[name], 20_000)
    assert (np.abs(found - expected) < 4.5 * error + 1e-5).all()
    # So precise that no two of them can be taken for one another.
    assert error.max() < 0.005
    assert np.abs(expected - quadrature.elbo()).min() > 5 * error.max()


@pytest.mark.parametrize(("groups", "samples"), [(6, 1), (3, 4), (2, 16), (1, 64)])
def test_groups_have_the_expectation_of_one(groups, samples) -> None:
    _, x, oracle = one_dimensional()
    expected = Quadrature(oracle, x).log_mean(samples)
    found, error = repeated(MultiplyImportanceWeighted(groups, samples), 5000)
    assert (np.abs(found - expected) < 4.5 * error + 1e-5).all()


def test_importance_weighted_bounds_rise_to_the_evidence() -> None:
    vae, x, oracle = one_dimensional()
    quadrature, evidence = Quadrature(oracle, x), oracle.log_marginal(x)
    size, most = 2000, 64
    terms = vae.terms(np.tile(x, (size, 1)), most, seed=3)
    context = Context(tf.constant(0, tf.int64), None, training=False)
    # All of them from the same draws: a group of 2K is two groups of K.
    counts = [1, 2, 4, 8, 16, 32, 64]
    bounds = [
        MultiplyImportanceWeighted(most // count, count).estimate(terms, context).bound
        for count in counts
    ]
    for count, lower, higher in zip(counts, bounds, bounds[1:], strict=False):
        rise = (higher - lower).numpy().astype(float).reshape(size, len(x))
        # The mean of two logarithms is at most the logarithm of the mean.
        assert rise.min() > -1e-5
        mean, error = rise.mean(0), rise.std(0, ddof=1) / np.sqrt(size)
        assert (mean > 10 * error).all()
        expected = quadrature.log_mean(2 * count) - quadrature.log_mean(count)
        assert (np.abs(mean - expected) < 4.5 * error + 1e-6).all()
    found, error = repeated(ImportanceWeighted(1024), 200)
    assert (np.abs(found - evidence) < 4.5 * error + 1e-3).all()


@pytest.mark.parametrize("name", BOUNDS)
def test_training_logs_the_true_bound(name) -> None:
    vae, x = small_vae(), binary(20)
    objective = type(BOUNDS[name]).from_config(BOUNDS[name].get_config())
    vae.compile(keras.optimizers.Adam(0.01), objective)
    history = vae.fit(x, epochs=2, verbose=0).history
    assert set(history) == {"loss", "elbo", "reconstruction", "kl", "bound"}
    np.testing.assert_allclose(history["bound"], np.negative(history["loss"]), 1e-5)
