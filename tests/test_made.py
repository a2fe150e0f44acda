"""The networks of flows: who sees whom, bounds, and what a frozen one lets through."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.cases.flows import bent
from support.families import flows

from tfvae.flows import KINDS, MADE, CouplingNetwork, Flow, FlowNormal, flow_networks


def wild(network):
    """The network with large weights, so that no connection goes unseen."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape))
    return network


def numeric_jacobian(network, x: np.ndarray, context=None) -> np.ndarray:
    """Of shift and log scale with respect to x, by differences: [2, D, D]."""
    step = 1e-5 * np.eye(len(x))
    ends = [np.stack(network(x + sign * step, context=context)) for sign in (1, -1)]
    return np.swapaxes((ends[0] - ends[1]) / 2e-5, -1, -2)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
@pytest.mark.parametrize("hidden_units", [(), (1,), (3,), (40, 30), (16, 2, 16)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("context_units", [0, 3])
def test_an_element_sees_only_those_before_it(
    size, hidden_units, reverse, context_units
) -> None:
    made = wild(
        MADE(
            size,
            hidden_units,
            context_units=context_units,
            reverse=reverse,
            dtype="float64",
        )
    )
    rng = np.random.default_rng(1)
    context = rng.normal(size=context_units) if context_units else None
    jacobian = numeric_jacobian(made, rng.normal(size=size) / 3, context)
    before = np.tril(np.ones((size, size)), -1)
    allowed = before.T if reverse else before
    assert np.all(jacobian[:, allowed == 0] == 0)
    # Wide layers leave no element that could be seen unseen.
    if not hidden_units or min(hidden_units) > 2 * size:
        assert np.all(jacobian[:, allowed == 1] != 0)


@pytest.mark.parametrize("hidden_units", [(), (4,), (40, 30)])
def test_every_output_sees_the_context(hidden_units) -> None:
    made = wild(MADE(5, hidden_units, context_units=2, dtype="float64"))
    context = tf.constant([[0.1, -0.2]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(context)
        outputs = tf.concat(made(tf.zeros([1, 5], tf.float64), context=context), -1)
    assert np.all(tape.jacobian(outputs, context)[0, :, 0] != 0)


@pytest.mark.parametrize("context_units", [0, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_made_is_the_documented_function(context_units, reverse) -> None:
    made = wild(
        MADE(4, (7, 5), "sigmoid", context_units, reverse=reverse, dtype="float64")
    )
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 6, 4))
    context = rng.normal(size=(6, 3)) if context_units else None
    expected = flows.made(made, x, context, reverse)
    for actual, value in zip(made(x, context=context), expected, strict=True):
        np.testing.assert_allclose(actual, value, rtol=1e-12)


def test_a_network_computes_in_the_precision_of_its_input() -> None:
    made, x = wild(MADE(4, (7,), "sigmoid")), np.zeros((6, 4))
    x += np.random.default_rng(2).normal(size=x.shape)
    shift, log_scale = made(tf.constant(x, tf.float64))
    expected = flows.made(made, x, None, False)
    np.testing.assert_allclose(shift, expected[0], rtol=1e-12)
    np.testing.assert_allclose(log_scale, expected[1], rtol=1e-12)


NETWORKS = {
    "made": lambda **k: MADE(3, (6,), context_units=2, **k),
    "coupling": lambda **k: CouplingNetwork(3, 3, (6,), context_units=2, **k),
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())


@every_network
def test_frozen_weights_have_no_gradient_and_inputs_have(make) -> None:
    network = wild(make())
    x, context = tf.ones([4, 3]), tf.ones([4, 2])
    for frozen in (False, True):
        with tf.GradientTape() as tape:
            tape.watch([x, context])
            outputs = network(x, context=context, frozen=frozen)
        weights = [weight.value for weight in network.weights]
        *inputs, gradients = tape.gradient(outputs, [x, context, weights])
        assert all(np.any(gradient) for gradient in inputs)
        if frozen:
            assert gradients == [None] * len(weights)
        else:
            assert all(np.any(gradient) for gradient in gradients)


@every_network
@pytest.mark.parametrize("x_shape", [(3,), (4, 3), (5, 4, 3)])
@pytest.mark.parametrize("context_shape", [(2,), (4, 2)])
def test_axes_broadcast(make, x_shape, context_shape) -> None:
    network = wild(make(dtype="float64"))
    rng = np.random.default_rng(3)
    x, context = rng.normal(size=x_shape), rng.normal(size=context_shape)
    shape = np.broadcast_shapes(x_shape[:-1], context_shape[:-1])
    full = network(
        np.broadcast_to(x, (*shape, 3)).reshape(-1, 3),
        context=np.broadcast_to(context, (*shape, 2)).reshape(-1, 2),
    )
    for actual, expected in zip(network(x, context=context), full, strict=True):
        assert actual.shape == (*shape, 3)
        np.testing.assert_allclose(
            actual, np.reshape(expected, actual.shape), rtol=1e-12
        )


@every_network
def test_log_scales_are_bounded_and_shifts_are_not(make) -> None:
    network = wild(make())
    for weight in network.weights:
        weight.assign(1e4 * weight)
    shift, log_scale = network(tf.fill([1, 3], 1e5), context=tf.fill([1, 2], 1e5))
    assert np.max(np.abs(log_scale)) == 3
    assert np.all(np.isfinite(shift))
    assert np.max(np.abs(shift)) > 1e4


@every_network
def test_networks_start_small_and_by_their_seed(make) -> None:
    x, context = tf.ones([1, 3]), tf.ones([1, 2])
    first = make(seed=1)
    for output in first(x, context=context):
        assert 0 < np.max(np.abs(output)) < 0.1
    for one, two, three in zip(
        first.weights, make(seed=1).weights, make(seed=2).weights, strict=True
    ):
        np.testing.assert_array_equal(one, two)
        assert "bias" in one.name or np.any(one != three)


@every_network
def test_networks_are_layers_that_are_saved(make, tmp_path) -> None:
    network = wild(make(seed=1, activation="relu", name="net"))
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(network)
    )
    assert again.get_config() == network.get_config()
    again.set_weights(network.get_weights())
    x, context = tf.ones([4, 3]), tf.ones([4, 2])
    for one, two in zip(
        network(x, context=context), again(x, context=context), strict=True
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"size": 0}, "size"),
        ({"hidden_units": 3}, "hidden_units"),
        ({"hidden_units": (3, 0)}, "hidden_units"),
        ({"hidden_units": "32"}, "hidden_units"),
        ({"context_units": -1}, "context_units"),
        ({"context_units": 1.5}, "context_units"),
        ({"reverse": "yes"}, "reverse"),
    ],
)
def test_bad_arguments(arguments, name) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be .* Received: "):
        MADE(**{"size": 3} | arguments)


def test_a_context_is_given_where_there_is_one() -> None:
    with pytest.raises(ValueError, match="`context` must be"):
        MADE(3)(tf.ones([1, 3]), context=tf.ones([1, 2]))
    with pytest.raises(ValueError, match="`context` must be"):
        MADE(3, context_units=2)(tf.ones([1, 3]))


def flow_of(kind: str, size: int = 3) -> Flow:
    networks = flow_networks(kind, size, 3, (6,), "sigmoid", 2, seed=1)

    class Holder:
        pass

    holder = Holder()
    holder.networks = networks
    return Flow(kind, bent(holder).networks, size)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_asked_once_in_each_step(kind) -> None:
    """Bijectors ask for the value and for the determinant, at the same place.

    A coupling asks at two slices, which a compiled graph makes one again.
    """
    flow, calls = flow_of(kind), []
    original = type(flow.networks[0]).apply

    def count(self, *args, **kwargs):
        calls.append(self)
        return original(self, *args, **kwargs)

    p = FlowNormal(tf.zeros([4, 3]), tf.ones([4, 3]), flow, tf.zeros([4, 2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.networks[0]), "apply", count)
        p.log_prob(tf.ones([5, 4, 3]))
    # An inverse autoregressive density takes a pass for each element, and one more.
    each = {"masked_autoregressive": 1, "inverse_autoregressive": 4, "coupling": 2}
    assert len(calls) == 3 * each[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_takes_values_with_fewer_axes_than_its_context(kind) -> None:
    p = FlowNormal(
        tf.zeros([4, 3]), tf.ones([4, 3]), flow_of(kind), tf.random.normal([4, 2])
    )
    z = tf.constant(np.random.default_rng(4).normal(size=(5, 1, 3)), tf.float32)
    expected = p.log_prob(tf.repeat(z, 4, axis=1))
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-6)
    assert p.batch_shape == (4,)
    assert p.event_shape == (3,)
    assert p.sample(2, seed=1).shape == (2, 4, 3)
