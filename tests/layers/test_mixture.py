"""Mixtures of what is no product of elements, and of layers that own weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from support.comparison import assert_exact
from support.families.flows import Flow
from support.families.gaussian import MultivariateNormalTriL
from support.families.sphere import VonMisesFisher

import tfvae
from tfvae import layers

UNITS = 4


def flow(**kwargs):
    return layers.InverseAutoregressiveFlow(
        3, hidden_units=(5,), context_units=UNITS, seed=1, **kwargs
    )


COMPONENTS = {
    "sphere": (lambda: layers.VonMisesFisher(3, dtype="float64"), VonMisesFisher),
    "full": (
        lambda: layers.MultivariateNormalTriL(3, dtype="float64"),
        MultivariateNormalTriL,
    ),
    "flow": (lambda: flow(dtype="float64"), None),
}


def mixture(name: str, seed: int, count: int = 4):
    """The layer, a distribution with batch shape [5], and what it is made of."""
    make, family = COMPONENTS[name]
    layer = layers.Mixture(make(), count, projection=None)
    component = layer.component
    layer.build((None, count * (1 + sum(map(_size, component._raw_shapes().values())))))
    family = (
        Flow(component.kind, 3, UNITS, component) if family is None else (family(3))
    )
    raw = np.random.default_rng(seed).normal(size=(5, layer.input_spec.axes[-1]))
    return layer, layer(raw), family


def _size(shape) -> int:
    return int(np.prod(shape))


def parts(layer, q):
    """The weights [B, K] and the parameters of each component, in double precision."""
    own = {n: np.asarray(v, np.float64) for n, v in layer.parameters(q).items()}
    weights = special.softmax(own.pop("mixture_logits"), axis=-1)
    shared = layer.is_shared
    return weights, [
        {n: v if shared(n) else v[:, k] for n, v in own.items()}
        for k in range(layer.num_components)
    ]


@pytest.mark.parametrize("name", COMPONENTS)
def test_log_density(name) -> None:
    layer, q, family = mixture(name, 0)
    weights, each = parts(layer, q)
    x, log_q = layer.sample_and_log_prob(q, (6,), seed=1)
    densities = [family.log_prob(np.asarray(x), p) for p in each]
    expected = special.logsumexp(np.stack(densities, -1), b=weights, axis=-1)
    assert_exact(q.log_prob(x), expected, "float64")
    assert_exact(log_q, expected, "float64")
    assert not np.any(layer.unsupported(x))


@pytest.mark.parametrize("name", COMPONENTS)
def test_draws_choose_by_weight_and_follow_the_component(name) -> None:
    """The component of a draw is known from the noise, its place from the others."""
    layer, q, _ = mixture(name, 2)
    weights, _ = parts(layer, q)
    rng = np.random.default_rng(3)
    noise = rng.random((7, 5, *layer.noise_shape))
    x, _ = layer.transform(q, noise)
    chosen = (noise[..., :1] >= np.cumsum(weights, -1)[:, :-1]).sum(-1)
    component, own = layer.component, noise[..., 1:]
    if component.noise == "normal":
        u, v = np.split(own, 2, axis=-1)
        own = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
    repeated = np.repeat(own[:, :, None], layer.num_components, axis=2)
    every, _ = component.transform(q.components_distribution, repeated)
    expected = np.take_along_axis(np.asarray(every), chosen[..., None, None], axis=2)
    np.testing.assert_allclose(x, expected[:, :, 0], rtol=1e-9, atol=1e-9)


def test_draws_in_their_proportions() -> None:
    """Components that are far apart, counted."""
    layer = layers.Mixture(layers.Normal(1, scale=0.01), 3, projection=None)
    q = layer(np.float32([[np.log(0.1), np.log(0.6), np.log(0.3), -5, 0, 5]]))
    x, _ = layer.sample_and_log_prob(q, (5000,), seed=4)
    observed = np.histogram(x, bins=[-6, -2.5, 2.5, 6])[0]
    assert stats.chisquare(observed, [500, 3000, 1500]).pvalue > 1e-4


def test_the_location_of_what_has_no_mean_of_use() -> None:
    """That of the most probable component."""
    layer, q, _ = mixture("sphere", 5)
    weights, each = parts(layer, q)
    best = weights.argmax(-1)
    expected = [each[k]["mean_direction"][i] for i, k in enumerate(best)]
    np.testing.assert_allclose(layer.location(q), expected, rtol=1e-12)
    assert not layer.location_is_mean
    assert layer.measure == "sphere"
    assert layer.support == "vectors of length one"


def test_moments_with_a_full_covariance() -> None:
    layer, q, _ = mixture("full", 6)
    weights, each = parts(layer, q)
    means = np.stack([p["loc"] for p in each], axis=1)
    mean = np.einsum("bk,bkn->bn", weights, means)
    np.testing.assert_allclose(layer.location(q), mean, rtol=1e-12)
    assert layer.location_is_mean
    own = np.stack([(p["scale_tril"] ** 2).sum(-1) for p in each], axis=1)
    second = np.einsum("bk,bkn->bn", weights, own + means**2)
    expected = np.sqrt(second - mean**2)
    np.testing.assert_allclose(layer.stddev(q), expected, rtol=1e-9)
    np.testing.assert_allclose(layer.stddev(q), q.stddev(), rtol=1e-9)


def test_what_it_has_from_its_component() -> None:
    for component in (flow(), layers.Normal(3)):
        mixed = layers.Mixture(component, 2)
        table = layers.Table([layers.Normal(1), component])
        inverts = isinstance(component, layers.InverseAutoregressiveFlow)
        assert mixed.density_inverts == table.density_inverts == inverts


def test_moments_beyond_the_largest_float_are_finite() -> None:
    """Two that are alike have the moments of one, at the end of the range."""
    layer = layers.Mixture(layers.LogNormal(1), 2, projection=None)
    q = layer(np.float32([[0, 0, 0, 0, 15, 15]]))
    np.testing.assert_allclose(layer.location(q), np.exp([[43.0]]), rtol=1e-5)
    np.testing.assert_allclose(layer.stddev(q), np.exp([[43.0]]), rtol=1e-5)


def test_no_standard_deviation_where_the_component_has_none() -> None:
    layer, q, _ = mixture("flow", 7)
    assert layer.stddev(q) is None


def test_detach_reaches_the_networks_of_a_flow() -> None:
    layer = layers.Mixture(flow(), 2)
    layer.build((None, 4))
    weights = [w.value for w in layer.trainable_weights]
    assert len(weights) > 2
    with tf.GradientTape(persistent=True) as tape:
        q = layer(np.ones((3, 4), np.float32))
        x, _ = layer.sample_and_log_prob(q, seed=8)
        x = tf.stop_gradient(x)
        learns, stopped = q.log_prob(x), layer.detach(q).log_prob(x)
        drawn, log_drawn = layer.sample_and_log_prob(layer.detach(q), seed=8)
    assert all(g is not None for g in tape.gradient(learns, weights))
    assert tape.gradient([stopped, drawn, log_drawn], weights) == [None] * len(weights)
    np.testing.assert_array_equal(learns, stopped)


def test_a_scale_that_is_shared_is_one_weight(tmp_path) -> None:
    layer = layers.Mixture(layers.Normal(2, scale="shared"), 3)
    model = keras.Sequential([keras.Input((4,)), layer])
    assert len(model.trainable_weights) == 3
    layer.component.raw_scale.assign(-1.0)
    features = np.ones((2, 4), np.float32)
    scale = layer.parameters(model(features))["scale"]
    assert scale.shape == ()
    np.testing.assert_allclose(scale, np.log1p(np.exp(-1)) + 1e-6, rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.layers[-1].parameters(loaded(features))
    for name, value in layer.parameters(model(features)).items():
        np.testing.assert_array_equal(again[name], value)


def test_components_that_count_steps_count_them() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    relaxed = layers.RelaxedOneHotCategorical(3, temperature=schedule)
    layer = layers.Mixture(relaxed, 2)
    features = np.ones((2, 4), np.float32)
    for _ in range(3):
        q = layer(features, training=True)
    assert int(relaxed.steps) == 3
    assert layer.parameters(q)["temperature"] == 0.25


@pytest.mark.parametrize("raw", [0.0, 1e5, -1e5])
def test_weights_of_any_size(raw) -> None:
    layer = layers.Mixture(layers.Normal(1), 3, projection=None)
    numbers = np.zeros((1, 9), np.float32)
    numbers[0, 1] = raw
    features = tf.constant(numbers)
    with tf.GradientTape() as tape:
        tape.watch(features)
        q = layer(features)
        x, log_q = layer.sample_and_log_prob(q, (9,), seed=9)
        total = tf.reduce_sum(log_q) + tf.reduce_sum(q.log_prob(np.float32([[3]])))
    assert np.all(np.isfinite(x))
    assert np.isfinite(total)
    assert np.all(np.isfinite(tape.gradient(total, features)))


@pytest.mark.parametrize(
    "component",
    [
        None,
        "normal",
        3,
        keras.layers.Dense(2),
        layers.Normal,
        layers.Normal(2, scale="optimal"),
        layers.Mixture(layers.Normal(2), 2),
    ],
    ids=["none", "name", "number", "dense", "class", "optimal", "mixture"],
)
def test_components_that_are_refused(component) -> None:
    message = r"`component` must be a distribution layer, but no mixture and none that "
    with pytest.raises(ValueError, match=message + r"takes .* Received: "):
        layers.Mixture(component, 2)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None, "2"])
def test_the_number_of_components(count) -> None:
    message = r"`num_components` must be a positive integer\. Received: "
    with pytest.raises(ValueError, match=message):
        layers.Mixture(layers.Normal(2), count)


def test_dtypes_of_mixture_and_component() -> None:
    assert layers.Mixture(layers.Normal(2, dtype="float64"), 2).dtype == "float64"
    mixed = layers.Mixture(layers.Normal(2), 2, dtype="mixed_float16")
    assert mixed(np.ones((1, 3), np.float32)).dtype == "float32"
    message = r"`component` must compute in float64, .* Received: one in float32\."
    with pytest.raises(ValueError, match=message):
        layers.Mixture(layers.Normal(2), 2, dtype="float64")


def test_as_a_likelihood_in_a_model(tmp_path) -> None:
    encoder = keras.Sequential([keras.Input((2,)), layers.Normal(1)])
    decoder = keras.Sequential([keras.Input((1,)), layers.Mixture(layers.Normal(2), 3)])
    vae = tfvae.VAE(encoder, decoder, seed=0)
    vae.compile(optimizer="adam")
    x = np.random.default_rng(10).normal(size=(40, 2)).astype(np.float32)
    vae.fit(x, epochs=1, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = vae.evaluate(x, return_dict=True, verbose=0)
    assert loaded.evaluate(x, return_dict=True, verbose=0) == expected
    assert vae.sample(5, seed=1).shape == (5, 2)
    np.testing.assert_array_equal(loaded.reconstruct(x), vae.reconstruct(x))
