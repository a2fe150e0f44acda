"""`.keras` files: the whole model, its training and its noise, with safe mode on."""

import keras
import numpy as np
import pytest
from support.small import small_vae
from support.training import LearnedNormal, assert_same_weights, binary, values_of
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.objectives import ELBO

X = binary(40)


@keras.saving.register_keras_serializable("tests")
class Recognition(keras.Model):
    """A subclassed encoder, with an argument of its own."""

    def __init__(self, units: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.hidden = keras.layers.Dense(units, "tanh")
        self.posterior = tfvae.layers.MultivariateNormalTriL(3)

    def call(self, x):
        return self.posterior(self.hidden(x))

    def get_config(self):
        return super().get_config() | {"units": self.units}


def functional(size: int, layer: keras.layers.Layer) -> keras.Model:
    inputs = keras.Input((size,))
    hidden = keras.layers.Dense(8, "relu")(inputs)
    merged = keras.layers.Concatenate()([hidden, inputs])
    return keras.Model(inputs, layer(merged))


def decoder() -> keras.Model:
    return functional(3, tfvae.layers.Bernoulli(6))


MODELS = {
    "sequential": small_vae,
    "functional": lambda: tfvae.VAE(functional(6, tfvae.layers.Normal(3)), decoder()),
    "subclassed": lambda: tfvae.VAE(Recognition(7), decoder(), seed=2**40 + 3),
    "fixed prior": lambda: small_vae(
        prior=tfd.MultivariateNormalDiag([1.0, 2.0, 3.0], [0.5, 1.0, 2.0])
    ),
    "trainable prior": lambda: small_vae(prior=LearnedNormal(3)),
    "shared scale": lambda: small_vae(
        posterior=tfvae.layers.Normal(3, scale="shared"),
        likelihood=tfvae.layers.Binomial(6, total_count=1),
    ),
}
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.05, 10), momentum=0.9, clipnorm=1.0
    ),
}


def fit(vae: tfvae.VAE, epochs: int = 2) -> dict[str, list[float]]:
    return vae.fit(X, batch_size=16, epochs=epochs, shuffle=False, verbose=0).history


def reloaded(vae: tfvae.VAE, path) -> tfvae.VAE:
    vae.save(path / "vae.keras")
    return keras.models.load_model(path / "vae.keras")


@pytest.mark.parametrize("kind", MODELS)
def test_a_loaded_model_goes_on_as_if_it_had_never_stopped(tmp_path, kind) -> None:
    vae = MODELS[kind]()
    vae.compile(keras.optimizers.Adam(0.01), ELBO(num_samples=2, beta=0.5))
    fit(vae)
    # Draw, so that the state of the generator is not its first.
    vae.sample(2)
    again = reloaded(vae, tmp_path)

    assert_same_weights(again, vae)
    assert (again.seed, again.name) == (vae.seed, vae.name)
    assert type(again.prior_layer) is type(vae.prior_layer)
    objective = again.objective
    assert (type(objective), objective.num_samples, objective.beta) == (ELBO, 2, 0.5)
    for a, b in zip(again.optimizer.variables, vae.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(again.optimizer.iterations) == 6

    for outputs in (
        lambda model: model.encode(X).mean(),
        lambda model: model.encode(X).stddev(),
        lambda model: model.prior.sample(4, seed=(1, 2)),
        lambda model: model(X).mean(),
        lambda model: model.sample(5),
    ):
        np.testing.assert_array_equal(outputs(again), outputs(vae))
    assert fit(again) == fit(vae)
    assert_same_weights(again, vae)


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("adam", "mixed_float16"), ("schedule", "float64")],
)
def test_what_compile_was_given_is_kept(tmp_path, kind, policy) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        vae = small_vae()
    finally:
        keras.config.set_dtype_policy("float32")
    options = {
        "jit_compile": False,
        "steps_per_execution": 2,
        "run_eagerly": False,
        "auto_scale_loss": policy != "float64",
    }
    vae.compile(OPTIMIZERS[kind](), ELBO(kl="monte_carlo"), **options)
    fit(vae)
    again = reloaded(vae, tmp_path)
    config = vae.get_compile_config()
    assert again.get_compile_config() == config
    assert options.items() <= config.items()
    assert again.dtype_policy == vae.dtype_policy
    assert again.optimizer.get_config() == vae.optimizer.get_config()
    assert type(again.optimizer) is type(vae.optimizer)
    assert fit(again) == fit(vae)


def test_frozen_layers_stay_frozen(tmp_path) -> None:
    vae = small_vae()
    vae.encoder.trainable = False
    vae.compile("adam")
    fit(vae)
    again = reloaded(vae, tmp_path)
    before = values_of(again.encoder)
    fit(again)
    for a, b in zip(values_of(again.encoder), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_that_was_never_compiled(tmp_path) -> None:
    again = reloaded(vae := small_vae(), tmp_path)
    assert again.objective is None
    assert_same_weights(again, vae)
    again.compile("adam")
    fit(again)


def test_loading_without_the_training(tmp_path) -> None:
    vae = small_vae()
    vae.compile("adam")
    fit(vae)
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras", compile=False)
    assert again.objective is None
    np.testing.assert_array_equal(again.reconstruct(X), vae.reconstruct(X))


def test_a_seed_drawn_at_random_goes_on_after_loading(tmp_path) -> None:
    vae = small_vae(seed=None)
    again = reloaded(vae, tmp_path)
    assert again.seed is None
    np.testing.assert_array_equal(again.sample(50), vae.sample(50))


def test_weights_alone(tmp_path) -> None:
    vae, other = (small_vae(prior=LearnedNormal(3), seed=s) for s in (1, 2))
    vae.compile("adam")
    fit(vae)
    vae.save_weights(tmp_path / "vae.weights.h5")
    other.load_weights(tmp_path / "vae.weights.h5")
    assert_same_weights(other, vae)


def test_a_copy_from_the_configuration() -> None:
    vae = small_vae(prior=LearnedNormal(3), seed=7)
    again = tfvae.VAE.from_config(vae.get_config())
    assert again is not vae
    assert again.seed == 7
    again.set_weights(vae.get_weights())
    np.testing.assert_array_equal(again.sample(9, seed=1), vae.sample(9, seed=1))
