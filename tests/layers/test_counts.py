"""Layers of counts: extremes, the observed total, what is shared."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.comparison import assert_exact
from support.families.counts import log_negative_binomial, log_poisson

import tfvae
from tfvae.layers import (
    NegativeBinomial,
    Poisson,
    ZeroInflatedNegativeBinomial,
    ZeroInflatedPoisson,
)

every_layer = pytest.mark.parametrize(
    "cls",
    [Poisson, NegativeBinomial, ZeroInflatedPoisson, ZeroInflatedNegativeBinomial],
)
overdispersed = pytest.mark.parametrize(
    "cls", [NegativeBinomial, ZeroInflatedNegativeBinomial]
)


def width(cls: type) -> int:
    return {Poisson: 1, NegativeBinomial: 2, ZeroInflatedPoisson: 2}.get(cls, 3)


@every_layer
@pytest.mark.parametrize("library_size", [None, "observed"])
def test_extreme_features(cls, library_size) -> None:
    """Every count up to a million, features up to 1e5: finite, gradients too."""
    rng = np.random.default_rng(0)
    features = (
        rng.uniform(-1, 1, (500, width(cls) * 3))
        * 10.0 ** rng.integers(0, 6, 500)[:, None]
    )
    features = tf.constant(features, tf.float32)
    x = np.float32(rng.choice([0.0, 1.0, 7.0, 1e3, 1e6], (500, 3)))
    layer = cls(3, library_size=library_size, projection=None)
    with tf.GradientTape() as tape:
        tape.watch(features)
        p = layer.observe(layer(features), x)
        log_p = p.log_prob(x)
    assert np.all(np.isfinite(log_p))
    assert np.all(np.isfinite(tape.gradient(log_p, features)))
    drawn, log_q = layer.sample_and_log_prob(p, (2,), seed=1)
    assert not np.any(layer.unsupported(drawn))
    assert np.all(np.isfinite(log_q))


def test_densities_are_exact_far_out() -> None:
    rng = np.random.default_rng(1)
    raw = np.float32(rng.uniform(-14, 1e5, (2000, 2)))
    raw[::2] = rng.uniform(-14, 40, (1000, 2))
    layer = NegativeBinomial(1, projection=None)
    p = layer(raw)
    m, r = (np.float64(v)[:, 0] for v in layer.parameters(p).values())
    for x in (np.zeros(2000), rng.poisson(m), np.floor(10 ** rng.uniform(0, 6, 2000))):
        x = np.float32(x)
        expected = log_negative_binomial(x, m, r)
        assert_exact(p.log_prob(x[:, None]), expected, "float32")
        plain = Poisson(1, projection=None)(raw[:, :1])
        assert_exact(plain.log_prob(x[:, None]), log_poisson(x, m), "float32")


@every_layer
def test_observed_totals(cls) -> None:
    rng = np.random.default_rng(2)
    layer = cls((2, 3), library_size="observed", projection=None)
    p = layer(rng.normal(size=(4, width(cls) * 6)).astype("f"))
    np.testing.assert_allclose(tf.reduce_sum(p.distribution.rate, (1, 2)), 6, rtol=1e-6)
    x = rng.poisson(3, (4, 2, 3)).astype(np.int64)
    x[1] = 0
    folded = layer.with_batch_shape(p, (1, 4))
    for q in (layer.observe(p, x), layer.observe(folded, x)):
        rate = q.distribution.rate
        totals = np.broadcast_to(x.sum((1, 2)), rate.shape[:-2])
        np.testing.assert_allclose(tf.reduce_sum(rate, (-1, -2)), totals, rtol=1e-6)
        shares = p.distribution.rate / 6
        np.testing.assert_allclose(rate, shares * totals[..., None, None], rtol=1e-5)
        assert np.all(np.isfinite(q.log_prob(np.float32(x))))
    # Without training nothing is kept.
    assert float(layer.total) == 6


@every_layer
def test_without_an_observed_total_nothing_changes(cls) -> None:
    layer = cls(3)
    p = layer(np.ones((4, 2)))
    assert layer.observe(p, np.ones((4, 3)), training=True) is p
    assert not layer.non_trainable_weights


def test_the_reference_total_is_a_mean_and_then_a_moving_one() -> None:
    layer = Poisson(2, library_size="observed")
    p = layer(np.ones((3, 2)))
    rng, expected = np.random.default_rng(3), 0.0
    for step in range(1, 151):
        x = rng.poisson(50, (3, 2)).astype("f")
        layer.observe(p, x, training=True)
        new = np.log1p(x.sum(-1)).mean()
        expected += max(0.01, 1 / step) * (new - expected)
        np.testing.assert_allclose(layer.total, np.expm1(expected), rtol=1e-4)
    assert float(layer.steps) == 150
    rate = layer(np.ones((1, 2))).distribution.rate
    np.testing.assert_allclose(np.sum(rate), np.expm1(expected), rtol=1e-4)
    assert all(not weight.trainable for weight in (layer.total, layer.steps))


def test_a_replica_without_examples_leaves_the_reference_total_as_it_is() -> None:
    layer = Poisson(2, library_size="observed")
    for x in (np.full((3, 2), 20, np.float32), np.zeros((0, 2), np.float32)):
        layer.observe(layer(x), x, training=True)
    np.testing.assert_allclose(layer.total, 40, rtol=1e-6)


@every_layer
@pytest.mark.parametrize("batch", [1, 3])
def test_batches_without_counts(cls, batch) -> None:
    """No number is lost by them: what comes next is that of its own total."""
    layer = cls(2, library_size="observed", projection=None)
    raw = np.random.default_rng(7).normal(size=(batch, width(cls) * 2)).astype("f")
    shares = layer.parameters(layer(raw))["rate"] / 2
    features = tf.constant(raw)
    for x in np.float32([[0, 0], [0, 0], [3, 7]]):
        x = np.tile(x, (batch, 1))
        with tf.GradientTape() as tape:
            tape.watch(features)
            p = layer(features)
            observed = layer.observe(p, x, training=True)
            log_p = observed.log_prob(x)
        assert np.all(np.isfinite(log_p))
        assert np.all(np.isfinite(tape.gradient(log_p, features)))
        assert np.all(np.isfinite(layer.sample_and_log_prob(p, seed=0)[1]))
    rate = layer.parameters(observed)["rate"]
    np.testing.assert_allclose(rate, 10 * shares, rtol=1e-5)
    np.testing.assert_allclose(layer.total, np.expm1(np.log(11) / 3), rtol=1e-5)


def test_a_conditional_poisson_is_a_multinomial_but_for_its_total() -> None:
    rng = np.random.default_rng(4)
    layer = Poisson(4, library_size="observed", projection=None, dtype="float64")
    raw = tf.constant(rng.normal(size=(5, 4)))
    x = rng.poisson(6, (5, 4)).astype(float)
    log_p = layer.observe(layer(raw), x).log_prob(x)
    total = x.sum(-1)
    shares = (1 - 1e-6) * tf.nn.softmax(raw) + 1e-6 / 4
    expected = [
        stats.multinomial.logpmf(one, int(n), share / share.sum())
        for one, n, share in zip(x, total, shares.numpy(), strict=True)
    ] + stats.poisson.logpmf(total, total)
    np.testing.assert_allclose(log_p, expected, rtol=1e-9)


@overdispersed
def test_a_shared_dispersion(cls) -> None:
    layer = cls((2, 3), dispersion="shared")
    p = layer(np.random.default_rng(5).normal(size=(4, 5)))
    trials = layer.parameters(p)["total_count"]
    np.testing.assert_allclose(trials, np.ones((2, 3)), rtol=1e-6)
    assert layer.is_shared("total_count")
    assert layer.raw_total_count.trainable
    assert layer.raw_total_count in layer.trainable_weights
    folded = layer.with_batch_shape(p, (2, 2))
    assert folded.batch_shape == (2, 2)
    x = np.ones((4, 2, 3), np.float32)
    expected = np.reshape(p.log_prob(x), (2, 2))
    np.testing.assert_array_equal(folded.log_prob(x.reshape(2, 2, 2, 3)), expected)


@every_layer
@pytest.mark.parametrize("size", ["shared", 1000, True])
def test_library_size_names(cls, size) -> None:
    with pytest.raises(ValueError, match=r"`library_size` must be .* Received: "):
        cls(3, library_size=size)


@overdispersed
@pytest.mark.parametrize("dispersion", ["gene", None, 1.0])
def test_dispersion_names(cls, dispersion) -> None:
    with pytest.raises(ValueError, match=r"`dispersion` must be .* Received: "):
        cls(3, dispersion=dispersion)


def test_a_model_of_observed_totals(tmp_path) -> None:
    """Training keeps the total, a saved model too, and the bound is conditional."""
    keras.utils.set_random_seed(6)
    x = np.random.default_rng(6).poisson(20, (64, 5)).astype("f")
    encoder = keras.Sequential([keras.Input((5,)), tfvae.layers.Normal(2)])
    likelihood = ZeroInflatedNegativeBinomial(
        5, dispersion="shared", library_size="observed"
    )
    vae = tfvae.VAE(encoder, keras.Sequential([keras.Input((2,)), likelihood]), seed=0)
    vae.compile(optimizer="adam")
    vae.fit(x, epochs=2, batch_size=32, verbose=0)
    assert float(likelihood.steps) == 4
    np.testing.assert_allclose(likelihood.total, 100, rtol=0.1)
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(again.elbo(x, seed=1), vae.elbo(x, seed=1), rtol=1e-5)
    # Twice the counts: another total, and other rates.
    z = np.zeros((1, 2), np.float32)
    p = likelihood.observe(vae.decode(z), 2 * x[:1])
    np.testing.assert_allclose(np.sum(p.distribution.rate), 2 * x[0].sum(), rtol=1e-5)
