"""Discretized logistics: raw numbers, 8-bit images, learning from a random start."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae

BOTH = [tfvae.layers.DiscretizedLogistic, tfvae.layers.DiscretizedLogisticMixture]
both_layers = pytest.mark.parametrize("cls", BOTH)


def test_raw_numbers_of_the_location_span_the_range() -> None:
    layer = tfvae.layers.DiscretizedLogistic(3, projection=None)
    p = layer.parameters(layer(np.float32([[-1, 0, 1, 0, 0, 0]])))
    np.testing.assert_allclose(p["loc"], [[0, 127.5, 255]])
    np.testing.assert_allclose(p["scale"], np.full((1, 3), 127.5 * np.log(2)), 1e-5)


@both_layers
def test_images_of_bytes(cls) -> None:
    layer = cls((4, 4, 3))
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    assert not np.any(layer.unsupported(x))
    p = layer(np.ones((2, 4, 4, 5), np.float32))
    log_p = p.log_prob(x)
    np.testing.assert_array_equal(log_p, p.log_prob(x.astype(np.float32)))
    assert log_p.shape == (2,)
    assert np.all(np.isfinite(log_p))
    assert layer.support == "whole numbers from 0 to 255"
    assert layer.bits_per_dimension
    assert np.any(layer.unsupported(x / np.float32(255)))


@both_layers
def test_extreme_raw_numbers(cls) -> None:
    layer = cls(1, projection=None)
    width = sum(np.prod(shape) for shape in layer._raw_shapes().values())
    rng = np.random.default_rng(1)
    sizes = np.array([0, 1e-30, 1, 20, 100, 1e4, 1e5])
    raw = rng.choice(np.r_[sizes, -sizes], (2000, width)).astype(np.float32)
    features = tf.constant(raw)
    for x in (0.0, 1.0, 127.0, 254.0, 255.0):
        with tf.GradientTape() as tape:
            tape.watch(features)
            q = layer(features)
            log_p = q.log_prob(np.full((2000, 1), x, np.float32))
        assert np.all(np.isfinite(log_p))
        assert np.all(log_p <= 0)
        assert np.all(np.isfinite(tape.gradient(log_p, features)))
    assert np.all((layer.location(q) >= 0) & (layer.location(q) <= 255.001))
    assert np.all(np.isfinite(layer.stddev(q)))


@both_layers
def test_they_learn_two_peaks_from_a_random_start(cls) -> None:
    """Which a mixture can represent; one logistic has to cover both."""
    rng = np.random.default_rng(2)
    peaks = rng.choice([40, 200], 4000)
    x = np.clip(np.round(peaks + rng.logistic(0, 3, 4000)), 0, 255)
    x = x.astype(np.float32)[:, None]
    keras.utils.set_random_seed(3)
    layer = cls(1, bias_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=4))
    constant, optimizer = tf.zeros((1, 1)), keras.optimizers.Adam(0.05)
    layer.build(constant.shape)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(constant).log_prob(x))
        weights = layer.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss

    for _ in range(400):
        loss = float(step())
    # The entropy: log 2 for the peak, and log(3) + 2 for a logistic of scale 3.
    entropy = np.log(2) + np.log(3) + 2
    if cls is tfvae.layers.DiscretizedLogisticMixture:
        assert entropy - 0.05 < loss < entropy + 0.05
    else:
        assert loss > entropy + 0.5


@pytest.mark.parametrize("number", [0, -1, 2.0, True, None])
def test_numbers_of_bins_and_components(number) -> None:
    for cls in BOTH:
        with pytest.raises(ValueError, match=r"`num_bins` must be a positive integer"):
            cls(3, num_bins=number)
    with pytest.raises(ValueError, match=r"`num_components` must be a positive int"):
        tfvae.layers.DiscretizedLogisticMixture(3, num_components=number)


@both_layers
def test_the_number_of_bins_has_ends(cls) -> None:
    for number in (1, 65_537):
        with pytest.raises(ValueError, match=r"`num_bins` must be from 2 to 65536\."):
            cls(3, num_bins=number)
    assert cls(3, num_bins=65_536).num_bins == 65_536
