"""The flow prior: its start, its limits, its arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfvae.priors import Flow

KINDS = ("masked_autoregressive", "coupling")
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_it_starts_near_the_standard_normal(kind) -> None:
    z = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")
    log_prob = Flow(5, kind, seed=0).distribution.log_prob(z)
    expected = stats.norm.logpdf(z.astype(np.float64)).sum(-1)
    assert 0 < np.mean(np.abs(log_prob - expected)) < 0.3


@every_kind
@pytest.mark.parametrize("size", [6, 70])
def test_draws_go_back_to_their_noise(kind, size) -> None:
    prior = Flow(size, kind, num_flows=2, hidden_units=(16,), seed=0, dtype="float64")
    noise = np.random.default_rng(1).normal(size=(4, size))
    z = prior.transform(noise)
    compiled = tf.function(prior.transform, jit_compile=True, autograph=False)
    np.testing.assert_allclose(compiled(noise), z, rtol=1e-9)
    base = prior.distribution.bijector.inverse(tf.constant(z.numpy()))
    np.testing.assert_allclose(base, noise, rtol=1e-9, atol=1e-9)


@every_kind
def test_a_step_too_large_a_hundred_times_leaves_it_finite(kind) -> None:
    prior = Flow(3, kind, hidden_units=(8,), seed=0)
    optimizer = keras.optimizers.Adam(0.1)
    rng = np.random.default_rng(2)
    z = tf.constant(rng.normal(size=(64, 3)) * [1, 10, 0.1] + [0, 5, 0], tf.float32)
    noise = tf.constant(rng.normal(size=(64, 3)), tf.float32)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(prior.distribution.log_prob(z))
        weights = prior.trainable_variables
        gradients = tape.gradient(loss, weights)
        optimizer.apply(gradients, weights)
        return loss, gradients, prior.transform(noise)

    losses = []
    for _ in range(200):
        loss, *rest = step()
        losses.append(float(loss))
        assert all(np.all(np.isfinite(part)) for part in tf.nest.flatten(rest))
    assert np.all(np.isfinite(losses))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"event_shape": (2, 2)}, "event_shape"),
        ({"event_shape": 0}, "event_shape"),
        ({"event_shape": 1, "kind": "coupling"}, "event_shape"),
        ({"kind": "inverse_autoregressive"}, "kind"),
        ({"kind": None}, "kind"),
        ({"num_flows": 0}, "num_flows"),
        ({"hidden_units": 64}, "hidden_units"),
        ({"hidden_units": (64, -1)}, "hidden_units"),
        ({"seed": "a"}, "seed"),
    ],
)
def test_bad_arguments(arguments, name) -> None:
    with pytest.raises(ValueError, match=rf"`{name}`.* must .*Received: "):
        Flow(**{"event_shape": 3} | arguments)


def test_no_hidden_layers() -> None:
    """The network is affine then."""
    prior = Flow(3, hidden_units=(), seed=0)
    assert len(prior.weights) == 8
    assert prior.distribution.sample(2, seed=0).shape == (2, 3)
