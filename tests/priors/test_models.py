"""Learned priors inside a model: training, exports, XLA. Files: tests/test_grid.py."""

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


def data(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.uniform(size=(count, 6)) < 0.4).astype("float32")


def trained(name: str, **options) -> tfvae.VAE:
    """A model after epochs whose last batch is smaller than the others."""
    parts = small_vae()
    vae = tfvae.VAE(parts.encoder, parts.decoder, PRIORS[name](parts.encoder), seed=1)
    vae.compile(optimizer=keras.optimizers.Adam(0.01), **options)
    before = [numbers(weight) for weight in vae.prior_layer.weights]
    logs = vae.fit(data(56), batch_size=16, epochs=3, verbose=0).history
    assert np.all(np.isfinite(logs["elbo"]))
    for weight, value in zip(vae.prior_layer.weights, before, strict=True):
        assert np.any(numbers(weight) != value), weight.path
    return vae


@pytest.mark.parametrize("name", ["vamp", "coupling"])
def test_a_model_trains_inside_xla(name) -> None:
    assert trained(name, jit_compile=True).jit_compile


@pytest.mark.parametrize("name", ["normal", "mixture", "autoregressive"])
def test_both_exports_compute_what_the_model_does(name, tmp_path) -> None:
    vae = trained(name)
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
