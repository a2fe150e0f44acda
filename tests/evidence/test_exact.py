"""Exact densities against SciPy's normal, scikit-learn's PCA and SciPy's integrals."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import sklearn.decomposition
from support.linear import Linear
from support.oracle import weights_of
from support.small import small_vae
from support.training import binary
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.evidence import exact
from tfvae.evidence._linear_gaussian import linear_gaussian


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize(("latents", "width"), [(1, 3), (3, 7), (7, 3)])
def test_a_linear_model_has_a_normal_density(latents, width, prior) -> None:
    linear = Linear(latents, width, prior=prior)
    x = linear.marginal.rvs(50)
    found = exact(linear.vae, x)
    assert (found.shape, found.dtype) == ((50,), np.float64)
    np.testing.assert_allclose(found, linear.marginal.logpdf(x), rtol=1e-10)


def test_single_precision_is_enough_for_a_narrow_noise() -> None:
    linear = Linear(2, 6, noise=1e-3)
    # The model of the weights as they are stored.
    kernel, linear.b = (w.astype(float) for w in linear.vae.decoder.get_weights())
    linear.w = kernel.T
    x = linear.marginal.rvs(20).astype("float32")
    expected = linear.marginal.logpdf(x.astype(float))
    np.testing.assert_allclose(exact(linear.vae, x), expected, rtol=1e-4)


@pytest.mark.usefixtures("float64")
def test_probabilistic_pca_is_that_of_scikit_learn() -> None:
    x = np.random.default_rng(0).normal(size=(200, 5)) @ np.diag([3, 2, 1, 0.5, 0.4])
    pca = sklearn.decomposition.PCA(2).fit(x)
    linear = Linear(2, 5, noise=float(np.sqrt(pca.noise_variance_)))
    scale = np.sqrt(pca.explained_variance_ - pca.noise_variance_)
    linear.vae.decoder.set_weights([pca.components_ * scale[:, None], pca.mean_])
    np.testing.assert_allclose(exact(linear.vae, x), pca.score_samples(x), rtol=1e-10)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "name", ["MultivariateNormalTriL", "MultivariateNormalLowRank"]
)
def test_noise_and_prior_with_full_covariances(name) -> None:
    layers = {
        "MultivariateNormalTriL": lambda: tfvae.layers.MultivariateNormalTriL(4),
        "MultivariateNormalLowRank": lambda: tfvae.layers.MultivariateNormalLowRank(
            4, rank=1
        ),
    }
    likelihood = layers[name]()
    encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    decoder = keras.Sequential([keras.Input((2,)), likelihood])
    lower = np.array([[1.0, 0.0], [0.7, 0.5]])
    prior = tfd.MultivariateNormalTriL(np.array([1.0, -2.0]), lower)
    vae = tfvae.VAE(encoder, decoder, prior)
    # A covariance that depends on z makes the model nonlinear.
    assert linear_gaussian(vae) is None
    kernel, bias = vae.decoder.get_weights()
    kernel[:, 4:], bias = 0, np.random.normal(size=bias.shape)
    vae.decoder.set_weights([kernel, bias])
    p = vae.decode(np.zeros((1, 2)))
    w = kernel[:, :4].T
    covariance = w @ lower @ lower.T @ w.T + p.covariance().numpy()[0]
    mean = p.mean().numpy()[0] + w @ [1.0, -2.0]
    x = np.random.normal(size=(6, 4))
    expected = scipy.stats.multivariate_normal(mean, covariance).logpdf(x)
    np.testing.assert_allclose(exact(vae, x), expected, rtol=1e-9)


@pytest.mark.usefixtures("float64")
def test_two_axes_of_latents_and_of_data() -> None:
    encoder = keras.Sequential(
        [keras.Input((2, 3)), keras.layers.Flatten(), tfvae.layers.Normal((2, 2))]
    )
    decoder = keras.Sequential(
        [
            keras.Input((2, 2)),
            keras.layers.Flatten(),
            tfvae.layers.Normal((2, 3), scale="shared"),
        ]
    )
    vae = tfvae.VAE(encoder, decoder)
    weights = weights_of(decoder)
    kernel = next(w for w in weights if w.ndim == 2)
    (raw,) = (w for w in weights if w.ndim == 0)
    covariance = kernel.T @ kernel + (np.logaddexp(0, raw) + 1e-6) ** 2 * np.eye(6)
    p = scipy.stats.multivariate_normal(np.zeros(6), covariance)
    x = np.random.normal(size=(5, 2, 3))
    np.testing.assert_allclose(exact(vae, x), p.logpdf(x.reshape(5, 6)), rtol=1e-9)


def test_relu_networks_are_not_linear() -> None:
    encoder = keras.Sequential([keras.Input((3,)), tfvae.layers.Normal(3)])
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5, activation="relu"),
            tfvae.layers.Normal(3, scale=1.0),
        ]
    )
    vae = tfvae.VAE(encoder, decoder)
    message = "at most 2 latents. This one is not linear and has 3.*evidence.importance"
    with pytest.raises(ValueError, match=message):
        exact(vae, np.zeros((1, 3)))
    identity = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5),
            keras.layers.Dense(4),
            tfvae.layers.Normal(3, scale=1.0),
        ]
    )
    assert exact(tfvae.VAE(encoder, identity), np.zeros((1, 3))).shape == (1,)


def test_double_precision_behind_an_input_in_single() -> None:
    keras.config.set_dtype_policy("float64")
    try:
        linear = Linear(4, 6)
    finally:
        keras.config.set_dtype_policy("float32")
    assert linear.vae.decoder.inputs[0].dtype == "float32"
    x = linear.marginal.rvs(5)
    found, expected = exact(linear.vae, x), linear.marginal.logpdf(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_half_precision_is_named_where_it_bends_what_is_linear() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = keras.Sequential([keras.Input((3,)), tfvae.layers.Normal(3)])
        likelihood = tfvae.layers.Normal(3, scale=1.0)
        decoder = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(5), likelihood]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    message = r"not linear \(it computes in bfloat16\) and has 3"
    with pytest.raises(ValueError, match=message):
        exact(tfvae.VAE(encoder, decoder), np.zeros((1, 3)))


def bent(latents: int, bend: float, location: float, noise: float) -> tfvae.VAE:
    """x = location + bend sum(tanh(z)) + noise e, of two elements."""
    encoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(latents)])
    decoder = keras.Sequential(
        [
            keras.Input((latents,)),
            keras.layers.Activation("tanh" if bend else "linear"),
            tfvae.layers.Normal(2, scale=noise),
        ]
    )
    kernel, bias = decoder.get_weights()
    decoder.set_weights([np.full_like(kernel, bend or 1.0), bias + location])
    return tfvae.VAE(encoder, decoder, seed=0)


def test_a_large_location_hides_no_bend() -> None:
    # The bend is below 200 roundings of the location, and above the noise.
    bend, location = 0.05, 1e4
    assert 200 * np.finfo("float32").eps * location > 3 * bend
    assert linear_gaussian(bent(3, bend, location, noise=0.05)) is None
    # A small bend in a large noise makes no difference.
    wide = bent(3, bend, location, noise=1000.0)
    p = scipy.stats.norm(location, 1000)
    x = np.full((1, 2), location + 500, "float32")
    np.testing.assert_allclose(exact(wide, x), p.logpdf(x).sum(-1), atol=1e-3)


@pytest.mark.usefixtures("float64")
def test_a_bend_behind_a_large_location_is_integrated() -> None:
    location, noise = 2.0**36, 0.04
    vae, offset = bent(1, 2e-3, location, noise), np.array([0.04, -0.08])
    assert linear_gaussian(vae) is None
    axis = np.linspace(-10, 10, 4001)
    density = scipy.stats.norm.pdf(axis) * np.prod(
        scipy.stats.norm.pdf(offset[:, None], 2e-3 * np.tanh(axis), noise), axis=0
    )
    expected = np.log(scipy.integrate.trapezoid(density, axis))
    # Locations are multiples of 2^-16.
    found = exact(vae, location + offset[None])
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_linear_model_whose_rounding_is_not_small_in_its_noise() -> None:
    assert linear_gaussian(bent(3, 0.0, 1e4, noise=10.0)) is not None
    rounded = bent(3, 0.0, 1e4, noise=1e-2)
    assert linear_gaussian(rounded) is None
    with pytest.raises(ValueError, match="not linear and has 3"):
        exact(rounded, np.full((1, 2), 1e4))


def test_latents_that_are_not_real_are_refused() -> None:
    for layer, prior in (
        (tfvae.layers.VonMisesFisher(2), None),
        (tfvae.layers.VonMisesFisher(5), None),
        (tfvae.layers.LogNormal(1), tfd.Independent(tfd.LogNormal([0.0], 1.0), 1)),
    ):
        vae = small_vae(posterior=layer, prior=prior)
        with pytest.raises(
            ValueError, match="`exact` needs latents that take all real"
        ):
            exact(vae, binary(2))


def test_data_outside_the_support_are_refused() -> None:
    vae = small_vae(posterior=tfvae.layers.Normal(1))
    with pytest.raises(ValueError, match="`x`"):
        exact(vae, binary(2) + 0.5)
