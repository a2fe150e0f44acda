"""What holds for every prior."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.prior_cases import PRIORS
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae._math import standard_noise
from tfvae.priors import Prior, StandardNormal

DRAWS = 4000

every_prior = pytest.mark.parametrize("case", PRIORS.values(), ids=PRIORS.keys())


def test_every_public_prior_is_here() -> None:
    public = {getattr(tfvae.priors, name) for name in tfvae.priors.__all__} - {Prior}
    assert public == {type(case.make()) for case in PRIORS.values()}


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
    assert repr(prior) == (
        f"<{type(prior).__name__} event_shape={prior.event_shape} name=p_of_z>"
    )
    assert p.log_prob(p.sample((5, 4), seed=1)).shape == (5, 4)


@every_prior
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_shapes_of_transformed_noise(case, lead) -> None:
    prior = case.make()
    shape = (*lead, *prior.event_shape)
    z = prior.transform(standard_noise(prior.noise, shape, [1, 2], tf.float32))
    assert z.shape == shape
    assert z.dtype == prior.distribution.dtype


@every_prior
def test_transformed_noise_is_distributed_like_the_prior(case) -> None:
    """Each element against SciPy, and all of them together against their density."""
    prior = case.make()
    shape = (DRAWS, *prior.event_shape)
    noise = standard_noise(prior.noise, shape, [3, 4], tf.float32)
    z = prior.transform(noise)
    np.testing.assert_array_equal(prior.transform(noise), z)
    columns = np.asarray(z, np.float64).reshape(DRAWS, -1).T
    assert len(columns) == len(case.marginals)
    for column, marginal in zip(columns, case.marginals, strict=True):
        assert stats.kstest(column, marginal).pvalue > 1e-4
    own = prior.distribution.sample(DRAWS, seed=5)
    one, two = (prior.distribution.log_prob(draws).numpy() for draws in (z, own))
    assert stats.ks_2samp(one, two).pvalue > 1e-4


@every_prior
def test_noise_at_the_ends_gives_finite_draws(case) -> None:
    prior = case.make()
    if prior.noise == "uniform":
        for end in (2.0**-24, 1 - 2.0**-24):
            z = prior.transform(tf.fill(prior.event_shape, tf.constant(end)))
            assert np.all(np.isfinite(z))


@every_prior
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_graphs_give_the_numbers_of_eager_mode(case, jit_compile) -> None:
    prior = case.make()
    noise = standard_noise(prior.noise, (5, *prior.event_shape), [6, 7], tf.float32)

    def numbers(noise):
        z = prior.transform(noise)
        return z, prior.distribution.log_prob(z)

    compiled = tf.function(numbers, jit_compile=jit_compile, autograph=False)
    for actual, expected in zip(compiled(noise), numbers(noise), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@every_prior
def test_the_config_holds_every_argument(case) -> None:
    prior = case.make(name="p_of_z", dtype="mixed_float16", trainable=False)
    config = json.loads(json.dumps(prior.get_config()))
    again = type(prior).from_config(config)
    own = set(inspect.signature(type(prior).__init__).parameters) - {"self", "kwargs"}
    assert own <= case.arguments <= config.keys()
    assert again.event_shape == prior.event_shape
    assert again.name == "p_of_z"
    assert again.dtype_policy == prior.dtype_policy
    assert not again.trainable
    assert json.loads(json.dumps(again.get_config())) == config
    z = prior.distribution.sample(5, seed=8)
    np.testing.assert_allclose(
        again.distribution.log_prob(z), prior.distribution.log_prob(z), rtol=1e-6
    )


@keras.saving.register_keras_serializable("tests")
class Holder(keras.Model):
    """A model that holds a prior, as a VAE does."""

    def __init__(self, prior, **kwargs) -> None:
        super().__init__(**kwargs)
        self.prior = prior

    def call(self, x):
        return self.prior.distribution.log_prob(x)

    def get_config(self):
        return {"prior": keras.saving.serialize_keras_object(self.prior)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["prior"]))


@every_prior
def test_a_file_gives_the_same_numbers(case, tmp_path) -> None:
    model = Holder(case.make())
    z = tf.random.stateless_uniform((5, *model.prior.event_shape), [9, 9]) + 1
    expected = model(z)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(z), expected)
    assert type(loaded.prior) is type(model.prior)
    assert loaded.prior.noise == case.noise


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
