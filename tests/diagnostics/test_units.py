"""Active units and the alarm for collapse, on posteriors set by hand."""

import warnings

import keras
import numpy as np
import pytest
from diagnostics.by_hand import data_of, raw_scale, vae_of
from scipy import integrate, stats
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.diagnostics import active_units, codes, collapse, encoding


def means(*variances: float) -> np.ndarray:
    """Two values for each element [6, D], with these variances."""
    sign = np.tile([[1.0], [-1.0]], (3, 1))
    return 2.0 + sign * np.sqrt(variances)


def test_units_are_active_above_the_threshold(monkeypatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 4)
    loc = means(0.0, 0.009, 0.011, 2.0)
    x, vae = data_of(loc, [0.5, 3.0, 0.1, 1.0]), vae_of(4)
    result = active_units(vae, x)
    assert result.variance == pytest.approx([0.0, 0.009, 0.011, 2.0], rel=1e-4)
    assert result.active.tolist() == [False, False, True, True]
    assert result.count == 2
    assert active_units(vae, x, threshold=0.01101).count == 1
    assert active_units(vae, x, threshold=0).active.tolist() == [False, *[True] * 3]
    assert codes(vae, x) == pytest.approx(loc.astype("float32"))


def test_a_layer_with_weights_set_by_hand() -> None:
    # z_1 = 3 x_1, z_2 = 0.05 x_1 + 7 with x_1 of variance 1.
    encoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(2)])
    kernel = np.array([[3.0, 0.05, 0, 0], [0, 0, 1, 1]])
    encoder.set_weights([kernel, np.array([0.0, 7.0, 0, 0])])
    decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(2)])
    x = np.stack([np.tile([1.0, -1.0], 300), np.linspace(0, 1, 600)], axis=1)
    result = active_units(tfvae.VAE(encoder, decoder), x)
    assert result.variance == pytest.approx([9.0, 0.0025], rel=1e-4)
    assert result.active.tolist() == [True, False]


def test_wrong_arguments_of_active_units() -> None:
    x, vae = data_of(means(1.0), 1.0), vae_of(1)
    with pytest.raises(ValueError, match="at least two examples"):
        active_units(vae, x[:1])
    for threshold in (-0.1, np.nan, "0.1"):
        with pytest.raises(ValueError, match="`threshold` must"):
            active_units(vae, x, threshold=threshold)


def gaussian_kl(loc: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return 0.5 * (loc**2 + scale**2 - 1) - np.log(scale)


def test_collapse_counts_the_data_below_epsilon() -> None:
    loc, scale = np.zeros((200, 3)), np.ones((200, 3))
    loc[:, 0] = np.linspace(-3, 3, 200)
    loc[:2, 1] = 5.0  # one in a hundred still tells
    loc[:3, 2] = 5.0
    x, vae = data_of(loc, scale), vae_of(3)
    result = collapse(vae, x)
    kl = gaussian_kl(loc, scale)
    assert result.kl == pytest.approx(kl.mean(axis=0), rel=1e-4, abs=1e-6)
    assert result.fraction == pytest.approx((kl < 0.01).mean(axis=0))
    assert result.collapsed.tolist() == [False, True, False]
    assert result.count == 1
    assert collapse(vae, x, delta=0.02).collapsed.tolist() == [False, True, True]
    assert collapse(vae, x, epsilon=2.0).fraction[0] == pytest.approx(
        np.mean(np.abs(loc[:, 0]) < 2)
    )


def test_the_alarm_rings_when_all_collapse() -> None:
    x = data_of(np.zeros((50, 2)), 1.0)
    with pytest.warns(UserWarning, match=r"All 2 latent .*tfvae.schedules.*free nats"):
        assert collapse(vae_of(2), x).count == 2


def test_the_alarm_is_silent_for_a_healthy_model() -> None:
    x = data_of(np.random.default_rng(0).normal(size=(50, 2)), 0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert collapse(vae_of(2), x).count == 0


def test_without_a_closed_form_it_is_a_mean_over_draws() -> None:
    vae = vae_of(1, tfvae.layers.Laplace(1, projection=None))
    loc, scale = np.array([[0.0], [2.0]]), np.array([[0.5], [0.8]])

    def expected(n: int) -> float:
        q = stats.laplace(loc[n, 0], scale[n, 0])
        p = stats.norm(0, 1)
        value = integrate.quad(
            lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -20, 20, points=[0, 2]
        )
        return value[0]

    result = collapse(vae, data_of(loc, scale), num_samples=20_000, seed=0)
    assert result.kl == pytest.approx([(expected(0) + expected(1)) / 2], abs=0.03)
    assert result.count == 0


def test_a_closed_form_beyond_two_normals() -> None:
    # A learned prior at the posterior: nothing is told.
    prior = tfd.MultivariateNormalDiag([0.5, -1.0], [0.7, 2.0])
    x = data_of(np.tile([0.5, -1.0], (9, 1)), [0.7, 2.0])
    with pytest.warns(UserWarning, match="collapsed"):
        result = collapse(vae_of(2, prior=prior), x)
    assert result.kl == pytest.approx([0.0, 0.0], abs=1e-6)


def test_latents_of_several_axes() -> None:
    table = tfvae.layers.Normal((2, 3), projection=None)
    loc = np.arange(24.0).reshape(4, 6) / 10
    result = collapse(vae_of(6, table), data_of(loc, 0.5))
    kl = gaussian_kl(loc, np.full((4, 6), 0.5)).mean(axis=0)
    assert result.kl == pytest.approx(kl.reshape(2, 3), rel=1e-5)
    assert active_units(vae_of(6, table), data_of(loc, 0.5)).variance.shape == (2, 3)


def test_wrong_arguments_of_collapse() -> None:
    x, vae = data_of(means(1.0), 1.0), vae_of(1)
    with pytest.raises(ValueError, match=r"`epsilon` must be .* greater than 0"):
        collapse(vae, x, epsilon=0)
    for delta in (-0.1, 1.0, None):
        with pytest.raises(ValueError, match="`delta` must be"):
            collapse(vae, x, delta=delta)
    with pytest.raises(ValueError, match="`num_samples` must be"):
        collapse(vae, x, num_samples=0.5)
    full = vae_of(2, tfvae.layers.MultivariateNormalTriL(2, projection=None))
    with pytest.raises(ValueError, match=r"collapse\(\).* posterior .*TriL"):
        collapse(full, np.ones((3, 5)))


def test_raw_scales_are_the_inverse_of_the_layer() -> None:
    scale = np.array([[1e-3, 0.5, 4.0]])
    q = vae_of(3).encode(data_of(np.zeros((1, 3)), scale))
    assert q.stddev().numpy() == pytest.approx(scale, rel=1e-4)
    assert np.isfinite(raw_scale(scale)).all()
