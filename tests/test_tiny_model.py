"""The small trained model that comes with the repository."""

import keras
import numpy as np
import pytest
from scipy import special, stats
from sklearn.datasets import load_digits
from support.runners import in_litert
from support.tiny import RECORD, TINY, readable

import tfvae

pytestmark = readable
DIGITS = tfvae.datasets.load("digits")


def test_it_is_small() -> None:
    files = ("model.keras", "model.tflite", "metrics.json", "report.png")
    assert sum((TINY / name).stat().st_size for name in files) < 700_000


def test_it_gives_the_recorded_numbers() -> None:
    vae = keras.models.load_model(TINY / "model.keras")
    test = RECORD["test"]
    assert test["elbo"] <= test["log_prob"]
    assert test["elbo"] == pytest.approx(test["reconstruction"] - test["kl"], rel=1e-9)
    for name, method in (("elbo", vae.elbo), ("log_prob", vae.log_prob)):
        samples = test["samples"]
        one, two = (method(DIGITS.x_test, samples, seed=s).numpy() for s in (1, 2))
        # The record is a third such estimate, with draws of its own.
        error = np.std(one - two) / np.sqrt(2 * len(one))
        assert abs(one.mean() - test[name]) < 4 * np.sqrt(2) * error


def test_it_knows_digits_from_noise() -> None:
    """With p(x|z) from SciPy at z drawn from the encoder, and one z a digit."""
    vae = keras.models.load_model(TINY / "model.keras")
    x = load_digits().images[:50]
    noise = np.random.default_rng(0).permuted(x.reshape(50, -1), axis=1)
    shuffled = noise.reshape(50, 8, 8, 1)

    def reconstruction(data: np.ndarray) -> np.ndarray:
        z = vae.encode(data).mean()
        probability = special.expit(vae.decode(z).distribution.logits)
        return stats.binom.logpmf(data, 16, probability).sum(axis=(1, 2, 3))

    digits = reconstruction(x[..., None])
    assert -150 < digits.mean() < -50
    assert reconstruction(shuffled).max() < digits.min()


def test_the_file_for_phones_agrees() -> None:
    vae = keras.models.load_model(TINY / "model.keras")
    z = np.random.default_rng(0).normal(size=(1, 8)).astype(np.float32)
    decoded = in_litert(TINY / "model.tflite", {"decode": {"z": z}})["decode"]
    np.testing.assert_allclose(decoded["mean"], vae.decode(z).mean(), 1e-5, 1e-5)
