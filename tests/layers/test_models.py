"""Layers at the end of Keras models, in graphs, under XLA and under every policy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.layer_cases import CASES, CLASSES, flat_parameters, names, values
from tensorflow_probability import distributions as tfd

import tfvae

every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))
COMPOSITE = [case for case in CLASSES if case.composite]
FITTING = [case for case in CASES if case.fits]

FEATURES = np.random.default_rng(40).normal(size=(3, 6)).astype(np.float32)


class Subclassed(keras.Model):
    """Any model, and then a head."""

    def __init__(self, body: keras.layers.Layer, head: keras.layers.Layer) -> None:
        super().__init__()
        self.body, self.head = body, head

    def call(self, x):
        return self.head(self.body(x))


def functional(body, head) -> keras.Model:
    inputs = keras.Input((6,))
    return keras.Model(inputs, head(body(inputs)))


MODELS = {
    "sequential": lambda body, head: keras.Sequential([keras.Input((6,)), body, head]),
    "functional": functional,
    "subclassed": Subclassed,
    "nested": lambda body, head: keras.Sequential(
        [keras.Input((6,)), functional(body, head)]
    ),
}


@every_class
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_models_return_the_distribution_of_the_layer(case, make) -> None:
    body, head = keras.layers.Dense(5, activation="tanh"), case.layer(3)
    model = make(body, head)
    q = model(FEATURES)
    assert isinstance(q, tfd.Distribution)
    assert q.batch_shape == (3,)
    assert q.event_shape == (3,)
    alone = head.parameters(head(body(FEATURES)))
    for name, value in head.parameters(q).items():
        np.testing.assert_array_equal(value, alone[name])
    wanted = {w.path for w in body.weights} | {w.path for w in head.weights}
    assert {w.path for w in model.weights} == wanted
    if model.built and getattr(model, "outputs", None):
        assert model.output_shape == (None, 3)


@every_class
def test_summary_shows_the_shape_of_the_event(case) -> None:
    head = case.layer(case.event())
    lines = []
    functional(keras.layers.Dense(5), head).summary(print_fn=lines.append)
    assert str((None, *case.event())) in "".join(lines)


@every_class
def test_compiled_graphs_give_the_numbers_of_eager_mode(case) -> None:
    model = functional(keras.layers.Dense(5, activation="tanh"), case.layer(3))
    head = model.layers[-1]
    at = head.sample_and_log_prob(model(FEATURES), (4,), seed=0)[0]

    def numbers(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            q = model(x)
            draws, log_q = head.sample_and_log_prob(q, (4,), seed=tf.constant([1, 2]))
            log_p = q.log_prob(at)
        gradient = tape.gradient(log_p, x)
        unsupported = head.unsupported(draws)
        assert q.batch_shape == (3,)
        return draws, log_q, log_p, head.location(q), gradient, unsupported

    x = tf.constant(FEATURES)
    compiled = tf.function(numbers, jit_compile=True, autograph=False)
    if not head.supports_jit:
        with pytest.raises(tf.errors.OpError):
            compiled(x)
        compiled = tf.function(numbers, autograph=False)
    for actual, expected in zip(compiled(x), numbers(x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


class Eager(tfvae.layers.Normal):
    """A family that says that it does not compile."""

    supports_jit = False


def test_a_model_is_not_compiled_where_a_layer_says_so() -> None:
    assert tfvae.layers.Normal(2).supports_jit
    for head in (
        Eager(2),
        tfvae.layers.Mixture(Eager(2), 2),
        tfvae.layers.Table([tfvae.layers.Normal(1), Eager(1)]),
    ):
        assert not head.supports_jit
        decoder = keras.Sequential([keras.Input((2,)), head])
        encoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(2)])
        vae = tfvae.VAE(encoder, decoder)
        vae.compile("adam")
        assert not vae.jit_compile


@pytest.mark.parametrize("case", COMPOSITE, ids=names(COMPOSITE))
def test_a_distribution_crosses_the_boundary_of_a_graph(case) -> None:
    layer = case.layer(3)
    make = tf.function(lambda x: layer(x), autograph=False)
    q, eager = make(FEATURES), layer(FEATURES)
    assert type(q) is type(eager)
    x, _ = layer.sample_and_log_prob(eager, seed=0)
    density = tf.function(lambda p, x: p.log_prob(x), autograph=False)
    for actual in (q.log_prob(x), density(q, x), density(eager, x)):
        np.testing.assert_allclose(actual, eager.log_prob(x), rtol=1e-5, atol=1e-5)
    for name, value in layer.parameters(eager).items():
        np.testing.assert_allclose(layer.parameters(q)[name], value, rtol=1e-6)
    moved = layer.with_batch_shape(layer.detach(q), (1, 3))
    assert moved.batch_shape == (1, 3)


POLICIES = {
    "float32": "float32",
    "mixed_float16": "float32",
    "mixed_bfloat16": "float32",
    "float64": "float64",
}


@every_class
@pytest.mark.parametrize(("policy", "dtype"), POLICIES.items(), ids=POLICIES.keys())
def test_parameters_are_never_half_precision(case, policy, dtype) -> None:
    body = keras.layers.Dense(5, activation="tanh", dtype=policy)
    head = case.layer(case.event(), dtype=policy)
    model = functional(body, head)
    with tf.GradientTape() as tape:
        q = model(FEATURES)
        x, log_q = head.sample_and_log_prob(q, seed=0)
        loss = -tf.reduce_mean(q.log_prob(x))
    assert (
        body(FEATURES).dtype == keras.mixed_precision.DTypePolicy(policy).compute_dtype
    )
    assert {weight.dtype for weight in model.weights} == {dtype}
    numbers = [*head.parameters(q).values(), x, log_q, loss, head.location(q)]
    assert {number.dtype.name for number in numbers} == {dtype}
    assert q.dtype == dtype
    assert model.output.dtype == dtype
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    assert all(np.all(np.isfinite(g)) for g in gradients if g is not None)
    assert np.isfinite(loss)


@every_class
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_features_are_projected_in_full_precision(case, policy) -> None:
    """The features lose nothing on their way in, and neither does the projection."""
    head = case.layer(3, dtype=policy)
    features = np.float32(1000) + FEATURES
    q = head(features)
    same = case.layer(3, dtype="float32")
    same.build(features.shape)
    same.set_weights(head.get_weights())
    for name, value in same.parameters(same(features)).items():
        np.testing.assert_array_equal(head.parameters(q)[name], value)


@every_class
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_global_policy(case, dtype) -> None:
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype)
        layer = case.layer(2)
        assert layer(FEATURES).dtype == dtype
        assert layer.location(layer(FEATURES)).dtype == dtype
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("case", FITTING, ids=names(FITTING))
def test_training_recovers_what_data_were_drawn_from(case) -> None:
    """Maximum likelihood by gradient descent: layer and density fit together."""
    size, rng = 2, np.random.default_rng(41)
    layer = case.layer(size)
    constant = tf.zeros((1, 1))
    shared = flat_parameters(layer, layer(constant))
    shared = {name: value for name, value in shared.items() if layer.is_shared(name)}
    family = case.oracle(size, layer)
    raw = rng.normal(0, 0.5, (1, sum(family.sizes.values())))
    truth = family.constrain(np.repeat(raw, 2000, 0)) | shared
    x = values(family, truth, rng).astype(np.float32)
    best = -family.log_prob(x.astype(float), truth).mean()
    optimizer = keras.optimizers.Adam(0.05)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(constant).log_prob(x))
        weights = layer.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss

    for _ in range(case.steps):
        loss = step()
    # Nothing of this number of parameters fits much better than the truth does.
    assert best - 0.02 < loss < best + 0.002
