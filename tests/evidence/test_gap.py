"""The gap to the ELBO and its parts, against closed forms and quadrature."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from support.linear import Linear
from support.oracle import Oracle
from support.small import small_vae
from support.training import assert_same_weights, binary
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.evidence import exact, gap


@pytest.mark.usefixtures("float64")
def test_log_p_is_the_elbo_and_the_divergence() -> None:
    vae, x = small_vae(posterior=tfvae.layers.Normal(1)), binary(4)
    oracle = Oracle(vae)
    loc, scale = (a[:, 0] for a in oracle.posterior(x))
    elbo, divergence = np.zeros(4), np.zeros(4)
    for n, row in enumerate(x):
        q = scipy.stats.norm(loc[n], scale[n])

        def log_joint(z: float, row: np.ndarray = row) -> float:
            z = np.array([z])
            return oracle.log_likelihood(row, z) + oracle.log_prior(z)

        def integral(function, center: float, width: float) -> float:
            ends = center - 12 * width, center + 12 * width
            return scipy.integrate.quad(
                function, *ends, epsabs=1e-11, epsrel=1e-11, limit=500
            )[0]

        log_p = np.log(integral(lambda z, f=log_joint: np.exp(f(z)), 0.0, 1.0))
        elbo[n] = integral(
            lambda z, f=log_joint, q=q: q.pdf(z) * (f(z) - q.logpdf(z)),
            loc[n],
            scale[n],
        )
        divergence[n] = integral(
            lambda z, f=log_joint, q=q, c=log_p: q.pdf(z) * (q.logpdf(z) - (f(z) - c)),
            loc[n],
            scale[n],
        )
    log_prob = exact(vae, x)
    np.testing.assert_allclose(log_prob, elbo + divergence, atol=1e-7)
    found = gap(vae, x, num_samples=20_000, num_steps=300, seed=0)
    np.testing.assert_array_equal(found.log_prob, log_prob)
    assert not np.any(found.estimated)
    error = vae.terms(x, 5000, seed=1).log_weights.numpy().std(0) / np.sqrt(20_000)
    assert (np.abs(found.elbo - elbo) < 5 * error).all()
    assert (np.abs(found.total - divergence) < 5 * error).all()
    for field in ("elbo", "optimal_elbo", "total", "approximation", "amortization"):
        value = getattr(found, field)
        assert (value.shape, value.dtype) == ((4,), np.float64)
    assert (found.optimal_elbo > elbo).all()
    assert (found.optimal_elbo < log_prob).all()


@pytest.mark.usefixtures("float64")
def test_the_true_posterior_leaves_no_gap() -> None:
    linear = Linear()
    x = linear.marginal.rvs(5)
    found = gap(linear.vae, x, num_samples=100, seed=0)
    for field in ("total", "approximation", "amortization"):
        np.testing.assert_allclose(getattr(found, field), 0, atol=1e-6)


@pytest.mark.usefixtures("float64")
def test_a_full_covariance_has_amortization_alone() -> None:
    linear = Linear()
    linear.set_posterior(widen=1.5, shift=0.3)
    x = linear.marginal.rvs(5)
    found = gap(linear.vae, x, num_samples=2000, seed=0)
    # KL of two normals, with 1.5 times the deviations and another mean.
    shift = np.full(2, 0.3)
    expected = 0.5 * (
        shift @ np.linalg.solve(linear.covariance, shift)
        + 2 * (1.5**2 - 1)
        - 4 * np.log(1.5)
    )
    np.testing.assert_allclose(found.total, expected, rtol=0.15)
    np.testing.assert_allclose(found.approximation, 0, atol=3e-4)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("widen", "shift"), [(1.0, 0.0), (0.7, 0.2)])
def test_a_diagonal_posterior_costs_its_closed_form(widen, shift) -> None:
    linear = Linear(full=False, noise=1.0)
    linear.set_posterior(widen=widen, shift=shift)
    x = linear.marginal.rvs(5)
    found = gap(linear.vae, x, num_samples=100_000, seed=0)
    expected = linear.diagonal_gap()
    np.testing.assert_allclose(found.approximation, expected, rtol=0.05)
    if widen == 1:
        assert found.amortization.max() < 1e-3
    else:
        assert found.amortization.min() > 0.01
    np.testing.assert_allclose(
        found.total, found.approximation + found.amortization, atol=1e-12
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("num_samples", [4, 192])
def test_standard_errors_are_those_of_the_mean(num_samples) -> None:
    linear = Linear(full=False, noise=1.0)
    linear.set_posterior(widen=1.4)
    # The same example many times is many independent estimates, of one pass or three.
    x = np.repeat(linear.marginal.rvs(1, random_state=0)[None], 500, axis=0)
    known = linear.marginal.logpdf(x)
    found = gap(linear.vae, x, num_samples, num_steps=1, seed=1, log_prob=known)
    assert found.standard_error.shape == (500,)
    # Log w is a quadratic form in the draw, with this variance in closed form.
    q = np.diag(1.4 * linear.best_diagonal()) ** 2
    form = q @ np.linalg.inv(linear.covariance) - np.eye(2)
    error = np.sqrt(np.trace(form @ form) / 2 / num_samples)
    squares = found.standard_error**2
    assert abs(squares.mean() / error**2 - 1) < 5 * squares.std() / error**2 / 500**0.5
    assert found.elbo.std() == pytest.approx(error, rel=5 / np.sqrt(2 * 500))


def test_the_weights_of_the_model_stay() -> None:
    vae, x = small_vae(), binary(3)
    twin, q = small_vae(), vae.encode(x).mean().numpy()
    twin.set_weights(vae.get_weights())
    gap(vae, x, num_samples=50, num_steps=5, seed=0, log_prob=np.zeros(3))
    assert_same_weights(vae, twin)
    np.testing.assert_array_equal(vae.encode(x).mean(), q)


@keras.saving.register_keras_serializable("tests")
class Encoder(keras.Model):
    """A subclassed encoder."""

    def __init__(self, layer) -> None:
        super().__init__()
        self.hidden, self.layer = keras.layers.Dense(5), layer

    def call(self, x, training=False):
        return self.layer(self.hidden(x), training=training)


@pytest.mark.parametrize(
    "layer",
    [
        tfvae.layers.InverseAutoregressiveFlow,
        tfvae.layers.Laplace,
        tfvae.layers.VonMisesFisher,
    ],
)
def test_families_and_subclassed_encoders(layer) -> None:
    decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Bernoulli(6)])
    vae, x = tfvae.VAE(Encoder(layer(2)), decoder), binary(3)
    found = gap(vae, x, num_samples=500, num_steps=200, seed=0, log_prob=np.zeros(3))
    assert (found.amortization >= 0).all()
    assert found.amortization.mean() > 0.01
    np.testing.assert_allclose(found.total, -found.elbo)
    log_weights = vae.terms(x, 5000, seed=0).log_weights.numpy()
    error = log_weights.std(0) * np.sqrt(1 / 500 + 1 / 5000)
    assert (np.abs(found.elbo - log_weights.mean(0)) < 5 * error).all()


def test_examples_do_not_depend_on_each_other() -> None:
    vae, x = small_vae(posterior=tfvae.layers.Normal(2)), binary(200)
    settings = {"num_samples": 100, "num_steps": 30, "seed": 0}
    all_of_them = gap(vae, x, **settings, log_prob=np.zeros(200))
    other = np.concatenate([x[:128], x[:3]])
    other = gap(vae, other, **settings, log_prob=np.zeros(131))
    np.testing.assert_allclose(
        other.amortization[:128], all_of_them.amortization[:128], rtol=1e-3, atol=1e-3
    )


def test_wrong_arguments() -> None:
    vae, x = small_vae(), binary(3)
    for name in ("num_samples", "num_steps"):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            gap(vae, x, **{name: 0})
    with pytest.raises(ValueError, match="`num_samples` must be at least 2"):
        gap(vae, x, num_samples=1)
    with pytest.raises(ValueError, match=r"`log_prob` must have the shape \[3\]"):
        gap(vae, x, log_prob=np.zeros(2))
    prior = tfd.OneHotCategorical(np.zeros(3, "float32"), dtype="float32")
    counts = small_vae(posterior=tfvae.layers.OneHotCategorical(3), prior=prior)
    with pytest.raises(ValueError, match="gradients of its draws"):
        gap(counts, x)
