"""Posterior and prior are over the same values; what a model says of its parts."""

import math

import keras
import numpy as np
import pytest
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae import layers, priors

X = (np.random.default_rng(0).random((40, 6)) < 0.4).astype("float32")


def vae(posterior, prior=None, likelihood=None) -> tfvae.VAE:
    likelihood = likelihood or layers.Bernoulli(6)
    encoder = keras.Sequential([keras.Input((6,)), posterior])
    decoder = keras.Sequential([keras.Input(posterior.event_shape), likelihood])
    if callable(prior) and not isinstance(prior, keras.layers.Layer):
        prior = prior(encoder)
    return tfvae.VAE(encoder, decoder, prior, seed=0)


def test_the_prior_that_knows_nothing() -> None:
    normal = vae(layers.Normal(3)).prior_layer
    sphere = vae(layers.VonMisesFisher(3)).prior_layer
    assert type(normal) is priors.StandardNormal
    assert type(sphere) is priors.UniformSphere
    assert sphere.event_shape == (3,)


@pytest.mark.parametrize(
    "posterior",
    [
        lambda: layers.RelaxedOneHotCategorical(3, temperature=0.5),
        lambda: layers.OneHotCategorical(3),
        lambda: layers.Bernoulli(3),
    ],
)
def test_where_there_is_none(posterior) -> None:
    with pytest.raises(ValueError, match=r"`prior` must be given for <.*no standard"):
        vae(posterior())


ONE_HOT = tfd.OneHotCategorical(probs=[0.2, 0.3, 0.5], dtype="float32")
MISMATCHES = {
    "a mass for a relaxed posterior": (
        lambda: layers.RelaxedOneHotCategorical(3, temperature=0.5),
        ONE_HOT,
        "probability simplex.* a mass for each",
    ),
    "a normal on the sphere": (
        lambda: layers.VonMisesFisher(3),
        priors.StandardNormal(3),
        "unit sphere.* real numbers",
    ),
    "a sphere for a normal": (
        lambda: layers.Normal(3),
        priors.UniformSphere(3),
        "real numbers.* unit sphere",
    ),
    "a normal for bits": (
        lambda: layers.Bernoulli(3),
        priors.StandardNormal(3),
        "separate values.* real numbers",
    ),
    "masses for a normal": (
        lambda: layers.Normal(3),
        tfd.Independent(tfd.Poisson([1.0, 2.0, 3.0]), 1),
        "real numbers.* separate values",
    ),
    "a mixture of masses for a normal": (
        lambda: layers.Normal(3),
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.5, 0.5]),
            tfd.Independent(tfd.Bernoulli(probs=[[0.1] * 3] * 2, dtype="float32"), 1),
        ),
        "real numbers.* separate values",
    ),
}


@pytest.mark.parametrize(
    ("posterior", "prior", "message"), MISMATCHES.values(), ids=MISMATCHES.keys()
)
def test_a_prior_over_something_else_is_refused(posterior, prior, message) -> None:
    with pytest.raises(
        ValueError, match=rf"`prior` must be over the same values .*(?s:{message})"
    ):
        vae(posterior(), prior)


def each(distribution) -> tfd.Distribution:
    return tfd.Independent(distribution, 1)


ONES = np.ones(3, "float32")
PARTIAL = {
    "exponential": lambda: each(tfd.Exponential(ONES)),
    "gamma": lambda: each(tfd.Gamma(ONES, ONES)),
    "half-normal": lambda: each(tfd.HalfNormal(ONES)),
    "beta": lambda: each(tfd.Beta(ONES, ONES)),
    "uniform": lambda: each(tfd.Uniform(-10 * ONES, 10 * ONES)),
    "log-normal": lambda: tfd.Sample(tfd.LogNormal(0.0, 1.0), 3),
}


@pytest.mark.parametrize("prior", PARTIAL.values(), ids=PARTIAL.keys())
def test_a_prior_over_a_part_of_the_values_is_refused(prior) -> None:
    """Densities of TFP outside their support would make the ELBO exceed log p(x)."""
    with pytest.raises(ValueError, match=r"`prior` must have a density wherever the"):
        vae(layers.Normal(3), prior())


@pytest.mark.parametrize("prior", ["exponential", "gamma", "half-normal", "log-normal"])
def test_a_prior_over_more_or_the_same_values_is_taken(prior) -> None:
    model = vae(layers.Gamma(3), PARTIAL[prior]())
    assert np.all(np.isfinite(model.elbo(X)))
    assert np.all(np.isfinite(vae(layers.Gamma(3), priors.StandardNormal(3)).elbo(X)))
    assert np.all(np.isfinite(vae(layers.Beta(3), PARTIAL["uniform"]()).elbo(X)))


def test_draws_without_a_gradient_do_not_train_an_elbo() -> None:
    prior = tfd.Independent(tfd.Bernoulli(probs=[0.5] * 3, dtype="float32"), 1)
    model = vae(layers.Bernoulli(3), prior)
    # Everything that needs no gradient works.
    assert np.all(np.isfinite(model.log_prob(X, 10)))
    model.compile("adam")
    model.evaluate(X, verbose=0)
    with pytest.raises(ValueError, match=r"those of <Bernoulli .* carry no gradient"):
        model.fit(X, verbose=0)


def test_bits_per_dimension_are_reported_for_images() -> None:
    x = np.random.default_rng(1).integers(0, 256, (40, 6)).astype("float32")
    model = vae(layers.Normal(2), likelihood=layers.DiscretizedLogistic(6))
    model.compile("adam")
    history = model.fit(x, validation_data=x, batch_size=16, verbose=0).history
    assert "val_bits_per_dimension" in history
    logs = model.evaluate(x, return_dict=True, verbose=0)
    expected = -logs["elbo"] / (6 * math.log(2))
    np.testing.assert_allclose(logs["bits_per_dimension"], expected, rtol=1e-5)
    assert "bits_per_dimension" not in vae(layers.Normal(2)).metrics_names


@pytest.mark.parametrize(
    ("posterior", "prior", "method"),
    [
        (lambda: layers.Normal(2), None, "analytic"),
        (lambda: layers.Normal(2), tfd.Sample(tfd.Laplace(0.0, 1.0), 2), "monte_carlo"),
        (lambda: layers.MultivariateNormalTriL(2), None, "analytic"),
        (lambda: layers.MultivariateNormalLowRank(2, rank=1), None, "analytic"),
        (lambda: layers.HouseholderFlow(2, num_reflections=2), None, "analytic"),
        (lambda: layers.VonMisesFisher(3), None, "analytic"),
        (lambda: layers.Laplace(2), None, "monte_carlo"),
        (lambda: layers.StudentT(2), None, "monte_carlo"),
        (lambda: layers.InverseAutoregressiveFlow(2), None, "monte_carlo"),
        (lambda: layers.Normal(2), lambda _: priors.Normal(2), "analytic"),
        (lambda: layers.Normal(2), lambda _: priors.Flow(2), "monte_carlo"),
        (lambda: layers.Normal(2), lambda e: priors.VampPrior(e, 3), "monte_carlo"),
        (
            lambda: layers.RelaxedOneHotCategorical(3, temperature=0.5),
            lambda _: priors.RelaxedUniform(3, 0.4),
            "monte_carlo",
        ),
    ],
)
def test_how_the_kl_is_computed_can_be_asked(posterior, prior, method) -> None:
    model = vae(posterior(), prior)
    assert model.kl_method == method
    terms = model.terms(X, num_samples=2, seed=0)
    assert terms.kl_method == method
    auto, other = terms.kl(), terms.kl("monte_carlo")
    assert np.array_equal(auto, other) == (method == "monte_carlo")
    # The two agree, with enough draws.
    many = model.terms(X[:4], num_samples=4000, seed=1)
    ratio = many.log_posterior - many.log_prior
    error = np.std(ratio, axis=0) / np.sqrt(4000)
    assert np.all(np.abs(np.mean(ratio, axis=0) - many.kl()) < 5 * error + 1e-5)


def test_no_two_classes_share_a_name_in_a_file() -> None:
    """Keras finds a class by the name that it was registered with."""
    rooms = (layers, priors, tfvae.objectives)
    classes = {getattr(room, name) for room in rooms for name in room.__all__}
    saved = [cls for cls in classes if isinstance(cls, type)]
    names = [keras.saving.get_registered_name(cls) for cls in saved]
    registered = [name for name in names if name.startswith("tfvae")]
    assert len(registered) == len(set(registered))
    for cls, name in zip(saved, names, strict=True):
        if name.startswith("tfvae"):
            assert keras.saving.get_registered_object(name) is cls


def test_a_reconstruction_has_the_total_of_its_example() -> None:
    x = np.random.default_rng(2).poisson(5, (40, 6)).astype("float32")
    likelihood = layers.NegativeBinomial(6, library_size="observed")
    model = vae(layers.Normal(2), likelihood=likelihood)
    np.testing.assert_allclose(model.reconstruct(x).sum(-1), x.sum(-1), rtol=1e-5)


def test_parameters_of_bytes_are_exported_with_their_digits(tmp_path) -> None:
    """In units of 255 a location near zero has too few of them to compare."""
    x = np.random.default_rng(3).integers(0, 256, (64, 200)).astype("float32")
    likelihood = layers.DiscretizedLogisticMixture(200, num_components=5)
    encoder = keras.Sequential([keras.Input((200,)), layers.Normal(2)])
    hidden = keras.layers.Dense(100, activation="tanh")
    decoder = keras.Sequential([keras.Input((2,)), hidden, likelihood])
    model = tfvae.VAE(encoder, decoder, seed=0)
    model.compile("adam")
    model.fit(x, epochs=2, verbose=0)
    model.export(tmp_path / "1", num_samples=2)
    model.export(tmp_path / "vae.tflite", format="litert", num_samples=2)
