"""The C API runner against TensorFlow's own Python loader, on models without tfvae."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import c_api

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the wheel for Windows ships no libtensorflow_cc"
)


class _Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.linspace(-1.0, 1.0, 12).reshape(4, 3), name="w")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float64, "x"),
            tf.TensorSpec([2], tf.int32, "seed"),
        ]
    )
    def noisy(self, x, seed):
        mean = x @ self.weights
        noise = tf.random.stateless_normal(tf.shape(mean), seed, dtype=tf.float64)
        return {"mean": mean, "draw": mean + noise, "seed_sum": tf.reduce_sum(seed)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([], tf.int64, "num_samples"),
            tf.TensorSpec([2], tf.int32, "seed"),
        ]
    )
    def sample(self, num_samples, seed):
        uniform = tf.random.stateless_uniform([num_samples, 3], seed)
        return {"x": uniform, "bright": uniform > 0.5}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "1"
    module = _Module()
    tf.saved_model.save(
        module, path, signatures={"noisy": module.noisy, "sample": module.sample}
    )
    return path


@pytest.fixture(scope="module")
def keras_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "1"
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(6, activation="tanh")]
    )
    archive = keras.export.ExportArchive()
    archive.track(model)

    def encode(x):
        mean, stddev = tf.split(model(x), 2, axis=-1)
        return {"mean": mean, "stddev": tf.nn.softplus(stddev)}

    archive.add_endpoint("encode", encode, [tf.TensorSpec([None, 5], name="x")])
    archive.write_out(str(path), verbose=False)
    return path


def _with_python(
    path: Path, signature: str, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    outputs = tf.saved_model.load(str(path)).signatures[signature](
        **{name: tf.constant(value) for name, value in inputs.items()}
    )
    return {name: value.numpy() for name, value in outputs.items()}


def _assert_same(path: Path, signature: str, inputs: dict[str, np.ndarray]) -> None:
    expected = _with_python(path, signature, inputs)
    actual = c_api.run_in_fresh_process(path, signature, inputs)
    assert set(actual) == set(expected)
    for name in expected:
        assert actual[name].dtype == expected[name].dtype
        np.testing.assert_allclose(
            actual[name], expected[name], rtol=1e-6, atol=1e-7, err_msg=name
        )


@pytest.mark.parametrize("batch", [1, 7])
def test_float64_batch_and_seed(saved_model: Path, batch: int) -> None:
    x = np.random.default_rng(batch).normal(size=(batch, 4))
    _assert_same(saved_model, "noisy", {"x": x, "seed": np.array([3, batch], "int32")})


def test_scalar_int64_input_and_bool_output(saved_model: Path) -> None:
    seed = np.array([-5, 2**31 - 1], "int32")
    _assert_same(saved_model, "sample", {"num_samples": np.int64(11), "seed": seed})


@pytest.mark.parametrize("batch", [1, 4])
def test_keras_export_archive(keras_archive: Path, batch: int) -> None:
    x = np.random.default_rng(batch).normal(size=(batch, 5)).astype("float32")
    _assert_same(keras_archive, "encode", {"x": x[:, ::-1]})


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("nothing", {}, "no signature 'nothing'"),
        ("noisy", {"x": np.zeros((1, 4))}, r"expected inputs \['seed', 'x'\]"),
        (
            "noisy",
            {"x": np.zeros((1, 4), "float32"), "seed": np.zeros(2, "int32")},
            "expected float64, received float32",
        ),
        (
            "noisy",
            {"x": np.zeros((1, 3)), "seed": np.zeros(2, "int32")},
            "Matrix size-incompatible",
        ),
    ],
)
def test_errors_are_reported(
    saved_model: Path, signature: str, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        c_api.run_in_fresh_process(saved_model, signature, inputs)


def test_damaged_model_is_reported(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(RuntimeError, match="saved_model"):
        c_api.run_in_fresh_process(tmp_path, "encode", {})
