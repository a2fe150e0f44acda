"""Quadrature over one or two latents, against SciPy's integrals and closed forms."""

import itertools

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from support.linear import Linear
from support.oracle import Oracle, weights_of
from support.small import small_vae
from support.training import binary
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.evidence import exact, gap, importance
from tfvae.evidence._quadrature import log_integral
from tfvae.evidence.exact_density import _by_quadrature


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("latents", [1, 2])
def test_quadrature_is_that_of_scipy(latents) -> None:
    vae = small_vae(posterior=tfvae.layers.Normal(latents))
    oracle, x = Oracle(vae), binary(3)

    def density(*z: float, x: np.ndarray) -> float:
        z = np.array(z)
        return np.exp(oracle.log_likelihood(x, z) + oracle.log_prior(z))

    integrals = [
        scipy.integrate.nquad(
            lambda *z, x=row: density(*z, x=x),
            [(-9, 9)] * latents,
            opts={"epsabs": 1e-9, "epsrel": 1e-7, "limit": 200},
        )[0]
        for row in (x if latents == 1 else x[:1])
    ]
    found = exact(vae, x)
    np.testing.assert_allclose(found[: len(integrals)], np.log(integrals), atol=1e-6)


@pytest.mark.usefixtures("float64")
def test_quadrature_finds_narrow_and_distant_posteriors() -> None:
    # A model that is linear, but not said to be: sinh(arcsinh(w z)) is w z.
    linear = Linear(1, 2, noise=1e-4)
    x = linear.marginal.rvs(10)
    x[:5] += 8 * linear.w[:, 0]
    linear.set_posterior(widen=3.0, shift=1.0)
    found = _by_quadrature(linear.vae, linear.vae._check(x), 1)
    np.testing.assert_allclose(found, linear.marginal.logpdf(x), rtol=1e-9, atol=1e-6)


def squares(latents: int, noise: float, sum_up: bool = False, spread: float = 1.0):
    """x = z^2 + noise e, or the sum over latents, with a q that knows nothing of x."""
    z = keras.Input((latents,))
    mean = keras.layers.Dot(1)([z, z]) if sum_up else keras.layers.Multiply()([z, z])
    width = mean.shape[-1]
    likelihood = tfvae.layers.Normal(width, scale=noise, projection=None)
    q = tfvae.layers.Normal(latents, scale=spread, kernel_initializer="zeros")
    encoder = keras.Sequential([keras.Input((width,)), q])
    return tfvae.VAE(encoder, keras.Model(z, likelihood(mean)), seed=0)


def log_density_of_square(x: float, noise: float) -> float:
    """Log p(x) of x = z^2 + noise e by SciPy, in pieces around both modes."""

    def density(z: float) -> float:
        return scipy.stats.norm.pdf(x, z * z, noise) * scipy.stats.norm.pdf(z)

    # Both modes have this deviation, but for the curvature.
    root, width = np.sqrt(x), noise / (2 * np.sqrt(x))
    near = [root + k * width for k in (-40, -10, -5, -2, 0, 2, 5, 10, 40)]
    ends = np.sort([-12, 12, *near, *np.negative(near)])
    return np.log(
        sum(
            scipy.integrate.quad(density, *pair, epsabs=0, epsrel=1e-10, limit=200)[0]
            for pair in itertools.pairwise(ends)
        )
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("noise", [0.05, 0.005, 1e-4])
@pytest.mark.parametrize("spread", [1.0, 0.05])
def test_quadrature_finds_both_of_two_narrow_modes(noise, spread) -> None:
    # Those of the last one are beyond the draws that the search begins with.
    x = np.array([0.3, 1.0, 4.0, 20.0])
    expected = [log_density_of_square(value, noise) for value in x]
    found = exact(squares(1, noise, spread=spread), x[:, None])
    np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("noise", [0.05, 0.005, 1e-3])
def test_quadrature_finds_four_modes_in_two_dimensions(noise) -> None:
    x = np.array([[0.3, 1.0], [2.0, 4.0]])
    expected = [
        log_density_of_square(one, noise) + log_density_of_square(other, noise)
        for one, other in x
    ]
    np.testing.assert_allclose(exact(squares(2, noise), x), expected, atol=3e-6)


@pytest.mark.usefixtures("float64")
def test_quadrature_goes_round_a_narrow_ring() -> None:
    noise, x = 0.02, np.array([0.3, 1.0, 2.0])
    # A sum of two squares of normals is exponential, with the mean 2.
    expected = scipy.stats.exponnorm(2 / noise, 0, noise).logpdf(x)
    found = exact(squares(2, noise, sum_up=True), x[:, None])
    np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("latents", "frequency", "noise"),
    [(1, 3, 0.05), (1, 5, 0.02), (1, 9, 0.005), (1, 20, 0.05), (2, 3, 0.05)],
)
def test_quadrature_crosses_the_troughs_between_many_modes(
    latents, frequency, noise
) -> None:
    # x = sin(w u) + noise e, with a standard normal u: one latent, or the sum of two.
    mean = keras.layers.Dense(1, activation=keras.ops.sin, use_bias=False)
    likelihood = tfvae.layers.Normal(1, scale=noise, projection=None)
    decoder = keras.Sequential([keras.Input((latents,)), mean, likelihood])
    mean.set_weights([np.full((latents, 1), frequency / np.sqrt(latents))])
    q = tfvae.layers.Normal(latents, kernel_initializer="zeros")
    vae = tfvae.VAE(keras.Sequential([keras.Input((1,)), q]), decoder)
    x, u = np.array([-0.5, 0.0, 0.1, 0.5, 0.9]), np.linspace(-10, 10, 400_001)
    joint = scipy.stats.norm.logpdf(x[:, None], np.sin(frequency * u), noise)
    joint += scipy.stats.norm.logpdf(u)
    expected = scipy.special.logsumexp(joint, axis=1) + np.log(u[1] - u[0])
    np.testing.assert_allclose(exact(vae, x[:, None]), expected, atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_quadrature_of_densities_with_kinks() -> None:
    # Twice the nodes make the error a quarter there, no less.
    vae = small_vae(tfvae.layers.Normal(2), tfvae.layers.Laplace(6))
    oracle, x = Oracle(vae), np.random.normal(size=(2, 6))
    axis = np.linspace(-9, 9, 1801)
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    p = vae.decode(z)
    loc, scale = p.mean().numpy(), p.stddev().numpy() / np.sqrt(2)
    prior = oracle.log_prior(z)
    joint = [scipy.stats.laplace.logpdf(r, loc, scale).sum(-1) + prior for r in x]
    expected = scipy.special.logsumexp(joint, axis=1) + 2 * np.log(axis[1] - axis[0])
    np.testing.assert_allclose(exact(vae, x), expected, atol=2e-5)


@pytest.mark.usefixtures("float64")
def test_quadrature_where_the_noise_shrinks_with_z() -> None:
    # Far from the prior p(x, z) has a ridge that becomes ever narrower.
    encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    (kernel, _), axis = decoder.get_weights(), np.linspace(-10, 10, 1001)
    z = np.stack(np.meshgrid(axis, axis), axis=-1)
    loc, raw = np.split(z @ kernel, 2, axis=-1)
    joint = scipy.stats.norm.logpdf(z).sum(-1)
    joint += scipy.stats.norm.logpdf(0, loc, np.logaddexp(0, raw) + 1e-6).sum(-1)
    expected = scipy.special.logsumexp(joint) + 2 * np.log(axis[1] - axis[0])
    found = exact(tfvae.VAE(encoder, decoder), np.zeros((1, 4)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_search_is_repeated_until_it_finds_what_hides() -> None:
    # A spike on a hill that is smooth up to the foot of the spike.
    places, width, height = np.linspace(0.2, 0.8, 40), 0.004, 10.0

    def log_integrand(rows: np.ndarray, z: np.ndarray) -> np.ndarray:
        spike = height - ((z[:, 0] - places[rows]) / width) ** 2 / 2
        return np.logaddexp(-(z[:, 0] ** 2) / 2, spike)

    starts = np.tile(np.linspace(-3, 3, 10)[:, None, None], (1, 40, 1))
    found, change = log_integral(log_integrand, starts, 1e-6, 0.0)
    assert np.all(change <= 1e-6)
    expected = np.log(np.sqrt(2 * np.pi) * (1 + width * np.exp(height)))
    np.testing.assert_allclose(found, expected, atol=3e-6)


def test_what_does_not_settle_is_told_from_what_does() -> None:
    def log_integrand(rows: np.ndarray, z: np.ndarray) -> np.ndarray:
        z = z[:, 0]
        normal, cauchy, nowhere = -(z**2) / 2, -np.log1p(z**2), np.full(len(z), -np.inf)
        return np.choose(rows % 3, [normal, cauchy, nowhere])

    starts = np.tile(np.linspace(-3, 3, 10)[:, None, None], (1, 7, 1))
    found, change = log_integral(log_integrand, starts, 1e-6, 0.0)
    np.testing.assert_allclose(found[::3], np.log(2 * np.pi) / 2, atol=1e-6)
    assert np.all(change[::3] <= 1e-6)
    assert np.all(change[1::3] > 1e-4)
    assert np.all(np.isinf(change[2::3]))


def test_the_change_tells_how_well_jumps_are_known() -> None:
    edges = np.linspace(-1, 1, 50) ** 3

    def log_integrand(rows: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.where(z[:, 0] < edges[rows], -(z[:, 0] ** 2) / 2, -np.inf)

    starts = np.tile(np.linspace(-3, 3, 10)[:, None, None], (1, 50, 1))
    found, change = log_integral(log_integrand, starts, 1e-9, 0.0)
    error = np.abs(found - scipy.stats.norm.logcdf(edges) - np.log(2 * np.pi) / 2)
    believed = change < 1e-4
    assert np.sum(believed) > 10
    assert np.all(error[believed] < 2e-4)


def test_values_that_agree_while_their_sums_still_change() -> None:
    # A broad Cauchy and a narrow t far out, whose tails are all of the window.
    place, width = 37_700.0, 0.016

    def log_integrand(rows: np.ndarray, z: np.ndarray) -> np.ndarray:
        narrow = scipy.stats.t.logpdf((z[:, 0] - place) / width, 3) - np.log(width)
        return scipy.stats.cauchy.logpdf(z[:, 0]) + narrow

    starts = np.tile(scipy.stats.cauchy.ppf(np.linspace(0.01, 0.99, 99)), (1, 1, 1)).T
    found, change = log_integral(log_integrand, starts, 1e-6, 0.0)
    # The known value is that of substitutions that make both peaks wide.
    assert change > 0.1 * np.abs(found + 22.21956)


@pytest.mark.usefixtures("float64")
def test_a_rare_component_of_the_prior_far_outside() -> None:
    prior = tfvae.priors.GaussianMixture(1, 2, seed=0)
    share, place, scale = np.array([0.997, 0.003]), np.array([0.0, 30.0]), [1.0, 0.5]
    prior.set_weights([np.log(share), place[:, None], np.log(np.expm1(scale))[:, None]])
    # Steps that are flat between the two, so that nothing leads there.
    bend = keras.layers.Dense(4, activation="tanh")
    likelihood = tfvae.layers.Normal(1, scale=0.2)
    decoder = keras.Sequential([keras.Input((1,)), bend, likelihood])
    bend.set_weights([np.ones((1, 4)), np.array([1.0, 0.0, -1.0, -27.0])])
    q = tfvae.layers.Normal(1, kernel_initializer="zeros")
    vae = tfvae.VAE(keras.Sequential([keras.Input((1,)), q]), decoder, prior, seed=0)
    z = np.linspace(-15, 45, 200_001)
    (kernel, bias), (weight, offset) = bend.get_weights(), weights_of(likelihood)[:2]
    mean = np.tanh(z[:, None] * kernel[0] + bias) @ weight + offset
    x = mean[[50_000, 150_000]]
    joint = scipy.stats.norm.logpdf(x, mean[:, 0], 0.2)
    joint += np.log(scipy.stats.norm.pdf(z[:, None], place, scale) @ share)
    expected = scipy.special.logsumexp(joint, axis=1) + np.log(z[1] - z[0])
    np.testing.assert_allclose(exact(vae, x), expected, atol=1e-4)


@pytest.mark.usefixtures("float64")
def test_an_encoder_that_gives_no_number_is_not_needed() -> None:
    likelihood = tfvae.layers.Normal(1, scale=0.5)
    decoder = keras.Sequential(
        [keras.Input((1,)), keras.layers.Activation("tanh"), likelihood]
    )

    logarithm = keras.layers.Activation(keras.ops.log)
    encoder = keras.Sequential([keras.Input((1,)), logarithm, tfvae.layers.Normal(1)])
    x, z = np.array([[1.0], [-1.0], [0.0], [2.0]]), np.linspace(-10, 10, 20_001)
    kernel, bias = weights_of(likelihood)[:2]
    joint = scipy.stats.norm.logpdf(x, np.tanh(z) * kernel[0, 0] + bias[0], 0.5)
    joint += scipy.stats.norm.logpdf(z)
    expected = scipy.special.logsumexp(joint, axis=1) + np.log(z[1] - z[0])
    found = exact(tfvae.VAE(encoder, decoder), x)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    nowhere = np.full((5, 2, 1), np.nan)
    nowhere[:, 0] = np.linspace(-1, 1, 5)[:, None]
    found, change = log_integral(lambda rows, z: -(z[:, 0] ** 2), nowhere, 1e-6, 0.0)
    np.testing.assert_allclose(found[0], np.log(np.pi) / 2)
    assert np.isinf(change[1])


@pytest.mark.usefixtures("float64")
def test_an_integral_that_does_not_settle_is_nan_and_the_others_stay() -> None:
    # Where softplus(z) is zero, the tails are those of the prior.
    z = keras.Input((1,))
    likelihood = tfvae.layers.Normal(1, scale=0.5, projection=None)
    decoder = keras.Model(z, likelihood(keras.layers.Activation("softplus")(z)))
    q = tfvae.layers.StudentT(1, kernel_initializer="zeros")
    encoder = keras.Sequential([keras.Input((1,)), q])
    prior = tfd.Independent(tfd.Cauchy(np.zeros(1), np.ones(1)), 1)
    vae = tfvae.VAE(encoder, decoder, prior, seed=0)
    x = np.array([[10.0], [0.2], [20.0]])

    def density(z: float, x: float) -> float:
        p = scipy.stats.norm.pdf(x, np.logaddexp(0, z), 0.5)
        return p * scipy.stats.cauchy.pdf(z)

    expected = np.log(
        [
            scipy.integrate.quad(density, *ends, args=(value,), epsabs=0, limit=500)[0]
            for value, ends in [(10, (0, 20)), (0.2, (-np.inf, 20)), (20, (10, 30))]
        ]
    )
    with pytest.warns(UserWarning, match=r"1 of 3 examples, such as that at \[1\]"):
        found = exact(vae, x)
    assert np.isnan(found[1])
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=1e-6)
    # The tails of q are lighter than those of a Cauchy, so that the weights have no
    # variance.
    with pytest.warns(UserWarning, match="1 of 1 examples: q"):
        split = gap(vae, x, num_samples=20_000, num_steps=1, seed=3)
    np.testing.assert_array_equal(split.estimated, [False, True, False])
    np.testing.assert_array_equal(split.log_prob[[0, 2]], found[[0, 2]])
    np.testing.assert_allclose(split.log_prob[1], expected[1], atol=0.1)


@pytest.mark.usefixtures("float64")
def test_quadrature_in_two_dimensions_with_correlation() -> None:
    linear = Linear(2, 3, noise=0.1, prior=True)
    x = linear.marginal.rvs(4)
    found = _by_quadrature(linear.vae, linear.vae._check(x), 2)
    np.testing.assert_allclose(found, linear.marginal.logpdf(x), atol=1e-6)


@pytest.mark.parametrize("latents", [1, 2])
def test_quadrature_agrees_with_importance_in_single_precision(latents) -> None:
    posterior, likelihood = tfvae.layers.Normal(latents), tfvae.layers.Poisson(6)
    vae = small_vae(posterior, likelihood)
    # q is near the prior, so that its tails are not too light.
    vae.encoder.set_weights(
        [0.01 * w for w in vae.encoder.get_weights()[:3]]
        + [np.repeat([0.0, 1.0], latents)]
    )
    x = np.random.poisson(1.0, size=(3, 6))
    estimate = importance(vae, x, 50_000, seed=0)
    error = 5 * estimate.standard_error + 1e-4
    assert (np.abs(exact(vae, x) - estimate.log_prob) < error).all()
