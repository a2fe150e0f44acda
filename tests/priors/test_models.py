"""Learned priors inside a model: training, files, exports."""

import keras
import numpy as np
import pytest
from support.prior_cases import numbers
from support.runners import in_litert
from support.small import small_vae

import tfvae
from tfvae.priors import Flow, GaussianMixture, Normal, VampPrior

SMALL = {"num_flows": 2, "hidden_units": (6,), "seed": 1}
PRIORS = {
    "normal": lambda _: Normal(3),
    "mixture": lambda _: GaussianMixture(3, num_components=4, seed=1),
    "vamp": lambda encoder: VampPrior(encoder, num_pseudo_inputs=5),
    "autoregressive": lambda _: Flow(3, **SMALL),
    "coupling": lambda _: Flow(3, "coupling", **SMALL),
}
every_prior = pytest.mark.parametrize("make", PRIORS.values(), ids=PRIORS.keys())


def data(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.uniform(size=(count, 6)) < 0.4).astype("float32")


def trained(make) -> tfvae.VAE:
    parts = small_vae()
    vae = tfvae.VAE(parts.encoder, parts.decoder, make(parts.encoder), seed=1)
    vae.compile(optimizer=keras.optimizers.Adam(0.01))
    before = [numbers(weight) for weight in vae.prior_layer.weights]
    vae.fit(data(64), batch_size=16, epochs=3, verbose=0)
    for weight, value in zip(vae.prior_layer.weights, before, strict=True):
        assert np.any(numbers(weight) != value), weight.path
    return vae


@every_prior
def test_files_and_exports_compute_what_the_model_does(make, tmp_path) -> None:
    vae = trained(make)
    _a_file_gives_the_same_numbers(vae, tmp_path)
    _both_exports_compute_what_the_model_does(vae, tmp_path)


def _a_file_gives_the_same_numbers(vae, tmp_path) -> None:
    x = data(5)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert loaded.prior_layer.get_config() == vae.prior_layer.get_config()
    assert len(loaded.weights) == len(vae.weights)
    for name in ("log_prob", "elbo"):
        one, two = (
            getattr(model, name)(x, num_samples=8, seed=4) for model in (vae, loaded)
        )
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(loaded.sample(4, seed=5), vae.sample(4, seed=5))


def _both_exports_compute_what_the_model_does(vae, tmp_path) -> None:
    for differences in (
        vae.export(tmp_path / "model.tflite", format="litert", num_samples=4),
        vae.export(tmp_path / "saved"),
    ):
        assert differences.keys() >= {"sample", "elbo", "log_prob"}
        assert max(differences.values()) <= 1
    rng = np.random.default_rng(6)
    prior = vae.prior_layer
    shape = (1, *prior.noise_shape)
    z = rng.random(shape) if prior.noise == "uniform" else rng.normal(size=shape)
    noise = {"noise_z": z.astype("float32")}
    noise["noise_x"] = rng.random((1, 6)).astype("float32")
    x = in_litert(tmp_path / "model.tflite", {"sample": noise})["sample"]["x"]
    likelihood = vae.decode(prior.transform(noise["noise_z"]))
    expected = vae.likelihood_layer.transform(likelihood, noise["noise_x"])[0]
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("name", ["mixture", "vamp", "coupling"])
def test_a_model_compiles_with_xla(name) -> None:
    """The last batch is smaller than the others."""
    parts, make = small_vae(), PRIORS[name]
    vae = tfvae.VAE(parts.encoder, parts.decoder, make(parts.encoder), seed=1)
    vae.compile(optimizer="adam", jit_compile=True)
    logs = vae.fit(data(40), batch_size=16, verbose=0).history
    assert np.all(np.isfinite(logs["elbo"]))
