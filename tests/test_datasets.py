"""Loading and binarising: what is stored comes out, and damage is named."""

import io
import zipfile

import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf

from tfvae import datasets

GREY = np.random.default_rng(0).uniform(size=(500, 6)).astype("float32")


def draws(dataset, passes):
    return [np.concatenate(list(dataset.as_numpy_iterator())) for _ in range(passes)]


def test_digits_are_scikit_learns():
    digits = datasets.load("digits")
    both = np.concatenate([digits.x_train, digits.x_test])[..., 0]
    expected = sklearn.datasets.load_digits().images
    np.testing.assert_array_equal(
        np.sort(both.reshape(1797, -1), axis=0), np.sort(expected.reshape(1797, -1), 0)
    )
    assert (digits.kind, digits.maximum) == ("counts", 16)
    # A test image and its label are still the same example.
    index = {image.tobytes(): i for i, image in enumerate(expected)}
    rows = [index[image.tobytes()] for image in digits.x_test[..., 0].astype(float)]
    np.testing.assert_array_equal(
        digits.y_test, sklearn.datasets.load_digits().target[rows]
    )


def test_the_cut_is_repeatable_and_leaves_nothing_out(tmp_path):
    np.save(tmp_path / "table.npy", np.arange(30.0).reshape(10, 3) / 7)
    first, again = (datasets.load(str(tmp_path / "table.npy")) for _ in range(2))
    other = datasets.load(str(tmp_path / "table.npy"), seed=1, test_fraction=0.5)
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert (len(first.x_train), len(first.x_test), len(other.x_test)) == (8, 2, 5)
    together = np.concatenate([other.x_train, other.x_test])
    np.testing.assert_array_equal(np.sort(together[:, 0]), np.arange(0, 30, 3) / 7)


def test_npz_with_both_parts_and_labels(tmp_path):
    path = tmp_path / "set.npz"
    x = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    x[0] = 255
    np.savez(path, x_train=x, x_test=x[:2], y_test=np.array(["a", "b"]))
    found = datasets.load(str(path))
    np.testing.assert_array_equal(found.x_train[..., 0], x)
    assert found.x_train.dtype == np.uint8
    assert (found.name, found.kind, found.maximum) == ("set", "bytes", 255)
    assert list(found.y_test) == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "kind", "maximum"),
    [
        ([[0, 1], [1, 1]], "binary", 1),
        ([[0, 1], [5, 1]], "counts", 5),
        ([[0.0, 0.5], [1, 1]], "unit", 1),
        ([[0, 200], [5, 1]], "real", 200),
        ([[-1, 1], [5, 1]], "real", 5),
        ([[0.0, 1.5], [5, 1]], "real", 5),
    ],
)
def test_kinds_of_values(values, kind, maximum):
    data = datasets.Arrays("x", np.array(values), np.array(values))
    assert (data.kind, data.maximum) == (kind, maximum)


def test_the_values_are_looked_at_once():
    class Counted(np.ndarray):
        passes = 0

        def min(self):
            Counted.passes += 1
            return np.asarray(self).min()

    x = np.arange(6.0).reshape(2, 3).view(Counted)
    data = datasets.Arrays("x", x, x)
    assert [(data.kind, data.maximum) for _ in range(3)] == [("counts", 5.0)] * 3
    assert Counted.passes == 2  # of the training and of the test data


def _npz(save=np.savez, **arrays):
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _cut_short():
    good = _npz(x=np.random.default_rng(0).normal(size=(50, 50)))
    return good[: len(good) // 2]


def _other_zip():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", "no array")
    return stream.getvalue()


TWO = np.zeros((4, 2))
BAD_FILES = {
    "empty.npz": (b"", "expected|cannot be read"),
    "text.npy": (b"hello, world", "cannot be read"),
    "short.npz": (_cut_short(), "cannot be read"),
    "zip.npz": (_other_zip(), "at least two|hold numbers"),
    "objects.npy": (_npy(np.array([{}, 1], object)), "cannot be read"),
    "inner.npz": (_npz(x=np.array([{}, 1], object)), "cannot be read"),
    "key.npz": (_npz(images=TWO), "Received.*'images'"),
    "half.npz": (_npz(x_train=TWO), "Received.*'x_train'"),
    "none.npz": (_npz(x=np.zeros((0, 4))), "at least two"),
    "flat.npz": (_npz(x=np.zeros((4, 0))), "is empty"),
    "scalar.npy": (_npy(np.array(3.0)), "at least two"),
    "words.npy": (_npy(np.array([["a"], ["b"]])), "hold numbers"),
    "complex.npy": (_npy(TWO.astype(complex)), "hold numbers"),
    "nan.npy": (_npy(np.array([[np.nan], [1.0]])), "finite"),
    "inf.npz": (_npz(x_train=TWO, x_test=TWO + np.inf), "`x_test`.*finite"),
    "deep.npy": (_npy(np.zeros((4, 1, 1, 1, 1))), "table"),
    "shapes.npz": (_npz(x_train=TWO, x_test=np.zeros((4, 3))), "one shape"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_get_one_sentence_with_their_name(name, tmp_path):
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load(str(tmp_path / name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def _one_line(path):
    """Loads a file that may be damaged; returns the sentence if it is."""
    try:
        datasets.load(str(path))
    except ValueError as error:
        (sentence,) = str(error).splitlines()
    else:
        return ""
    assert path.name in sentence
    return sentence


_SOUND = np.random.default_rng(0).normal(size=(20, 3))


@pytest.mark.parametrize(
    "content",
    [
        _npy(_SOUND),
        _npz(x=_SOUND),
        _npz(np.savez_compressed, x_train=_SOUND, x_test=_SOUND),
    ],
    ids=["npy", "npz", "compressed"],
)
def test_damage_anywhere_ends_in_one_sentence(content, tmp_path):
    random = np.random.default_rng(1)
    path = tmp_path / "damaged"
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(random.integers(1, 4)):
            # Half of the flips hit the header, where they do most.
            end = len(damaged) if random.integers(2) else 150
            damaged[random.integers(end)] = random.integers(256)
        if random.integers(4) == 0:
            del damaged[random.integers(len(damaged)) :]
        path.write_bytes(damaged)
        refused += bool(_one_line(path))
    assert refused > 100


def test_an_array_larger_than_any_memory_ends_in_one_sentence(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**15, 1)}
    np.lib.format.write_array_header_1_0(stream, header)
    path = tmp_path / "huge"
    path.write_bytes(stream.getvalue() + bytes(80))
    assert "cannot be read" in _one_line(path)


# What zip files and memory end with, often without a word; zipfile says the second of a
# compression that it does not know.
@pytest.mark.parametrize("error", [MemoryError(), NotImplementedError(), EOFError()])
def test_errors_without_a_message_are_named_by_their_kind(error, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    path = tmp_path / "x.npy"
    path.write_bytes(_npy(TWO))
    monkeypatch.setattr(np, "load", fail)
    assert type(error).__name__ in _one_line(path)
    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    with pytest.raises(ConnectionError, match=type(error).__name__):
        datasets.load("mnist")


@pytest.mark.parametrize("path", ["nowhere.npz", "nonsense", "."])
def test_missing_files_are_named(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected digits"):
        datasets.load(str(tmp_path / path))


def test_binarize_draws_with_the_given_means():
    x = np.tile(np.array([0, 0.1, 0.5, 0.9, 1], "float32"), (20_000, 1))
    drawn = datasets.binarize(x, seed=0)
    assert isinstance(drawn, np.ndarray)
    assert drawn.dtype == np.float32
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_array_equal(drawn[:, [0, 4]], x[:, [0, 4]])
    np.testing.assert_allclose(drawn.mean(axis=0), x[0], atol=5 * 0.5 / 20_000**0.5)


def test_one_draw_of_an_array_is_fixed_by_its_seed():
    first, again, other = (datasets.binarize(GREY, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert 0.1 < (first != other).mean() < 0.6
    assert (datasets.binarize(GREY) != datasets.binarize(GREY)).any()
    tensor = datasets.binarize(tf.constant(GREY), seed=3)
    assert tf.is_tensor(tensor)
    np.testing.assert_array_equal(tensor, first)


@pytest.mark.parametrize("form", ["call", "apply", "map"])
def test_every_pass_over_a_dataset_draws_anew(form):
    # With a global seed, a random op inside `map` would repeat its draws each pass.
    tf.random.set_seed(0)
    dataset = tf.data.Dataset.from_tensor_slices(GREY).batch(64)
    drawn = {
        "call": lambda: datasets.binarize(dataset),
        "apply": lambda: dataset.apply(datasets.binarize),
        "map": lambda: dataset.map(datasets.binarize),
    }[form]()
    assert drawn.element_spec == tf.TensorSpec((None, 6), tf.float32)
    first, second, third = draws(drawn, 3)
    assert (first != second).any()
    assert (second != third).any()
    # Batches of one pass do not share their noise either.
    half = tf.data.Dataset.from_tensors(np.full((200,), 0.5, "float32")).repeat(2)
    left, right = datasets.binarize(half)
    assert (left.numpy() != right.numpy()).any()


def test_all_passes_are_repeatable_by_a_seed():
    def passes(seed):
        dataset = tf.data.Dataset.from_tensor_slices(GREY).batch(64)
        return draws(datasets.binarize(dataset, seed=seed), 3)

    np.testing.assert_array_equal(passes(5), passes(5))
    assert (passes(5)[0] != passes(6)[0]).any()


def test_weights_in_an_element_stay():
    weights = np.arange(500, dtype="float32")
    dataset = tf.data.Dataset.from_tensor_slices((GREY, weights)).batch(500)
    ((drawn, kept),) = datasets.binarize(dataset)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_array_equal(kept, weights)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([0, 255], np.uint8), "divide 8-bit images by 255"),
        (np.array([0.0, 255.0]), r"divide 8-bit images by 255.*0 to 255"),
        (np.array([-0.5, 1.0]), "from -0.5 to 1"),
        (np.array([np.nan, 1.0]), r"in \[0, 1\]"),
        (tf.data.Dataset.from_tensors(np.array([3], np.uint8)), "divide 8-bit"),
    ],
)
def test_binarize_takes_probabilities_alone(x, message):
    with pytest.raises(ValueError, match=message):
        datasets.binarize(x)


def test_values_inside_a_dataset_are_checked_too():
    dataset = datasets.binarize(tf.data.Dataset.from_tensors(np.array([2.0])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="divide 8-bit"):
        list(dataset)


def test_a_seed_inside_map_is_refused():
    dataset = tf.data.Dataset.from_tensor_slices(GREY)
    with pytest.raises(ValueError, match=r"binarize\(dataset, seed=1\)"):
        dataset.map(lambda x: datasets.binarize(x, seed=1))
