"""The layer of von Mises-Fisher distributions: its ends, its support, its prior."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from support.families.sphere import VonMisesFisher, angle_log_normaliser, log_area
from support.small import small_vae

import tfvae
from tfvae.distributions import closed_form_kl
from tfvae.layers.directions import direction


@pytest.mark.parametrize("shape", [1, (1,), (3, 3), (2, 2, 2)])
def test_event_shapes(shape) -> None:
    message = r"`event_shape` of VonMisesFisher must have one axis of at least two"
    with pytest.raises(ValueError, match=message + r" dimensions\. Received: "):
        tfvae.layers.VonMisesFisher(shape)


def test_total_mass_on_the_sphere() -> None:
    height, part = special.roots_legendre(100)
    turn = np.arange(200) * 2 * np.pi / 200
    height, part, turn = (
        array.ravel()
        for array in np.broadcast_arrays(height[:, None], part[:, None], turn)
    )
    ring = np.sqrt(1 - height**2)
    x = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=-1)
    raw = np.random.default_rng(0).normal(0, 3, (5, 4))
    layer = tfvae.layers.VonMisesFisher(3, projection=None, dtype="float64")
    q = layer.with_batch_shape(layer(raw), (5, 1))
    mass = np.exp(q.log_prob(x)) @ (part * 2 * np.pi / 200)
    np.testing.assert_allclose(mass, 1, rtol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [2, 3, 20, 128])
def test_raw_numbers_of_any_size(size, dtype) -> None:
    extremes = np.array([0, 1e-30, 1e-7, 1e-3, 1, 30, 1e3, 1e5])
    extremes = np.concatenate([extremes, -extremes])
    rng = np.random.default_rng(1)
    raw = rng.choice(extremes, (100, size + 1))
    raw[:16] = extremes[:, None]
    raw[16:32, :-1], raw[16:32, -1] = 0, extremes
    features = tf.constant(raw, dtype)
    layer = tfvae.layers.VonMisesFisher(size, projection=None, dtype=dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        q = layer(features)
        x, log_q = layer.sample_and_log_prob(q, seed=2)
        prior = tfvae.priors.UniformSphere(size, dtype=dtype).distribution
        results = [x, log_q, q.log_prob(tf.stop_gradient(x)), q.entropy()]
        results += [q.stddev(), q.mean(), closed_form_kl(q, prior), layer.location(q)]
    for result in results:
        assert np.all(np.isfinite(result))
        assert np.all(np.isfinite(tape.gradient(result, features)))
    np.testing.assert_allclose(np.linalg.norm(x, axis=-1), 1, rtol=1e-6)
    assert not np.any(layer.unsupported(x))
    k = np.float64(q.concentration)
    highest = -angle_log_normaliser(k, size) - log_area(size - 1)
    np.testing.assert_allclose(q.log_prob(q.mean_direction), highest, rtol=1e-5)


def test_a_raw_direction_of_zero_is_the_first_axis() -> None:
    layer = tfvae.layers.VonMisesFisher(3, projection=None)
    features = tf.zeros((1, 4))
    with tf.GradientTape() as tape:
        tape.watch(features)
        second = layer(features).mean_direction[0, 1]
    np.testing.assert_array_equal(layer(features).mean_direction, [[1, 0, 0]])
    # It can leave, along the tangent of a sphere of radius 2e-6.
    expected = [[0, 1 / 2e-6, 0, 0]]
    np.testing.assert_allclose(tape.gradient(second, features), expected, rtol=1e-6)


@pytest.mark.parametrize("length", [1e-5, 1e-3, 1.0, 1e4])
def test_directions_do_not_depend_on_the_length(length) -> None:
    rng = np.random.default_rng(3)
    raw = rng.normal(size=5)
    raw *= length / np.linalg.norm(raw)
    weights, x = rng.normal(size=5), tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(x)
        unit = direction(x)
        projected = tf.reduce_sum(unit * weights)
    expected = raw / np.linalg.norm(raw)
    np.testing.assert_allclose(unit, expected, rtol=1e-12)
    tangent = (weights - expected * (expected @ weights)) / length
    np.testing.assert_allclose(tape.gradient(projected, x), tangent, rtol=1e-9)


@pytest.mark.parametrize("length", [1e-3, 1.0])
def test_gradients_of_draws_at_a_direction_of_any_length(length) -> None:
    """In steps that are short beside the raw direction."""
    rng = np.random.default_rng(4)
    layer = tfvae.layers.VonMisesFisher(4, projection=None, dtype="float64")
    raw = rng.normal(size=(1, 5))
    raw[:, :4] *= length
    noise, weights = rng.random((1, *layer.noise_shape)), rng.normal(size=4)
    features = tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(features)
        x, log_q = layer.transform(layer(features), noise)
        total = tf.linalg.matvec(x, weights) + log_q
    family = VonMisesFisher(4)
    steps = 1e-3 * np.array([length] * 4 + [1.0])

    def totals(factor):
        p = family.constrain(raw + factor * np.diag(steps))
        x = family.draw(noise, p)
        return x @ weights + family.log_prob(x, p)

    slope = 8 * (totals(1) - totals(-1)) - (totals(2) - totals(-2))
    actual = tape.gradient(total, features)[0]
    np.testing.assert_allclose(actual, slope / (12 * steps), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "inside", "outside"),
    [
        ("float16", 3e-3, 3e-2),
        ("float32", 5e-6, 3e-5),
        ("float64", 5e-6, 3e-5),
    ],
)
def test_what_counts_as_a_vector_of_length_one(dtype, inside, outside) -> None:
    layer = tfvae.layers.VonMisesFisher(3)
    x = np.array([2, -1, 2]) / 3
    for factor in (1, 1 - inside, 1 + inside):
        near = (factor * x)[None].astype(dtype)
        np.testing.assert_array_equal(layer.unsupported(near), [[False] * 3])
    for factor in (0, -2, 1 - outside, 1 + outside):
        far = np.stack([factor * x, x]).astype(dtype)
        expected = [[True] * 3, [False] * 3]
        np.testing.assert_array_equal(layer.unsupported(far), expected)


def test_it_goes_with_the_uniform_prior() -> None:
    vae = small_vae(tfvae.layers.VonMisesFisher(3), prior=tfvae.priors.UniformSphere(3))
    x = np.random.default_rng(5).integers(0, 2, (40, 6)).astype(np.float32)
    vae.compile(optimizer="adam")
    vae.fit(x, epochs=1, verbose=0)
    q = vae.encode(x)
    k = np.float64(q.concentration)
    # The mean of log q by quadrature of the angle, less the uniform density.
    t = (np.arange(4000) + 0.5) * np.pi / 4000
    log_t = np.log(np.sin(t)) - 2 * k[:, None] * np.sin(t / 2) ** 2
    log_t -= special.logsumexp(log_t, axis=-1, keepdims=True)
    lost = (np.exp(log_t) * (1 - np.cos(t))).sum(-1)
    expected = -k * lost - angle_log_normaliser(k, 3) - log_area(2) + log_area(3)
    actual = vae.evaluate(x, return_dict=True, verbose=0)["kl"]
    np.testing.assert_allclose(actual, expected.mean(), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vae.prior.sample(9), axis=-1), 1, 1e-6)
