"""Features of any size and learning rates far too large: every number stays finite."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.layer_cases import (
    CLASSES,
    flat_parameters,
    from_raw,
    names,
    raw_numbers,
    values,
)

SIZE = 4

every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))
REPARAMETERIZED = [case for case in CLASSES if case.reparameterized]


def data(case, batch: int, seed: int) -> np.ndarray:
    """Values with a density, which know nothing of the features: [B, N]."""
    rng = np.random.default_rng(seed)
    raw = raw_numbers(case, batch, SIZE, rng)
    _, _, p, family = from_raw(case, raw, SIZE, "float32")
    return values(family, p, rng).astype(np.float32)


def assert_finite(name: str, value) -> None:
    assert np.all(np.isfinite(value)), f"{name} is not finite"


@every_class
def test_features_of_any_size(case) -> None:
    rng = np.random.default_rng(90)
    features = rng.uniform(-1e4, 1e4, (10_000, 8)).astype(np.float32)
    x, layer = data(case, 10_000, 91), case.layer(SIZE)
    layer.build(features.shape)
    features = tf.constant(features)
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        q = layer(features)
        log_p = q.log_prob(x)
        drawn, log_q = layer.sample_and_log_prob(q, seed=0)
    results = {"log_p": log_p, "draw": drawn, "log_q": log_q}
    results |= layer.parameters(q) | {"location": layer.location(q)}
    stddev = layer.stddev(q)
    if stddev is not None:
        results["stddev"] = stddev
    for name, value in results.items():
        assert_finite(name, value)
    assert not np.any(layer.unsupported(drawn))
    differentiated = ["log_p", *(["draw", "log_q"] if case.reparameterized else [])]
    for name in differentiated:
        gradients = tape.gradient(results[name], [features, *weights])
        for gradient in gradients:
            if gradient is not None:
                assert_finite(f"gradient of {name}", gradient)
    assert tape.gradient(log_p, features) is not None


def run(model: keras.Model, loss_of, steps: int = 200) -> None:
    """Takes steps with a learning rate of 0.1, a hundred times the usual one."""
    optimizer = keras.optimizers.Adam(0.1)
    weights = model.trainable_weights

    @tf.function(autograph=False)
    def step(seed):
        with tf.GradientTape() as tape:
            values = loss_of(seed)
            loss = tf.reduce_mean(values)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        gradients = [
            tf.zeros_like(weight) if gradient is None else gradient
            for gradient, weight in zip(gradients, weights, strict=True)
        ]
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        finite = [tf.reduce_all(tf.math.is_finite(g)) for g in [values, *gradients]]
        return tf.reduce_all(finite)

    for i in range(steps):
        assert step(tf.constant([i, 0])), f"step {i} is not finite"
    for weight in model.weights:
        assert_finite(weight.path, weight)


def network(head) -> keras.Model:
    hidden = keras.layers.Dense(16, activation="tanh")
    return keras.Sequential([keras.Input((3,)), hidden, head])


@every_class
def test_a_likelihood_with_a_learning_rate_far_too_large(case) -> None:
    features = np.random.default_rng(92).normal(size=(64, 3)).astype(np.float32)
    layer = case.layer(SIZE)
    model = network(layer)
    x = tf.constant(data(case, 64, 93))

    def loss(_):
        return -layer.observe(model(features), x, training=True).log_prob(x)

    run(model, loss)


@pytest.mark.parametrize("case", REPARAMETERIZED, ids=names(REPARAMETERIZED))
def test_a_posterior_with_a_learning_rate_far_too_large(case) -> None:
    features = np.random.default_rng(94).normal(size=(64, 3)).astype(np.float32)
    layer = case.layer(SIZE)
    model = network(layer)

    def loss(seed):
        z, log_q = layer.sample_and_log_prob(model(features), (), seed)
        return log_q + tf.reduce_sum(tf.square(z - 1), axis=-1)

    run(model, loss)
    assert flat_parameters(layer, model(features))
