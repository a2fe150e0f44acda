"""Shapes: forms of features, batches, raw parameters, the support check, repr."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.layer_cases import CLASSES, flat_parameters, names

import tfvae

every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))
images = pytest.mark.parametrize(
    "case", [c for c in CLASSES if c.image], ids=lambda case: case.name
)


def features(*shape: int) -> np.ndarray:
    return np.random.default_rng(30).normal(size=shape).astype(np.float32)


def raw_sizes(case, event) -> list[int]:
    return list(case.oracle(event).sizes.values())


def from_image(case, raw: np.ndarray, event: tuple[int, ...]) -> np.ndarray:
    """Raw numbers as flat features hold them, from channels that hold them in turn."""
    pixels = int(np.prod(raw.shape[1:-1]))
    edges = np.cumsum([size // pixels for size in raw_sizes(case, event)])[:-1]
    blocks = np.split(raw, edges, axis=-1)
    return np.concatenate([block.reshape(len(raw), -1) for block in blocks], axis=-1)


@every_class
@pytest.mark.parametrize("batch", [1, 3])
def test_flat_features_are_projected_to_the_whole_event(case, batch) -> None:
    event = case.event()
    layer = case.layer(event)
    q = layer(features(batch, 7))
    assert q.batch_shape == (batch,)
    assert q.event_shape == event
    assert layer.location(q).shape == (batch, *event)
    kernel = layer.trainable_weights[-2]
    assert kernel.shape == (7, sum(raw_sizes(case, event)))


@images
@pytest.mark.parametrize("projection", ["dense", None])
def test_features_in_the_form_of_an_image(case, projection) -> None:
    """Channels hold the parameters in turn; they are projected pixel by pixel."""
    event = (5, 4, 2)
    layer = case.layer(event, projection=projection, dtype="float64")
    lead = layer._lead()
    channels = sum(raw_sizes(case, event)) // int(np.prod(lead))
    x = features(3, *lead, 7 if projection else channels).astype(float)
    q = layer(x)
    assert q.batch_shape == (3,)
    assert q.event_shape == event
    raw = x
    if projection:
        kernel, bias = layer.trainable_weights[-2:]
        assert kernel.shape == (7, channels)
        raw = x @ kernel.numpy() + bias.numpy()
    expected = case.oracle(event, layer).constrain(from_image(case, raw, event))
    actual = flat_parameters(layer, q)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-6, atol=1e-7)


@every_class
def test_log_prob_sums_over_the_event_and_broadcasts_over_samples(case) -> None:
    event = case.event()
    layer = case.layer(event)
    q = layer(features(3, 7))
    x, log_q = layer.sample_and_log_prob(q, (2,), seed=0)
    assert x.shape == (2, 3, *event)
    assert log_q.shape == (2, 3)
    flat = np.asarray(x, np.float64).reshape(2, 3, -1)
    oracle = case.oracle(event, layer)
    expected = oracle.log_prob(flat, flat_parameters(layer, q))
    close = {"rtol": case.rounding, "atol": case.rounding}
    np.testing.assert_allclose(q.log_prob(x), expected, **close)
    np.testing.assert_allclose(q.log_prob(x[0]), expected[0], **close)


@every_class
@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2), ()])
def test_with_batch_shape(case, shape) -> None:
    event = case.event()
    layer = case.layer(event)
    size = int(np.prod(shape))
    q = layer(features(size, 7))
    unfolded = layer.with_batch_shape(q, shape)
    assert unfolded.batch_shape == shape
    assert unfolded.event_shape == event
    x, log_q = layer.sample_and_log_prob(unfolded, (4,), seed=0)
    assert x.shape == (4, *shape, *event)
    folded = q.log_prob(tf.reshape(x, (4, size, *event)))
    np.testing.assert_allclose(tf.reshape(log_q, (4, size)), folded, rtol=2e-4)
    for name, value in layer.parameters(unfolded).items():
        original = layer.parameters(q)[name]
        if not layer.is_shared(name):
            assert value.shape == (*shape, *original.shape[1:])
        np.testing.assert_array_equal(tf.reshape(value, original.shape), original)


@every_class
def test_an_unknown_batch_axis(case) -> None:
    event = case.event()
    layer = case.layer(event)

    @tf.function(input_signature=[tf.TensorSpec([None, 7])], autograph=False)
    def graph(x):
        q = layer(x)
        shape = tf.shape(x)[0]
        unfolded = layer.with_batch_shape(q, (1, shape))
        assert q.event_shape == event
        return layer.location(q), *layer.sample_and_log_prob(unfolded, (2,), seed=0)

    for batch in (1, 3):
        location, x, log_q = graph(features(batch, 7))
        assert location.shape == (batch, *event)
        assert x.shape == (2, 1, batch, *event)
        assert log_q.shape == (2, 1, batch)


@every_class
@pytest.mark.parametrize("small", [False, True])
def test_the_axes_of_the_event_are_known_where_the_batch_is_not(case, small) -> None:
    """Also where the event has one element."""
    event = (case.smallest,) if small else case.event()
    layer = case.layer(event)

    @tf.function(input_signature=[tf.TensorSpec([None, 7])], autograph=False)
    def graph(x):
        q = layer(x)
        stddev = layer.stddev(q)
        for value in [layer.location(q), *([] if stddev is None else [stddev])]:
            assert value.shape.as_list() == [None, *layer.event_shape]

    graph.get_concrete_function()


@every_class
def test_the_symbolic_output_has_the_shape_of_the_event(case) -> None:
    event = case.event()
    layer = case.layer(event)
    output = layer(keras.Input((7,)))
    assert isinstance(output, keras.KerasTensor)
    assert output.shape == (None, *event)
    assert output.dtype == "float32"


# What a layer takes for its data: dtypes, and numbers outside its support.


@every_class
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_unsupported_floats(case, dtype) -> None:
    layer = case.layer(2)
    first, second = np.array(case.inside, dtype)
    np.testing.assert_array_equal(layer.unsupported([[first, second]]), [[False] * 2])
    for number in (np.nan, np.inf, -np.inf):
        bad = np.array([[first, number]], dtype)
        expected = [[not case.elementwise, True]]
        np.testing.assert_array_equal(layer.unsupported(bad), expected)
    for number in np.unique(np.array(case.outside, dtype)):
        if number in np.array(case.inside, dtype):  # rounded to a supported number
            continue
        bad = np.array([[number, second]], dtype)
        expected = [[True, not case.elementwise]]
        np.testing.assert_array_equal(layer.unsupported(bad), expected)


@every_class
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_unsupported_integers(case, dtype) -> None:
    layer = case.layer(2)
    first, second = case.inside
    if not (first.is_integer() and second.is_integer()):
        return
    inside = np.array([[first, second]], dtype)
    np.testing.assert_array_equal(layer.unsupported(inside), [[False, False]])
    for number in case.outside:
        fits = dtype != "bool" and float(number).is_integer()
        if fits and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
            bad = np.array([[number, second]], dtype)
            expected = [[True, not case.elementwise]]
            np.testing.assert_array_equal(layer.unsupported(bad), expected)


def test_binomial_takes_its_largest_count() -> None:
    layer = tfvae.layers.Binomial(3, total_count=255)
    x = np.array([[0, 128, 255]], np.uint8)
    np.testing.assert_array_equal(layer.unsupported(x), [[False] * 3])
    assert layer.support == "whole numbers from 0 to 255"


@every_class
def test_the_support_in_words(case) -> None:
    layer = case.layer(2)
    assert isinstance(layer.support, str)
    assert layer.support
    assert layer.noise in ("normal", "uniform")


@every_class
def test_repr_names_class_shape_and_layer(case) -> None:
    layer = case.layer(2, name="head")
    expected = f"<{case.cls.__name__} event_shape=(2,) name=head>"
    assert repr(layer) == expected
