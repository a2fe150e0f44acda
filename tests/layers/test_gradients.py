"""Gradients of the layers: finite differences of the oracles, and where they end."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from support.families import Array, Drawn
from support.layer_cases import (
    CASES,
    CLASSES,
    from_raw,
    names,
    raw_numbers,
    standard,
    values,
)

# Binomial(1000) has the gradients of Binomial(255), and takes its time.
MOST = [case for case in CASES if case.name != "binomial-1000"]
CONTINUOUS = [case for case in CASES if not case.oracle(3).discrete]
WITH_DRAW = [c for c in CASES if c.reparameterized and isinstance(c.oracle(3), Drawn)]
BY_ELEMENT = [
    c
    for c in CASES
    if c.reparameterized and c.elementwise and not isinstance(c.oracle(3), Drawn)
]

every_case = pytest.mark.parametrize("case", MOST, ids=names(MOST))
every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))


def differences(
    function: Callable[[Array], Array], at: Array, step: float = 1e-3
) -> Array:
    """Central differences of [M, F] -> [M], of the fourth order, along F: [F]."""
    moved = step * np.eye(at.size)
    one, two = (
        function(at + factor * moved) - function(at - factor * moved)
        for factor in (1, 2)
    )
    return (8 * one - two) / (12 * step)


def assert_close(actual, expected) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-7)


def constrainer(layer, family, p):
    """Raw numbers to parameters; those that the layer owns are as they are."""
    own = {name: value for name, value in p.items() if layer.is_shared(name)}
    return lambda raw: family.constrain(raw) | own


@every_case
@pytest.mark.parametrize("spread", [0.001, 1.0, 3.0])
def test_log_prob_in_the_raw_parameters(case, spread) -> None:
    rng = np.random.default_rng(20)
    for raw in raw_numbers(case, 5, 3, rng, spread):
        layer, _, p, family = from_raw(case, raw[None], 3)
        x, constrain = values(family, p, rng), constrainer(layer, family, p)
        features = tf.constant(raw[None])
        with tf.GradientTape() as tape:
            tape.watch(features)
            log_p = layer(features).log_prob(x)
        actual = tape.gradient(log_p, features)[0]

        def function(many, x=x, constrain=constrain, family=family):
            return family.log_prob(np.repeat(x, len(many), 0), constrain(many))

        assert_close(actual, differences(function, raw, min(1e-3, spread / 100)))


@pytest.mark.parametrize("case", CONTINUOUS, ids=names(CONTINUOUS))
def test_log_prob_in_the_value(case) -> None:
    rng = np.random.default_rng(21)
    _, q, p, family = from_raw(case, raw_numbers(case, 1, 3, rng), 3)
    at = values(family, p, rng)
    x = tf.constant(at)
    # Short enough not to leave the support.
    ends = np.concatenate([np.ravel(end) for end in case.ends])
    room = np.abs(at.reshape(-1, 1) - ends)
    step = 1e-3 * min(1.0, room[room > 0].min())
    with tf.GradientTape() as tape:
        tape.watch(x)
        log_p = q.log_prob(x)
    expected = differences(
        lambda many: family.log_prob(many[:, None], p)[:, 0], at[0], step
    )
    assert_close(tape.gradient(log_p, x)[0], expected)


@pytest.mark.parametrize("case", WITH_DRAW, ids=names(WITH_DRAW))
@pytest.mark.parametrize("spread", [1e-6, 0.001, 1.0, 3.0])
def test_draws_and_their_density_in_the_raw_parameters(case, spread) -> None:
    rng = np.random.default_rng(22)
    raw = raw_numbers(case, 1, 3, rng, spread)
    layer, _, p, family = from_raw(case, raw, 3)
    noise, constrain = standard(layer, (1,), rng), constrainer(layer, family, p)
    direction, features = rng.normal(size=3), tf.constant(raw)
    flat = noise.reshape(1, -1)

    def draws(many):
        return family.draw(flat, constrain(many)) @ direction

    def density(many):
        parameters = constrain(many)
        return family.log_prob(family.draw(flat, parameters), parameters)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        x, log_q = layer.transform(layer(features), noise)
        projected = tf.linalg.matvec(x, direction)
    if spread >= 0.001:
        # Nearer to zero the oracle's own quantile has no digits left to subtract.
        step = min(1e-3, spread / 100)
        expected = differences(draws, raw[0], step)
        assert_close(tape.gradient(projected, features)[0], expected)
        # A scale that does not depend on the features leaves no path to them.
        actual = tape.gradient(log_q, features, unconnected_gradients="zero")
        assert_close(actual[0], differences(density, raw[0], step))
    assert np.all(np.isfinite(tape.gradient(projected, features)))


@pytest.mark.parametrize("case", BY_ELEMENT, ids=names(BY_ELEMENT))
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_draws_of_one_number_move_along_their_quantile(case, spread) -> None:
    """F(x; theta) stays where it is if x moves as its gradient in theta says."""
    rng = np.random.default_rng(25)
    for raw in raw_numbers(case, 5, 1, rng, spread):
        layer, _, p, family = from_raw(case, raw[None], 1)
        noise, constrain = standard(layer, (1,), rng), constrainer(layer, family, p)
        features = tf.constant(raw[None])
        with tf.GradientTape() as tape:
            tape.watch(features)
            x, _ = layer.transform(layer(features), noise)
        gradient = tape.gradient(x, features).numpy()[0]
        at = float(x[0, 0])

        def quantile(step, family=family, constrain=constrain, raw=raw, at=at):
            """dF/dtheta at fixed x, and dF/dx at fixed theta, by differences."""
            moved = constrain(raw + step * np.eye(raw.size))
            points = np.full((1, raw.size, 1), at)
            return family.uniforms(points, moved).ravel()

        step = 1e-3
        in_theta = (8 * (quantile(step) - quantile(-step))) / (12 * step)
        in_theta -= (quantile(2 * step) - quantile(-2 * step)) / (12 * step)
        density = np.exp(family.log_prob(np.array([[at]]), constrain(raw[None])))[0]
        np.testing.assert_allclose(gradient * density, -in_theta, rtol=1e-5, atol=1e-8)


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_finite_at_the_extremes(case, dtype) -> None:
    """Raw numbers of any size, values at the ends, noise at the ends."""
    extremes = [0, 1e-30, 1e-3, 0.01, 1, 17, 30, 88, 90, 1e3, 1e4, 1e5]
    raw = np.array([sign * number for number in extremes for sign in (1, -1)])
    size, rng = case.smallest, np.random.default_rng(26)
    width = sum(case.oracle(size).sizes.values())
    mixed = rng.choice(raw, (200, width))  # and each with every other
    raw = np.concatenate([np.repeat(raw[:, None], width, 1), mixed])
    features = tf.constant(raw, dtype)
    layer = case.layer(size, projection=None, dtype=dtype)
    shape = (len(raw), size)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        q = layer(features)
        ends = [np.broadcast_to(np.asarray(end, dtype), shape) for end in case.ends]
        results = [q.log_prob(x) for x in ends]
        results.append(layer.location(q))
        uniform = layer.noise == "uniform"
        for end in (2.0**-24, 0.5, 1 - 2.0**-24) if uniform else (-5.8, 0.0, 5.8):
            noise = np.full((len(raw), *layer.noise_shape), end, dtype)
            x, log_q = layer.transform(q, noise)
            assert np.all(np.isfinite(x))
            assert np.all(np.isfinite(log_q))
            if case.reparameterized:
                results += [x, log_q]
    for result in results:
        assert np.all(np.isfinite(result))
        gradient = tape.gradient(result, features, unconnected_gradients="zero")
        assert np.all(np.isfinite(gradient))


@every_class
def test_every_weight_has_a_gradient(case) -> None:
    layer = case.layer(3)
    features = tf.constant(np.random.default_rng(23).normal(size=(6, 4)), tf.float32)
    layer.build(features.shape)
    with tf.GradientTape() as tape:
        q = layer(features)
        x = layer.sample_and_log_prob(layer.detach(q), seed=0)[0]
        log_p = q.log_prob(x)
    weights = layer.trainable_weights
    gradients = tape.gradient(log_p, [weight.value for weight in weights])
    assert len(weights) >= 2
    assert all(np.any(gradient) for gradient in gradients)


@every_class
def test_detach_stops_gradients_through_the_parameters(case) -> None:
    layer = case.layer(3)
    features = tf.constant(np.random.default_rng(24).normal(size=(6, 4)), tf.float32)
    layer.build(features.shape)
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape(persistent=True) as tape:
        q = layer(features)
        x, _ = layer.sample_and_log_prob(q, seed=0)
        detached = layer.detach(q)
        alone, along = detached.log_prob(tf.stop_gradient(x)), detached.log_prob(x)
        drawn, log_drawn = layer.sample_and_log_prob(detached, seed=0)
    assert tape.gradient(alone, weights) == [None] * len(weights)
    assert tape.gradient([drawn, log_drawn], weights) == [None] * len(weights)
    # Through the draws the gradient still flows, where draws carry one.
    through = tape.gradient(along, weights)
    if case.reparameterized:
        assert all(g is not None for g in through)
    elif case.oracle(3).discrete:
        assert through == [None] * len(weights)
    np.testing.assert_array_equal(alone, q.log_prob(x))
    np.testing.assert_array_equal(drawn, x)
    assert detached.batch_shape == q.batch_shape
