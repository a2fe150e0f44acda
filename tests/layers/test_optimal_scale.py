"""The scale that maximises the likelihood of a batch."""

import keras
import numpy as np
import pytest
from scipy import stats

import tfvae


def data(size: int, scale: float = 0.3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(size, 1))
    return (z @ [[1.0, -1, 2, 0]] + rng.normal(0, scale, (size, 4))).astype("float32")


def model(layer: tfvae.layers.Normal) -> tfvae.VAE:
    encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(1)])
    decoder = keras.Sequential([keras.Input((1,)), layer])
    return tfvae.VAE(encoder, decoder, seed=0)


def test_it_finds_the_noise_of_the_data() -> None:
    """As maximum likelihood of probabilistic PCA does, in closed form."""
    x = data(2000)
    layer = tfvae.layers.Normal(4, scale="optimal")
    vae = model(layer)
    rate = keras.optimizers.schedules.CosineDecay(0.02, 1000)
    vae.compile(keras.optimizers.Adam(rate), jit_compile=True)
    vae.fit(x, batch_size=200, epochs=120, verbose=0)
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    np.testing.assert_allclose(layer.variance, eigenvalues[:3].mean(), rtol=0.01)
    # Outside of training the kept scale is used, by every way to log p(x|z).
    z = np.ones((3, 1), "float32")
    p = vae.decode(z)
    expected = stats.norm.logpdf(x[:3], p.mean(), np.sqrt(layer.variance)).sum(-1)
    np.testing.assert_allclose(p.log_prob(x[:3]), expected, rtol=1e-5)


def test_a_replica_without_examples_leaves_it_as_it_is() -> None:
    layer = tfvae.layers.Normal(4, scale="optimal")
    none = np.zeros((0, 4), "float32")
    layer.observe(layer(data(50)), data(50), training=True)
    kept = float(layer.variance.numpy())
    layer.observe(layer(none), none, training=True)
    assert layer.variance.numpy() == kept != 1


def test_in_training_it_is_that_of_the_batch() -> None:
    x, layer = data(50), tfvae.layers.Normal(4, scale="optimal")
    vae = model(layer)
    terms = vae.terms(x, num_samples=3, seed=1, training=True)
    residual = x - terms.likelihood.mean().numpy()
    assert residual.shape == (3, 50, 4)
    np.testing.assert_allclose(
        terms.likelihood.stddev(), np.sqrt(np.mean(residual**2)) + 0 * residual, 1e-5
    )
    # No other scale makes the batch more probable.
    best = np.mean(terms.log_likelihood)
    for factor in (0.97, 1.03):
        scale = factor * np.sqrt(np.mean(residual**2))
        assert stats.norm.logpdf(residual, 0, scale).sum(-1).mean() < best
    np.testing.assert_allclose(layer.variance, np.mean(residual**2), rtol=1e-5)
    kept = float(layer.variance.numpy())
    again = vae.terms(x, num_samples=3, seed=1)
    np.testing.assert_allclose(again.likelihood.stddev(), np.sqrt(kept), rtol=1e-5)
    assert layer.variance.numpy() == kept


def test_the_moving_mean() -> None:
    layer = tfvae.layers.Normal(1, scale="optimal", projection=None)
    q = layer(np.zeros((1, 1), "float32"))
    seen, expected = [], 0.0
    for i, value in enumerate([1.0, 2.0, 3.0] + 200 * [5.0]):
        layer.observe(q, np.array([[value]], "float32"), training=True)
        expected += max(1 / (i + 1), 0.01) * (value**2 - expected)
        seen.append((float(layer.variance.numpy()), expected))
    np.testing.assert_allclose(*zip(*seen, strict=True), rtol=1e-5)
    np.testing.assert_allclose(seen[2][0], (1 + 4 + 9) / 3, rtol=1e-6)


def test_a_perfect_reconstruction_is_finite() -> None:
    layer = tfvae.layers.Normal(2, scale="optimal", projection=None)
    x = np.ones((3, 2), "float32")
    p = layer.observe(layer(x), x, training=True)
    assert np.all(np.isfinite(p.log_prob(x)))
    np.testing.assert_allclose(p.stddev(), 1e-6, rtol=1e-5)


def test_it_is_saved(tmp_path) -> None:
    vae = model(tfvae.layers.Normal(4, scale="optimal"))
    vae.compile("adam")
    vae.fit(data(100), verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    x = data(5, seed=2)
    np.testing.assert_array_equal(loaded.log_prob(x, 5, 0), vae.log_prob(x, 5, 0))
    assert loaded.likelihood_layer.batches.numpy() == 4


def test_it_is_no_posterior() -> None:
    encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(1, "optimal")])
    decoder = keras.Sequential([keras.Input((1,)), tfvae.layers.Normal(4)])
    with pytest.raises(ValueError, match=r"`encoder` must not end in <Normal .* data"):
        tfvae.VAE(encoder, decoder)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_sample_weights_count(jit_compile) -> None:
    """Rows that count for nothing do not widen the scale; batches of none keep it."""
    near, far = data(300), data(300, seed=1) * 20
    x = np.concatenate([near, far])
    weight = np.repeat([2.0, 0.0], 300).astype("float32")
    scales = []
    for rows, weights in ((near, None), (x, weight)):
        keras.utils.set_random_seed(0)
        layer = tfvae.layers.Normal(4, scale="optimal")
        vae = model(layer)
        vae.compile(keras.optimizers.SGD(1e-9), jit_compile=jit_compile)
        vae.fit(rows, sample_weight=weights, batch_size=60, epochs=3, verbose=0)
        scales.append(layer.variance.numpy())
    np.testing.assert_allclose(scales[1], scales[0], rtol=0.1)
    terms = vae.terms(x, seed=0, training=True, sample_weight=weight)
    residual = (x - terms.likelihood.mean().numpy()[0])[:300]
    expected = np.sqrt(np.mean(residual**2))
    np.testing.assert_allclose(terms.likelihood.stddev()[0, 0], expected, rtol=1e-5)
