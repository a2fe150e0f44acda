"""What holds for every prior."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.comparison import assert_exact
from support.prior_cases import PRIORS, encoder_of, numbers
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae._math import standard_noise
from tfvae.priors import Fixed, Prior, StandardNormal

DRAWS = 4000

every_prior = pytest.mark.parametrize("case", PRIORS.values(), ids=PRIORS.keys())
learned = pytest.mark.parametrize(
    ("name", "case"), [pair for pair in PRIORS.items() if pair[1].weights]
)
with_density = pytest.mark.parametrize(
    ("name", "case"), [pair for pair in PRIORS.items() if pair[1].log_prob]
)


def noise_for(prior, lead, seed, dtype="float32"):
    return standard_noise(prior.noise, (*lead, *prior.noise_shape), seed, dtype)


def test_every_public_prior_is_here() -> None:
    public = {getattr(tfvae.priors, name) for name in tfvae.priors.__all__}
    priors = {cls for cls in public if issubclass(cls, Prior)} - {Prior}
    assert priors == {type(case.make()) for case in PRIORS.values()}


@every_prior
def test_the_contract(case) -> None:
    prior = case.make(name="p_of_z")
    p = prior.distribution
    assert isinstance(p, tfd.Distribution)
    assert p.batch_shape == ()
    assert p.event_shape == prior.event_shape
    assert prior.noise == case.noise
    assert prior.name == "p_of_z"
    assert prior.built
    assert prior.measure in ("lebesgue", "sphere", "simplex")
    assert len(prior.weights) == len(prior.trainable_weights) == case.weights
    assert repr(prior) == (
        f"<{type(prior).__name__} event_shape={prior.event_shape} name=p_of_z>"
    )
    assert p.log_prob(p.sample((5, 4), seed=1)).shape == (5, 4)


@every_prior
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_shapes_of_transformed_noise(case, lead) -> None:
    prior = case.make()
    z = prior.transform(noise_for(prior, lead, [1, 2]))
    assert z.shape == (*lead, *prior.event_shape)
    assert z.dtype == prior.distribution.dtype


@every_prior
@pytest.mark.parametrize("source", ["noise", "sample"])
def test_draws_have_the_distribution_of_the_prior(case, source) -> None:
    prior = case.make()
    if source == "noise":
        noise = noise_for(prior, (DRAWS,), [3, 4])
        z = prior.transform(noise)
        np.testing.assert_array_equal(prior.transform(noise), z)
    else:
        z = prior.distribution.sample(DRAWS, seed=5)
    flat = np.asarray(z, np.float64).reshape(DRAWS, -1)
    for column in case.uniforms(prior, flat).T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    "case",
    # The density of a uniform prior is one number, which has no distribution.
    [case for name, case in PRIORS.items() if name != "uniform sphere"],
    ids=[name for name in PRIORS if name != "uniform sphere"],
)
def test_draws_from_noise_have_the_densities_of_samples(case) -> None:
    """All elements together: their dependence too."""
    prior = case.make()
    z = prior.transform(noise_for(prior, (DRAWS,), [3, 4]))
    own = prior.distribution.sample(DRAWS, seed=5)
    one, two = (prior.distribution.log_prob(draws).numpy() for draws in (z, own))
    assert stats.ks_2samp(one, two).pvalue > 1e-4


@with_density
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_density(name, case, dtype) -> None:
    prior = case.make(dtype=dtype)
    p = prior.distribution
    if p.dtype != dtype:  # a fixed one has its own
        assert isinstance(prior, Fixed)
        return
    near = prior.transform(noise_for(prior, (200,), [5, 6], dtype)).numpy()
    far = near if prior.measure != "lebesgue" else 8 * near
    for z in (near, far):
        flat = np.asarray(z, np.float64).reshape(len(z), -1)
        assert_exact(p.log_prob(z), case.log_prob(prior, flat), dtype)


@with_density
def test_the_density_has_a_gradient_in_z(name, case) -> None:
    """Against differences of the oracle."""
    fixed = isinstance(case.make(), Fixed)
    prior = case.make() if fixed else case.make(dtype="float64")
    p = prior.distribution
    # A copy: bijectors remember where the very tensor that they made came from.
    z = tf.constant(prior.transform(noise_for(prior, (5,), [7, 8], p.dtype)).numpy())
    with tf.GradientTape() as tape:
        tape.watch(z)
        log_p = p.log_prob(z)
    actual = tape.gradient(log_p, z, unconnected_gradients="zero")
    at = np.asarray(z, np.float64).reshape(5, -1)
    expected = np.empty_like(at)
    for i, axis in enumerate(np.eye(at.shape[-1])):
        step = 1e-5 * at * axis
        ends = [case.log_prob(prior, at + sign * step) for sign in (1, -1)]
        expected[:, i] = (ends[0] - ends[1]) / (2 * step[:, i])
    rtol, atol = (2e-4, 1e-5) if fixed else (1e-6, 1e-7)
    actual = np.reshape(actual, at.shape)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


@every_prior
def test_far_from_everything_numbers_are_finite(case) -> None:
    """Or the density is zero, off the simplex; its gradient is finite always."""
    prior = case.make()
    near = prior.transform(noise_for(prior, (2000,), [7, 9]))
    factor = 10 ** np.random.default_rng(10).uniform(-4, 4, 2000)
    factor = factor.reshape(-1, *[1] * len(prior.event_shape))
    z = tf.constant(near.numpy() * factor, near.dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        log_p = prior.distribution.log_prob(z)
    off = log_p == -np.inf
    assert np.all(off | np.isfinite(log_p))
    assert prior.measure == "simplex" or not np.any(off)
    gradient = tape.gradient(log_p, z, unconnected_gradients="zero")
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    ("name", "case"), [pair for pair in PRIORS.items() if pair[1].nodes]
)
def test_the_total_mass_is_one(name, case) -> None:
    z, weights = case.nodes
    mass = np.exp(case.make(dtype="float64").distribution.log_prob(z)) @ weights
    np.testing.assert_allclose(mass, 1, rtol=case.mass)


@learned
def test_the_density_has_a_gradient_in_every_weight(name, case) -> None:
    prior = case.make(dtype="float64")
    encoder = encoder_of(prior)
    weights = prior.weights + (encoder.weights if encoder else [])
    z = prior.transform(noise_for(prior, (5,), [7, 8], "float64"))

    def density():
        return tf.reduce_sum(prior.distribution.log_prob(z))

    with tf.GradientTape() as tape:
        value = density()
    gradients = tape.gradient(value, [weight.value for weight in weights])
    rng, step = np.random.default_rng(9), 1e-5
    for weight, gradient in zip(weights, gradients, strict=True):
        assert np.any(gradient)
        # One direction of each weight, by central differences.
        start, direction = numbers(weight), rng.normal(size=weight.shape)
        ends = []
        for sign in (1, -1):
            weight.assign(start + sign * step * direction)
            ends.append(density())
        weight.assign(start)
        slope = (ends[0] - ends[1]) / (2 * step)
        expected = np.sum(np.asarray(gradient) * direction)
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)


@every_prior
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_stays_outside(case, policy) -> None:
    prior = case.make(dtype=policy)
    z = prior.transform(noise_for(prior, (3,), [1, 2]))
    p = prior.distribution
    if type(prior).__name__ != "Fixed":
        assert prior.variable_dtype == "float32"
    assert p.dtype == z.dtype == p.log_prob(z).dtype == tf.float32


@every_prior
def test_noise_at_the_ends_gives_finite_draws(case) -> None:
    prior = case.make()
    ends = (2.0**-24, 1 - 2.0**-24) if prior.noise == "uniform" else (-5.8, 5.8)
    for end in ends:
        z = prior.transform(tf.fill(prior.noise_shape, tf.constant(end)))
        assert np.all(np.isfinite(z))
        assert np.isfinite(prior.distribution.log_prob(z))


@every_prior
def test_noise_of_any_dtype(case) -> None:
    prior = case.make()
    noise = noise_for(prior, (3,), [6, 8])
    z = prior.transform(tf.cast(noise, tf.float64))
    assert z.dtype == prior.distribution.dtype
    np.testing.assert_allclose(z, prior.transform(noise), rtol=1e-6)


@every_prior
def test_compiled_graphs_give_the_numbers_of_eager_mode(case) -> None:
    prior = case.make()
    noise = noise_for(prior, (5,), [6, 7])

    def compute(noise):
        z = prior.transform(noise)
        return z, prior.distribution.log_prob(z)

    compiled = tf.function(compute, jit_compile=True, autograph=False)
    for actual, expected in zip(compiled(noise), compute(noise), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@every_prior
def test_the_config_holds_every_argument(case) -> None:
    prior = case.make(name="p_of_z", dtype="mixed_bfloat16", trainable=False)
    config = json.loads(json.dumps(prior.get_config()))
    again = type(prior).from_config(config)
    own = set(inspect.signature(type(prior).__init__).parameters) - {"self", "kwargs"}
    assert own <= case.arguments <= config.keys()
    assert again.event_shape == prior.event_shape
    assert again.name == "p_of_z"
    assert again.dtype_policy == prior.dtype_policy
    assert not again.trainable
    assert json.loads(json.dumps(again.get_config())) == config
    again.set_weights(prior.get_weights())
    if encoder := encoder_of(prior):
        again.bind(encoder)
    z = prior.distribution.sample(5, seed=8)
    np.testing.assert_allclose(
        again.distribution.log_prob(z), prior.distribution.log_prob(z), rtol=1e-6
    )


@keras.saving.register_keras_serializable("tests")
class Holder(keras.Model):
    """A model that holds a prior, and the encoder that this may need, as a VAE does."""

    def __init__(self, prior, encoder=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.prior = prior
        self.encoder = encoder
        if encoder:
            prior.bind(encoder)

    def call(self, x):
        return self.prior.distribution.log_prob(x)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {"prior": serialize(self.prior), "encoder": serialize(self.encoder)}

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        return cls(**{name: restore(part) for name, part in config.items()})


@every_prior
def test_a_file_gives_the_same_numbers(case, tmp_path) -> None:
    prior = case.make()
    encoder = encoder_of(prior)
    model = Holder(prior, encoder)
    assert len(model.weights) == case.weights + (len(encoder.weights) if encoder else 0)
    z = tf.constant(prior.distribution.sample(5, seed=9).numpy())
    expected = model(z)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(z), expected)
    assert type(loaded.prior) is type(model.prior)
    assert loaded.prior.noise == case.noise
    assert len(loaded.weights) == len(model.weights)


@every_prior
def test_the_distribution_crosses_the_boundary_of_a_graph(case) -> None:
    prior = case.make()
    outside = tf.function(lambda: prior.distribution, autograph=False)
    z = prior.transform(noise_for(prior, (3,), [1, 2]))
    expected = prior.distribution.log_prob(z)
    np.testing.assert_allclose(outside().log_prob(z), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)]
)
def test_the_density_of_the_standard_normal(dtype, tolerance) -> None:
    p = StandardNormal((2, 3), dtype=dtype).distribution
    assert p.dtype == dtype
    z = np.random.default_rng(80).normal(0, 3, size=(7, 2, 3)).astype(dtype)
    expected = stats.norm.logpdf(z.astype(np.float64)).sum((-1, -2))
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=4 * np.finfo(dtype).eps)
    half = StandardNormal(2, dtype="mixed_bfloat16")
    assert half.distribution.dtype == tf.float32


@pytest.mark.parametrize("shape", [0, (), "2", None, (2, 0), True])
def test_bad_event_shapes(shape) -> None:
    with pytest.raises(ValueError, match=r"`event_shape` must be .* Received: "):
        StandardNormal(shape)


def test_the_base_class_is_an_interface() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Prior(3)
