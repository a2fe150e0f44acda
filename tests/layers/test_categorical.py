"""Classes: extreme logits, forms of features, low temperatures, schedules."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.comparison import assert_exact
from support.families import categorical

import tfvae

EXTREMES = np.float32([-1e5, -1e3, -20, 0, 20, 1e3, 1e5])


def extreme_logits(dtype: str):
    return np.stack(np.meshgrid(EXTREMES, EXTREMES, EXTREMES), -1).reshape(-1, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits(dtype) -> None:
    logits = extreme_logits(dtype).astype(dtype)
    expected = special.log_softmax(np.float64(logits), axis=-1)
    index = tfvae.layers.Categorical(1, 3, projection=None, dtype=dtype)
    vector = tfvae.layers.OneHotCategorical(3, projection=None, dtype=dtype)
    for k in range(3):
        x = np.full((len(logits), 1), k, dtype)
        features = tf.constant(logits)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(features)
            one = index(features).log_prob(x)
            two = vector(features).log_prob(np.eye(3, dtype=dtype)[[k] * len(x)])
        slope = np.eye(3)[k] - special.softmax(np.float64(logits), axis=-1)
        for log_p in (one, two):
            assert_exact(log_p, expected[:, k], dtype)
            gradient = tape.gradient(log_p, features)
            np.testing.assert_allclose(gradient, slope, atol=2e-6)


def test_draws_of_impossible_classes_do_not_happen() -> None:
    """Probabilities that are zero in floats, at the ends of the uniforms."""
    logits = np.float32([[0, -1e4, 0, -1e4], [-1e4, 0, -1e4, 0], [-1e4, -1e4, 0, -1e4]])
    layer = tfvae.layers.Categorical(1, 4, projection=None)
    q = layer(logits)
    possible = [{0, 2}, {1, 3}, {2}]
    for u in (2.0**-24, 0.3, 0.5, 0.7, 1 - 2.0**-24):
        x, log_q = layer.transform(q, np.full((3, 1), u, np.float32))
        assert all(float(a) in b for a, b in zip(x[:, 0], possible, strict=True))
        assert np.all(log_q > -1)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_indices_of_any_dtype(dtype) -> None:
    layer = tfvae.layers.Categorical((2, 2), 3)
    p = layer(np.ones((1, 4), np.float32))
    x = np.array([[[0, 1], [2, 1]]])
    np.testing.assert_array_equal(
        p.log_prob(x.astype(dtype)), p.log_prob(x.astype("float32"))
    )
    assert not np.any(layer.unsupported(x.astype(dtype)))


def test_what_is_no_class_has_no_mass() -> None:
    p = tfvae.layers.Categorical(1, 3)(np.ones((1, 4), np.float32))
    for x in (-1.0, 3.0, 0.5):
        assert p.log_prob([[x]]) == -np.inf


def test_each_position_has_logits_from_its_own_features() -> None:
    layer = tfvae.layers.Categorical((4, 5), 3)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 7)).astype(np.float32)
    logits = layer.parameters(layer(x))["logits"]
    assert logits.shape == (2, 4, 5, 3)
    kernel, bias = layer.trainable_weights
    assert kernel.shape == (7, 3)
    np.testing.assert_allclose(logits, x @ kernel.numpy() + bias.numpy(), atol=1e-5)
    assert layer.location(layer(x)).shape == (2, 4, 5)


def test_the_location_is_the_most_probable_class() -> None:
    layer = tfvae.layers.Categorical(2, 3, projection=None)
    q = layer(np.float32([[0, 2, 1, 5, 5, 6]]))
    np.testing.assert_array_equal(layer.location(q), [[1, 2]])
    assert layer.stddev(q) is None


@pytest.mark.parametrize("number", [0, -1, 2.0, True, None, "3"])
def test_numbers_of_classes(number) -> None:
    with pytest.raises(ValueError, match=r"`num_classes` must be a positive integer\."):
        tfvae.layers.Categorical(3, number)
    with pytest.raises(ValueError, match=r"`num_classes` must be at least 2\. Rec"):
        tfvae.layers.Categorical(3, 1)


def test_the_support_of_vectors_is_told_vector_by_vector() -> None:
    layer = tfvae.layers.OneHotCategorical((2, 3))
    x = np.array([[[0, 1, 0], [1, 1, 0]], [[0, 0, 0], [0.5, 0.5, 0]]])
    expected = [[[0, 0, 0], [1, 1, 1]], [[1, 1, 1], [1, 1, 1]]]
    np.testing.assert_array_equal(layer.unsupported(x), np.bool_(expected))
    relaxed = tfvae.layers.RelaxedOneHotCategorical((2, 3), 0.5)
    expected = [[[0, 0, 0], [1, 1, 1]], [[1, 1, 1], [0, 0, 0]]]
    np.testing.assert_array_equal(relaxed.unsupported(x), np.bool_(expected))
    half = special.softmax(np.random.default_rng(1).normal(size=(9, 2, 50)), -1)
    wide = tfvae.layers.RelaxedOneHotCategorical((2, 50), 0.5)
    assert not np.any(wide.unsupported(half.astype(np.float16)))


# Relaxed vectors.


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_relaxed_draws_follow_the_density(temperature) -> None:
    layer = tfvae.layers.RelaxedOneHotCategorical(
        4, temperature, projection=None, dtype="float64"
    )
    logits = np.random.default_rng(2).normal(size=(1, 4))
    q = layer(logits)
    x, log_q = layer.sample_and_log_prob(q, (4000,), seed=3)
    family = categorical.RelaxedOneHotCategorical(4, 4, temperature)
    p = {"temperature": np.array(temperature), "logits": logits}
    np.testing.assert_allclose(log_q, family.log_prob(x.numpy(), p), rtol=1e-9)
    uniforms = family.uniforms(x.numpy(), p).reshape(4000, 3)
    for column in uniforms.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(uniforms.T) - np.eye(3)).max() < 0.07


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_relaxed_draws_move_with_the_logits(temperature) -> None:
    rng = np.random.default_rng(4)
    layer = tfvae.layers.RelaxedOneHotCategorical(
        3, temperature, projection=None, dtype="float64"
    )
    family = categorical.RelaxedOneHotCategorical(3, 3, temperature)
    for _ in range(5):
        logits, noise = rng.normal(size=(1, 3)), rng.random((1, 3))

        def draw(logits, noise=noise):
            p = {"temperature": np.array(temperature), "logits": logits}
            x = family.draw(noise, p)
            return np.append(x[0], family.log_prob(x, p))

        features = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(features)
            x, log_q = layer.transform(layer(features), noise)
            both = tf.concat([x[0], log_q], axis=0)
        jacobian = tape.jacobian(both, features)[:, 0]
        for j in range(3):
            step = 1e-5 * np.eye(3)[None, j]
            slope = (draw(logits + step) - draw(logits - step)) / 2e-5
            np.testing.assert_allclose(jacobian[:, j], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("classes", [10, 50])
def test_low_temperatures_in_single_precision(classes) -> None:
    layer = tfvae.layers.RelaxedOneHotCategorical((20, classes), 0.1, projection=None)
    rng = np.random.default_rng(5)
    features = tf.constant(rng.normal(size=(30, 20 * classes)).astype(np.float32))
    prior = tfvae.distributions.RelaxedOneHotCategorical(
        0.1, logits=np.zeros((20, classes), np.float32)
    )
    with tf.GradientTape() as tape:
        tape.watch(features)
        q = layer(features)
        x, log_q = layer.sample_and_log_prob(q, seed=6)
        kl = log_q - tf.reduce_sum(prior.log_prob(x), -1)
    assert np.any(x == 0)
    assert not np.any(layer.unsupported(x))
    np.testing.assert_allclose(q.log_prob(x), log_q, rtol=1e-5)
    assert np.all(np.isfinite(kl))
    assert np.all(np.isfinite(tape.gradient(kl, features)))


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(2.0, 1, 0.5)


def temperature(layer, training: bool) -> float:
    q = layer(np.ones((2, 4), np.float32), training=training)
    return float(layer.parameters(q)["temperature"])


def test_schedules_that_are_refused_and_one_that_ends() -> None:
    schedules = keras.optimizers.schedules
    for steps in (1, 500, 5000):
        below = schedules.PolynomialDecay(1.0, steps, end_learning_rate=-0.1)
        with pytest.raises(ValueError, match=r"`temperature` must not be negative"):
            tfvae.layers.RelaxedOneHotCategorical(3, below)
    zero = schedules.PolynomialDecay(1.0, 1, end_learning_rate=0.0)
    layer = tfvae.layers.RelaxedOneHotCategorical(3, zero)
    for expected in (1.0, 1e-6, 1e-6):
        np.testing.assert_allclose(temperature(layer, True), expected, rtol=1e-6)
    q = layer(np.ones((2, 4)))
    x, log_q = layer.sample_and_log_prob(q, seed=0)
    assert np.all(np.isfinite(x))
    assert np.all(np.isfinite(log_q))


def test_a_schedule_counts_training_steps() -> None:
    layer = tfvae.layers.RelaxedOneHotCategorical(3, schedule())
    assert temperature(layer, False) == 2
    assert [temperature(layer, True) for _ in range(3)] == [2, 1, 0.5]
    # Outside of training it stays that of the latest step.
    assert [temperature(layer, False) for _ in range(2)] == [0.5, 0.5]
    assert temperature(layer, True) == 0.25
    assert int(layer.steps.numpy()) == 4
    assert layer.steps.path in {weight.path for weight in layer.non_trainable_weights}


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_schedule_inside_a_graph(jit_compile) -> None:
    layer = tfvae.layers.RelaxedOneHotCategorical(3, schedule(), dtype="float64")
    layer.build((None, 4))

    @tf.function(jit_compile=jit_compile)
    def step(x):
        return layer.parameters(layer(x, training=True))["temperature"]

    x = np.ones((2, 4))
    assert [float(step(x)) for _ in range(3)] == [2, 1, 0.5]
    assert step(x).dtype == tf.float64


def test_a_schedule_is_saved_with_its_step(tmp_path) -> None:
    layer = tfvae.layers.RelaxedOneHotCategorical(3, schedule())
    model = keras.Sequential([keras.Input((4,)), layer])
    for _ in range(3):
        model(np.ones((2, 4), np.float32), training=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True).layers[-1]
    assert again.temperature.get_config() == layer.temperature.get_config()
    assert type(again.temperature) is type(layer.temperature)
    assert temperature(again, False) == 0.5
    assert temperature(again, True) == 0.25
    assert again.get_config() == layer.get_config()


def test_a_number_needs_no_step() -> None:
    layer = tfvae.layers.RelaxedOneHotCategorical(3, 0.5)
    assert temperature(layer, True) == temperature(layer, False) == 0.5
    assert not layer.non_trainable_weights


@pytest.mark.parametrize("number", [0, -1.0, np.nan, np.inf, True, None, "low"])
def test_temperatures(number) -> None:
    message = r"`temperature` must be a finite number greater than 0\. Received: "
    with pytest.raises(ValueError, match=message):
        tfvae.layers.RelaxedOneHotCategorical(3, number)
