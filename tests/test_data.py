"""Every source of data that Keras takes gives the same numbers; others are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.small import small_vae
from support.training import binary

import tfvae

SIZE, BATCH = 21, 8
X = binary(SIZE)
W = np.random.default_rng(1).random(SIZE).astype("float32")


class Batches(keras.utils.PyDataset):
    """Batches of `X` from memory; `element` makes an element from x and weights."""

    def __init__(self, element, x=X, **kwargs) -> None:
        super().__init__(**kwargs)
        self.element, self.x = element, x

    def __len__(self) -> int:
        return -(-len(self.x) // BATCH)

    def __getitem__(self, index: int):
        part = slice(index * BATCH, (index + 1) * BATCH)
        return self.element(self.x[part], W[part])


def generator(element, x=X):
    for batch in range(0, len(x), BATCH):
        part = slice(batch, batch + BATCH)
        yield element(x[part], W[part])


def dataset(element, x=X) -> tf.data.Dataset:
    pairs = tf.data.Dataset.from_tensor_slices((x, W[: len(x)]))
    return pairs.batch(BATCH).map(element)


def only_x(x, w):
    return x


def in_a_tuple(x, w):
    return (x,)


def without_weights(x, w):
    return x, None


def weighted(x, w):
    return x, None, w


ELEMENTS = [only_x, in_a_tuple, without_weights, weighted]
SOURCES = {"dataset": dataset, "PyDataset": Batches, "generator": generator}


@pytest.fixture(scope="module")
def vae():
    keras.utils.set_random_seed(0)
    model = small_vae()
    model.compile(keras.optimizers.SGD(0.0))
    return model


@pytest.fixture(scope="module")
def expected(vae):
    """The logs of the arrays, whose values other files compare with NumPy."""
    return {
        weights is not None: vae.evaluate(
            X, sample_weight=weights, batch_size=BATCH, return_dict=True, verbose=0
        )
        for weights in (None, W)
    }


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", SOURCES)
def test_sources_of_batches(vae, expected, kind, element) -> None:
    logs = expected[element is weighted]
    source = SOURCES[kind]
    steps = {"steps": 3} if kind == "generator" else {}
    found = vae.evaluate(source(element), return_dict=True, verbose=0, **steps)
    assert found == pytest.approx(logs, rel=1e-6)
    predicted = vae.predict(source(element), verbose=0, **steps)
    np.testing.assert_allclose(predicted, vae.reconstruct(X), rtol=1e-6)
    steps = {"steps_per_epoch": 3} if kind == "generator" else {}
    more = {"validation_steps": 3} if kind == "generator" else {}
    history = vae.fit(
        source(element), validation_data=source(element), verbose=0, **steps, **more
    ).history
    for name, value in logs.items():
        assert history[f"val_{name}"][0] == pytest.approx(value, rel=1e-6)
        # The draws differ from those of the evaluation, the examples do not.
        assert history[name][0] == pytest.approx(value, rel=0.5)


ARRAYS = {
    "float64": X.astype("float64"),
    "float16": X.astype("float16"),
    "int": X.astype(int),
    "uint8": X.astype("uint8"),
    "bool": X.astype(bool),
    "lists": X.tolist(),
    "tensor": tf.constant(X),
    "variable": tf.Variable(X),
    "tuple": (X,),
    "tuple with None": (X, None),
    "not contiguous": np.asfortranarray(X),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_any_kind(vae, expected, kind) -> None:
    x = ARRAYS[kind]
    found = vae.evaluate(x, batch_size=BATCH, return_dict=True, verbose=0)
    assert found == pytest.approx(expected[False], rel=1e-6)
    weights = {"sample_weight": W.tolist()}
    found = vae.evaluate(x, batch_size=BATCH, return_dict=True, verbose=0, **weights)
    assert found == pytest.approx(expected[True], rel=1e-6)
    if not isinstance(x, tuple):
        np.testing.assert_allclose(vae.reconstruct(x), vae.reconstruct(X), rtol=1e-6)


def test_weights_in_a_tuple(vae, expected) -> None:
    found = vae.evaluate((X, None, W), batch_size=BATCH, return_dict=True, verbose=0)
    assert found == pytest.approx(expected[True], rel=1e-6)


def test_a_share_is_kept_for_validation(vae) -> None:
    history = vae.fit(
        X, validation_split=0.4, sample_weight=W, batch_size=BATCH, verbose=0
    ).history
    kept = slice(int(SIZE * 0.6), None)
    logs = vae.evaluate(
        X[kept], sample_weight=W[kept], batch_size=BATCH, return_dict=True, verbose=0
    )
    for name, value in logs.items():
        assert history[f"val_{name}"] == [pytest.approx(value, rel=1e-6)]


def test_endless_datasets_and_steps(vae) -> None:
    steps = []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch)
    )
    endless = dataset(weighted).repeat()
    vae.fit(endless, steps_per_epoch=2, epochs=3, callbacks=[count], verbose=0)
    assert steps == [0, 1] * 3


def test_single_batches(vae, expected) -> None:
    x, w = X[:BATCH], W[:BATCH]
    logs = vae.evaluate(x, sample_weight=w, return_dict=True, verbose=0)
    vae.reset_metrics()
    found = vae.test_on_batch(x, sample_weight=w, return_dict=True)
    assert found == pytest.approx(logs, rel=1e-6)
    vae.reset_metrics()
    assert vae.train_on_batch(x, return_dict=True).keys() == logs.keys()
    np.testing.assert_allclose(vae.predict_on_batch(x), vae.reconstruct(x), rtol=1e-6)
    for method in (vae.train_on_batch, vae.test_on_batch):
        with pytest.raises(ValueError, match="`y` has no meaning"):
            method(x, x)


def altered(value: float) -> np.ndarray:
    x = X.copy()
    x[19, 2] = value
    return x


REFUSED = {
    "text": ("digits", "`x` must hold real numbers. Received the dtype <U6"),
    "none": (None, "`x` must hold real numbers. Received the dtype object"),
    "dict": ({"x": X}, "`x` must hold real numbers. Received the dtype object"),
    "strings": (X.astype(str), "`x` must hold real numbers. Received the dtype <U"),
    "objects": (X.astype(object), "`x` must hold real numbers. .* dtype object"),
    "complex": (X.astype(complex), "`x` must hold real numbers. .* dtype complex"),
    "ragged": ([[1, 0], [1]], "`x` must be an array of numbers. Received: list"),
    "number": (1.0, r"`x` must have the shape \[batch, 6\]. Received the shape \[\]"),
    "narrow": (X[:, :5], r"\[batch, 6\]. Received the shape \[21, 5\]"),
    "deep": (X[:, None], r"\[batch, 6\]. Received the shape \[21, 1, 6\]"),
    "one example": (X[0], r"Received the shape \[6\]. The batch axis is missing"),
    "empty": (X[:0], r"`x` is empty: its shape is \[0, 6\]"),
    "nan": (altered(np.nan), r"finite numbers, no NaN.* Received: nan at \[19, 2\]"),
    "infinity": (altered(np.inf), r"finite numbers.* Received: inf at \[19, 2\]"),
    "grey": (altered(0.5), r"support of Bernoulli: exactly 0 and 1 .*ContinuousBern"),
    "8 bit": (255 * X.astype("uint8"), r"tfvae.datasets.binarize.* Received: 255 at"),
    "four": ((X, None, W, W), "x, .x,. or .x, None, sample_weight.* tuple of 4"),
    "targets": ((X, X), "`y` has no meaning for a VAE: `x` alone is the data"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_data_without_a_meaning_are_refused(vae, kind) -> None:
    x, message = REFUSED[kind]
    for method in (vae.fit, vae.evaluate):
        with pytest.raises(ValueError, match=message):
            method(x, verbose=0)
    if x is not None:
        with pytest.raises(
            ValueError, match=message.replace("`x`", "`validation_data`")
        ):
            vae.fit(X, validation_data=x, verbose=0)


STREAMS = {
    "nan": (altered(np.nan), only_x, "`x` must hold finite numbers, no NaN"),
    "grey": (altered(0.5), only_x, "support of Bernoulli: exactly 0 and 1"),
    "narrow": (X[:, :5], only_x, r"`x` must have the shape \[batch, 6\]"),
    "targets": (X, lambda x, w: (x, x), "`y` has no meaning for a VAE"),
    "negative weights": (X, lambda x, w: (x, None, -w), "`sample_weight` must hold f"),
    "weights of pixels": (
        X,
        lambda x, w: (x, None, x),
        "`sample_weight` must hold one number for each example",
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("fault", STREAMS)
def test_batches_without_a_meaning_are_refused(vae, kind, fault) -> None:
    x, element, message = STREAMS[fault]
    with pytest.raises(ValueError, match=message) as caught:
        vae.fit(SOURCES[kind](element, x), verbose=0, steps_per_epoch=3)
    # One sentence or two, no stack of TensorFlow's.
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": X}, "`y` has no meaning"),
        ({"class_weight": {0: 1.0}}, "`class_weight` needs classes"),
        ({"sample_weight": W[:5]}, r"one number for each example, shape \[21\]"),
        ({"sample_weight": W[:, None]}, r"one number for each example, shape \[21\]"),
        ({"sample_weight": -W}, "`sample_weight` must hold finite .* at least 0"),
        ({"sample_weight": W * np.nan}, "`sample_weight` must hold finite numbers"),
        ({"sample_weight": W.astype(str)}, "`sample_weight` must hold one number"),
        ({"x": (X, None, W), "sample_weight": W}, "both in `x` and in `sample_weight`"),
        ({"x": dataset(only_x), "sample_weight": W}, "`sample_weight` goes with arr"),
        ({"x": Batches(only_x), "sample_weight": W}, "`sample_weight` goes with arr"),
        ({"x": generator(only_x), "sample_weight": W}, "`sample_weight` goes with a"),
        ({"x": dataset(only_x).unbatch()}, "batch axis is missing.* `dataset.batch"),
        ({"x": dataset(only_x).take(0)}, "`x` is an empty dataset"),
        ({"x": dataset(lambda x, w: {"x": x})}, "`x` must be a dataset of tensors"),
        ({"x": dataset(only_x), "validation_split": 0.5}, "`validation_split` is on"),
    ],
)
def test_arguments_that_do_not_go_together(vae, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        vae.fit(**({"x": X, "verbose": 0} | arguments))


def test_values_too_large_for_the_model_are_refused() -> None:
    vae = small_vae(likelihood=tfvae.layers.Normal(6))
    x = np.full((2, 6), 1e300)
    with pytest.raises(ValueError, match=r"finite numbers.* Received: 1e\+300 at"):
        vae.elbo(x)
