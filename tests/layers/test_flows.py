"""What is particular to flow posteriors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases.flows import bent
from support.families import flows

import tfvae
from tfvae._builtins import builtins_only

LAYERS = (tfvae.layers.InverseAutoregressiveFlow, tfvae.layers.CouplingFlow)
every_layer = pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.kind)


def layer_of(cls, size=3, **kwargs):
    arguments = {"hidden_units": (8,), "context_units": 4, "num_flows": 3, "seed": 2}
    return bent(cls(size, projection=None, **arguments | kwargs))


def features(size=3, batch=6, spread=1.0, dtype="float32") -> tf.Tensor:
    rng = np.random.default_rng(5)
    return tf.constant(rng.normal(0, spread, (batch, 2 * size + 4)), dtype)


@every_layer
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_a_detached_density_has_the_gradient_of_the_value_alone(
    cls, jit_compile
) -> None:
    """The path derivative: through z, with all else held; networks included."""
    layer = layer_of(cls, dtype="float64")
    raw = features(dtype="float64")
    q = layer(raw)
    z = tf.constant(layer.sample_and_log_prob(q, (2,), seed=1)[0].numpy())
    weights = [weight.value for weight in layer.weights]
    assert len(weights) == 15

    @tf.function(jit_compile=jit_compile, autograph=False)
    def gradients(raw, z):
        with tf.GradientTape() as tape:
            tape.watch([raw, z])
            log_q = layer.detach(layer(raw)).log_prob(z)
        through_z, *others = tape.gradient(log_q, [z, raw, *weights])
        assert others == [None] * len(others)
        return through_z

    step, actual = 1e-5, gradients(raw, z)
    for i in range(3):
        moved = step * np.eye(3)[i]
        slope = (q.log_prob(z + moved) - q.log_prob(z - moved)) / (2 * step)
        np.testing.assert_allclose(actual[..., i], slope, rtol=1e-6, atol=1e-6)


@every_layer
def test_detached_stays_detached_in_another_batch_shape(cls) -> None:
    layer = layer_of(cls)
    weights = [weight.value for weight in layer.weights]
    with tf.GradientTape(persistent=True) as tape:
        q = layer.with_batch_shape(layer.detach(layer(features())), (2, 3))
        log_q = q.log_prob(tf.ones([2, 3, 3]))
        plain = layer.with_batch_shape(layer(features()), (2, 3))
        log_plain = plain.log_prob(tf.ones([2, 3, 3]))
    assert tape.gradient(log_q, weights) == [None] * len(weights)
    assert all(np.any(g) for g in tape.gradient(log_plain, weights))


@every_layer
def test_small_scales_far_from_zero_are_exact_in_float32(cls) -> None:
    layer = layer_of(cls, 5)
    raw = features(5, 50).numpy()
    raw[:, :5] *= 30
    raw[:, 5:10] -= 8
    q = layer(raw)
    p = {name: np.asarray(v, np.float64) for name, v in layer.parameters(q).items()}
    family = flows.Flow(cls.kind, 5, 4, layer)
    z = layer.sample_and_log_prob(q, (4,), seed=1)[0].numpy()
    expected = family.log_prob(z.astype(np.float64), p)

    def error(log_q):
        return np.max(np.abs(log_q - expected) / np.maximum(1, np.abs(expected)))

    assert error(q.log_prob(z)) < 1e-5
    with builtins_only():
        # What the double precision is for.
        assert error(q.log_prob(z)) > 1e-4


@every_layer
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_extreme_features_are_finite(cls, jit_compile) -> None:
    layer = layer_of(cls)
    rng = np.random.default_rng(7)
    sizes = np.repeat([1e-30, 1, 1e2, 1e4, 1e5], 20)[:, None]
    raw = tf.constant(sizes * rng.choice([-1.0, 0, 1], (100, 10)), tf.float32)
    weights = [weight.value for weight in layer.weights]

    @tf.function(jit_compile=jit_compile, autograph=False)
    def everything(raw):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(raw)
            q = layer(raw)
            z, log_q = layer.sample_and_log_prob(q, (2,), seed=1)
            outputs = (z, log_q, q.log_prob(tf.ones_like(z)), layer.location(q))
        gradients = [
            tape.gradient(output, [raw, *weights], unconnected_gradients="zero")
            for output in outputs
        ]
        return outputs, gradients

    assert all(np.all(np.isfinite(value)) for value in tf.nest.flatten(everything(raw)))


@every_layer
def test_a_step_too_large_a_hundred_times_leaves_it_finite(cls) -> None:
    layer = cls(3, hidden_units=(8,), context_units=4, seed=2)
    optimizer = keras.optimizers.Adam(0.1)
    x = features()
    layer.build(x.shape)

    @tf.function(autograph=False)
    def step(seed):
        with tf.GradientTape() as tape:
            q = layer(x)
            z, log_q = layer.sample_and_log_prob(q, seed=seed)
            loss = tf.reduce_mean(log_q + tf.reduce_sum(tf.square(z - 3), -1))
        weights = layer.trainable_variables
        gradients = tape.gradient(loss, weights)
        optimizer.apply(gradients, weights)
        return loss, gradients

    for i in range(200):
        results = step(tf.constant([i, 0]))
        assert all(np.all(np.isfinite(value)) for value in tf.nest.flatten(results))


@every_layer
def test_many_elements(cls) -> None:
    """Their density is found in a loop, whose gradient compiles."""
    layer = layer_of(cls, 70, num_flows=2)
    q = layer(features(70, 3))
    z, log_q = layer.sample_and_log_prob(q, seed=1)
    np.testing.assert_allclose(q.log_prob(z), log_q, rtol=1e-4)
    assert q.log_prob(z[:1]).shape == (3,)

    @tf.function(jit_compile=True, autograph=False)
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            log_q = q.log_prob(z)
        return tape.gradient(log_q, z)

    assert np.all(np.isfinite(gradient(z)))


@every_layer
def test_the_flow_starts_near_the_identity(cls) -> None:
    layer = cls(4, projection=None, seed=0)
    raw = tf.constant(np.random.default_rng(8).normal(size=(5, 40)), tf.float32)
    q = layer(raw)
    distance = np.abs(layer.location(q) - q.loc)
    assert 0 < np.mean(distance) < 0.1


@every_layer
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"event_shape": (2, 2)}, "event_shape"),
        ({"num_flows": 0}, "num_flows"),
        ({"hidden_units": (0,)}, "hidden_units"),
        ({"hidden_units": 8}, "hidden_units"),
        ({"context_units": 0}, "context_units"),
    ],
)
def test_bad_arguments(cls, arguments, name) -> None:
    with pytest.raises(ValueError, match=rf"`{name}`.* must .*Received: "):
        cls(**{"event_shape": 3} | arguments)


def test_a_coupling_needs_two_elements() -> None:
    with pytest.raises(ValueError, match="`event_shape` of a coupling flow must have"):
        tfvae.layers.CouplingFlow(1)
    tfvae.layers.InverseAutoregressiveFlow(1)
    with pytest.raises(ValueError, match="activation"):
        tfvae.layers.CouplingFlow(2, activation="no such thing")
