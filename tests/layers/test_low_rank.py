"""Low-rank normals: what a rank can represent, and its arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import tfvae

Layer = tfvae.layers.MultivariateNormalLowRank


def test_it_learns_correlated_data() -> None:
    """Up to the likelihood of the covariance that the data were drawn with."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(5, 2))
    covariance = np.diag([0.1, 0.2, 0.3, 0.4, 0.5]) + factor @ factor.T
    x = rng.multivariate_normal(np.arange(5), covariance, 4000).astype(np.float32)
    best = -stats.multivariate_normal(np.arange(5), covariance).logpdf(x).mean()
    layer = Layer(5, rank=2)
    keras.utils.set_random_seed(1)
    features, optimizer = tf.ones((1, 4)), keras.optimizers.Adam(0.03)
    layer.build(features.shape)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(features).log_prob(x))
        weights = layer.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss

    for _ in range(400):
        loss = float(step())
    assert best - 0.02 < loss < best + 0.02
    found = layer(features).covariance()[0]
    np.testing.assert_allclose(found, covariance, atol=0.1 * covariance.max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_raw_numbers_give_a_finite_density_and_gradient(dtype) -> None:
    rng = np.random.default_rng(2)
    layer = Layer(4, rank=3, projection=None, dtype=dtype)
    sizes = np.array([0, 1e-30, 1, 30, 1e3, 1e5])
    raw = rng.choice(np.r_[sizes, -sizes], (500, 20)).astype(dtype)
    raw[:20, 8:] = 1e5  # all directions the same
    features = tf.constant(raw)
    noise = rng.normal(size=(500, 7)).astype(dtype)
    for x in (0.0, 1.0):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(features)
            q = layer(features)
            log_p = q.log_prob(np.full((500, 4), x, dtype))
            _, log_q = layer.transform(q, noise)
        for result in (log_p, log_q):
            assert np.all(np.isfinite(result))
            assert np.all(np.isfinite(tape.gradient(result, features)))


def test_noise_has_a_number_for_each_dimension_and_each_direction() -> None:
    layer = Layer(3, rank=2, projection=None)
    assert layer.noise_shape == (5,)
    q = layer(np.random.default_rng(3).normal(size=(1, 12)).astype(np.float32))
    unmoved, _ = layer.transform(q, np.zeros((1, 5), np.float32))
    np.testing.assert_array_equal(unmoved, q.mean())
    for k in range(2):
        noise = np.eye(5, dtype=np.float32)[None, 3 + k]
        moved, _ = layer.transform(q, noise)
        expected = q.mean() + q.scale_factor[..., k]
        np.testing.assert_allclose(moved, expected, rtol=1e-6)


@pytest.mark.parametrize("rank", [0, -1, 1.0, True, None, "2"])
def test_ranks(rank) -> None:
    with pytest.raises(ValueError, match=r"`rank` must be a positive integer\. Rec"):
        Layer(3, rank=rank)


@pytest.mark.parametrize("shape", [(2, 2), (1, 1, 3)])
def test_events_of_several_axes(shape) -> None:
    message = r"`event_shape` of MultivariateNormalLowRank must have one axis\. Rec"
    with pytest.raises(ValueError, match=message):
        Layer(shape, rank=1)
