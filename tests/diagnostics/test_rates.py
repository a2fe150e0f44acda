"""Rate and distortion: closed forms, and the curve of a small family of models."""

import keras
import numpy as np
import pytest
from diagnostics.by_hand import data_of, vae_of
from scipy import stats

import tfvae
from tfvae.diagnostics import encoding, rate_distortion, rate_distortion_curve, rates


def deaf(vae: tfvae.VAE) -> tfvae.VAE:
    """The model with a decoder that ignores z: p(x|z) = N(0, I)."""
    vae.decoder.set_weights([np.zeros_like(w) for w in vae.decoder.get_weights()])
    return vae


def test_closed_forms(monkeypatch) -> None:
    monkeypatch.setattr(rates, "BATCH", 8)
    generator = np.random.default_rng(2)
    loc, scale = generator.normal(size=(21, 3)), generator.uniform(0.3, 2, (21, 3))
    x, vae = data_of(loc, scale), deaf(vae_of(3))
    kl = (0.5 * (loc**2 + scale**2 - 1) - np.log(scale)).sum(axis=1).mean()
    log_likelihood = stats.norm.logpdf(x.astype(float)).sum(axis=1).mean()
    for num_samples in (1, 5, 20):
        result = rate_distortion(vae, x, num_samples)
        assert result.rate == pytest.approx(kl, rel=1e-5)
        assert result.distortion == pytest.approx(-log_likelihood, rel=1e-5)
        assert result.elbo == -(result.rate + result.distortion)


def test_the_elbo_is_that_of_the_model() -> None:
    generator = np.random.default_rng(2)
    x, vae = data_of(generator.normal(size=(40, 2)), 0.2), vae_of(2)
    elbo = float(vae.elbo(x, 2000, seed=1).numpy().mean())
    result = rate_distortion(vae, x, 2000, seed=2)
    reconstruction = vae.terms(x, 2000, seed=1).log_likelihood.numpy()
    error = float(np.sqrt((reconstruction.var(axis=0) / 2000).sum())) / 40
    assert result.elbo == pytest.approx(elbo, abs=5 * error + 1e-4)


def test_a_seed_repeats_the_draws() -> None:
    x, vae = data_of(np.eye(4), 0.5), vae_of(4)
    values = [rate_distortion(vae, x, seed=s).elbo for s in (1, 1, 2, None, None)]
    assert values[0] == values[1]
    assert len(set(values)) == 4


def test_wrong_data_are_refused() -> None:
    encoder = keras.Sequential([keras.Input((3,)), tfvae.layers.Normal(2)])
    decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Bernoulli(3)])
    vae = tfvae.VAE(encoder, decoder)
    x = np.zeros((300, 3))
    x[280, 1] = 0.5
    with pytest.raises(ValueError, match=r"support of Bernoulli.*\[280, 1\]"):
        rate_distortion(vae, x)
    with pytest.raises(ValueError, match="`num_samples` must be"):
        rate_distortion(vae, np.zeros((3, 3)), num_samples=-1)
    assert encoding.BATCH < 280


def make_vae() -> tfvae.VAE:
    encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(1)])
    decoder = keras.Sequential([keras.Input((1,)), tfvae.layers.Normal(4, scale=0.5)])
    return tfvae.VAE(encoder, decoder, seed=0)


def line(size: int) -> np.ndarray:
    """Points of four equal coordinates, and a little noise."""
    generator = np.random.default_rng(0)
    noise = 0.5 * generator.normal(size=(size, 4))
    return (generator.normal(size=(size, 1)) + noise).astype("float32")


def test_the_curve_trades_rate_for_distortion() -> None:
    x, betas = line(256), [0.1, 1.0, 20.0]
    curve = rate_distortion_curve(
        make_vae,
        x,
        betas,
        make_optimizer=lambda: keras.optimizers.Adam(0.05),
        num_samples=20,
        seed=0,
        epochs=15,
        batch_size=32,
    )
    assert curve.betas.tolist() == betas
    assert (np.diff(curve.rate) < 0).all()
    assert (np.diff(curve.distortion) > 0).all()
    assert curve.rate[-1] < 0.1  # 20 nats for one: not worth it
    assert curve.elbo == pytest.approx(-(curve.rate + curve.distortion))
    assert np.argmax(curve.elbo) == 1


def test_the_curve_may_be_measured_on_other_data() -> None:
    x, held = line(64), line(64)[:16] + 1
    curve = rate_distortion_curve(make_vae, x, [1.0], x_test=held, seed=0, epochs=1)
    assert curve.rate.shape == curve.distortion.shape == curve.elbo.shape == (1,)
    same = rate_distortion_curve(make_vae, x, [1.0], seed=0, epochs=1)
    assert same.distortion[0] < curve.distortion[0]


def test_wrong_arguments_of_the_curve() -> None:
    x, vae = line(8), make_vae()
    with pytest.raises(ValueError, match="`betas` must hold at least one"):
        rate_distortion_curve(make_vae, x, [])
    with pytest.raises(ValueError, match="`beta` must not be negative"):
        rate_distortion_curve(make_vae, x, [1.0, -1.0])
    with pytest.raises(ValueError, match="`make_vae` must return a new model"):
        rate_distortion_curve(lambda: vae, x, [1.0, 2.0], epochs=1)
    with pytest.raises(ValueError, match="`x` must have the shape"):
        rate_distortion_curve(make_vae, x, [1.0], x_test=x[:, :2])
