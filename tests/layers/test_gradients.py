"""Gradients of the layers: finite differences of the oracles, and where they end."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from support.families import Array
from support.layer_cases import CASES, CLASSES, from_raw, names, raw_numbers, values

# Binomial(1000) has the gradients of Binomial(255), and takes its time.
MOST = [case for case in CASES if case.name != "binomial-1000"]

every_case = pytest.mark.parametrize("case", MOST, ids=names(MOST))
every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))
reparameterised = pytest.mark.parametrize(
    "case", [c for c in CASES if c.reparameterised], ids=lambda case: case.name
)


def differences(function: Callable[[Array], Array], at: Array) -> Array:
    """Central differences of [M, F] -> [M], of the fourth order, along F: [F]."""
    step = 1e-3
    moved = step * np.eye(at.size)
    one, two = (
        function(at + factor * moved) - function(at - factor * moved)
        for factor in (1, 2)
    )
    return (8 * one - two) / (12 * step)


def assert_close(actual, expected) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-7)


@every_case
@pytest.mark.parametrize("spread", [0.001, 1.0, 3.0])
def test_log_prob_in_the_raw_parameters(case, spread) -> None:
    rng = np.random.default_rng(20)
    family = case.oracle(3)
    for raw in raw_numbers(case, 5, 3, rng, spread):
        layer, _, p = from_raw(case, raw[None], 3)
        x = values(case, p, 3, rng)
        features = tf.constant(raw[None])
        with tf.GradientTape() as tape:
            tape.watch(features)
            log_p = layer(features).log_prob(x)
        actual = tape.gradient(log_p, features)[0]

        def function(many, x=x, p=p):
            constrained = family.constrain(many)
            if constrained.get("scale", many).ndim == 0:
                constrained["scale"] = p["scale"]
            return family.log_prob(np.repeat(x, len(many), 0), constrained)

        assert_close(actual, differences(function, raw))


@reparameterised
def test_log_prob_in_the_value(case) -> None:
    rng = np.random.default_rng(21)
    _, q, p = from_raw(case, raw_numbers(case, 1, 3, rng), 3)
    at = values(case, p, 3, rng)
    x = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(x)
        log_p = q.log_prob(x)
    family = case.oracle(3)
    expected = differences(lambda many: family.log_prob(many[:, None], p)[:, 0], at[0])
    assert_close(tape.gradient(log_p, x)[0], expected)


@reparameterised
@pytest.mark.parametrize("spread", [1e-6, 0.001, 1.0, 3.0])
def test_draws_and_their_density_in_the_raw_parameters(case, spread) -> None:
    rng = np.random.default_rng(22)
    family, raw = case.oracle(3), raw_numbers(case, 1, 3, rng, spread)
    noise = values(case, family.constrain(np.zeros_like(raw)), 3, rng)
    if case.cls.noise == "uniform":
        noise = rng.uniform(size=(1, 3))
    direction = rng.normal(size=3)
    features = tf.constant(raw)
    layer, _, p = from_raw(case, raw, 3)

    def constrain(many):
        constrained = family.constrain(many)
        if constrained.get("scale", many).ndim == 0:
            constrained["scale"] = p["scale"]
        return constrained

    def draws(many):
        return family.draw(noise, constrain(many)) @ direction

    def density(many):
        constrained = constrain(many)
        return family.log_prob(family.draw(noise, constrained), constrained)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        x, log_q = layer.transform(layer(features), noise)
        projected = tf.linalg.matvec(x, direction)
    if spread >= 0.001:
        # Nearer to zero the oracle's own quantile has no digits left to subtract.
        assert_close(tape.gradient(projected, features)[0], differences(draws, raw[0]))
        # A scale that does not depend on the features leaves no path to them.
        actual = tape.gradient(log_q, features, unconnected_gradients="zero")
        assert_close(actual[0], differences(density, raw[0]))
    assert np.all(np.isfinite(tape.gradient(projected, features)))


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_finite_at_the_extremes(case, dtype) -> None:
    """Raw numbers of any size, values at the ends, noise at the ends."""
    extremes = [0, 1e-30, 1e-3, 0.01, 1, 17, 30, 88, 90, 1e3, 1e4]
    raw = np.array([sign * number for number in extremes for sign in (1, -1)])
    width = sum(case.oracle(1).sizes.values())
    features = tf.constant(np.repeat(raw[:, None], width, 1), dtype)
    layer = case.layer(1, projection=None, dtype=dtype)
    top = case.arguments.get("total_count", 1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        q = layer(features)
        results = [q.log_prob(np.full((22, 1), end, dtype)) for end in (0, top)]
        results.append(layer.location(q))
        if case.reparameterised:
            for end in (0.0, 0.5, 1 - 2.0**-24):
                results.extend(layer.transform(q, np.full((22, 1), end, dtype)))
    for result in results:
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
    assert len(weights) == 3 if case.arguments == {"scale": "shared"} else 2
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
    assert all((g is not None) == case.reparameterised for g in through)
    np.testing.assert_array_equal(alone, q.log_prob(x))
    np.testing.assert_array_equal(drawn, x)
    assert detached.batch_shape == q.batch_shape
