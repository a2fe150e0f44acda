"""What a server finds in a SavedModel: warm-up requests, raw inputs, a card."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.runners import in_plain_tensorflow
from support.small import small_vae
from tensorflow_serving.apis import prediction_log_pb2

import tfvae

ASSETS = "assets.extra"


class _AboveHalf(keras.layers.Layer):
    def call(self, x):
        return keras.ops.cast(x > 0.5, "float32")


@pytest.fixture(scope="module")
def vae() -> tfvae.VAE:
    vae = small_vae()
    vae.compile("adam", tfvae.objectives.ImportanceWeighted(5, gradient="dreg"))
    vae.fit(vae.sample(64, seed=0), epochs=2, verbose=0)
    return vae


@pytest.fixture(scope="module")
def examples(vae) -> np.ndarray:
    return vae.sample(20, seed=7)


@pytest.fixture(scope="module")
def path(vae, examples, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "bits" / "1"
    bytes_to_bits = [
        keras.Input((6,), dtype="uint8"),
        keras.layers.Rescaling(1 / 255),
        _AboveHalf(),
    ]
    vae.export(
        path,
        num_samples=32,
        examples=examples,
        warmup=True,
        preprocessing=keras.Sequential(bytes_to_bits),
        serving_default="log_prob",
        metrics={"elbo": -3.25, "part": "test"},
        verbose=False,
    )
    return path


def test_warmup_requests_are_real_and_are_answered(path, examples) -> None:
    records = tf.data.TFRecordDataset(str(path / ASSETS / "tf_serving_warmup_requests"))
    signatures = tf.saved_model.load(str(path)).signatures
    seen = set()
    for record in records.as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        assert request.model_spec.name == "bits"
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        outputs = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        assert all(np.isfinite(value).all() for value in outputs.values())
        given = "x" in inputs and np.array_equal(inputs["x"], examples[:8])
        seen.add((name, given))
    raw = {("encode_raw", False), ("elbo_raw", False), ("log_prob_raw", False)}
    of_data = ("encode", "reconstruct", "elbo", "log_prob")
    wanted = {(name, given) for name in of_data for given in (True, False)}
    assert seen == wanted | raw | {
        ("reconstruct_raw", False),
        ("decode", False),
        ("sample", False),
    }


def test_raw_bytes_become_data_inside(vae, path) -> None:
    raw = np.random.default_rng(0).integers(0, 256, (200, 6), np.uint8)
    x, seed = (raw >= 128).astype(np.float32), np.array([3, 4], np.int32)
    out = in_plain_tensorflow(
        path,
        {
            "encode_raw": {"raw": raw},
            "reconstruct_raw": {"raw": raw},
            "elbo_raw": {"raw": raw, "seed": seed},
            "log_prob_raw": {"raw": raw, "seed": seed},
            "serving_default": {"x": x, "seed": seed},
        },
    )
    values, nats = {"rtol": 1e-5, "atol": 1e-5}, {"rtol": 1e-4}
    np.testing.assert_allclose(
        out["encode_raw"]["mean"], vae.encode(x).mean(), **values
    )
    np.testing.assert_allclose(
        out["reconstruct_raw"]["mean"], vae.reconstruct(x), **values
    )
    np.testing.assert_allclose(out["elbo_raw"]["elbo"], vae.elbo(x, seed=seed), **nats)
    log_prob = vae.log_prob(x, 32, seed=seed)
    np.testing.assert_allclose(out["log_prob_raw"]["log_prob"], log_prob, **nats)
    np.testing.assert_allclose(out["serving_default"]["log_prob"], log_prob, **nats)


def test_the_card_says_what_goes_in_and_out_and_whence(path) -> None:
    card = json.loads((path / ASSETS / "tfvae.json").read_text())
    assert card["format"] == "tf_saved_model"
    assert card["serving_default"] == "log_prob"
    assert card["num_samples"] == 32
    assert card["model"] == {
        "name": "vae",
        "posterior": "Normal",
        "likelihood": "Bernoulli",
        "prior": "StandardNormal",
        "event_shape": [6],
        "latent_shape": [3],
        "weights": 6 * 8 + 8 + 8 * 6 + 6 + 3 * 8 + 8 + 8 * 6 + 6,
    }
    training = card["training"]
    assert training["objective"]["class"] == "ImportanceWeighted"
    assert training["objective"]["gradient"] == "dreg"
    assert training["steps"] == 4
    assert training["metrics"] == {"elbo": -3.25, "part": "test"}
    assert card["versions"]["keras"] == keras.__version__
    assert set(card["checks"]["differences"]) == set(card["signatures"])
    for difference in card["checks"]["differences"].values():
        assert 0 <= difference["share"] <= 1
        assert 0 <= difference["absolute"] < 1e-3
    encode = card["signatures"]["encode"]
    assert encode["inputs"]["x"]["shape"] == [None, 6]
    assert set(encode["outputs"]) == {"mean", "stddev", "loc", "scale"}
    raw = card["signatures"]["log_prob_raw"]["inputs"]
    assert raw["raw"] == {
        "shape": [None, 6],
        "dtype": "uint8",
        "meaning": "values as they are stored, which become data inside",
    }
    content = (path / "saved_model.pb").read_bytes()
    assert card["sha256"]["saved_model.pb"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("preprocessing", "message"),
    [
        (keras.layers.Rescaling(1 / 255), "must make data in the support of"),
        (keras.layers.Flatten(), "must make data in the support of"),
        (keras.layers.Dense(5), r"must make data of the shape \[8, 6\]"),
    ],
    ids=lambda value: type(value).__name__ if value is not str else value,
)
def test_a_preprocessing_that_makes_no_data(vae, preprocessing, message, tmp_path):
    if isinstance(preprocessing, keras.layers.Flatten):
        preprocessing = keras.layers.Rescaling(0.5, 0.25)
    with pytest.raises(ValueError, match=message):
        vae.export(tmp_path / "1", preprocessing=preprocessing)
    assert list(tmp_path.iterdir()) == []


def test_what_the_warmup_needs_is_missed_at_the_start(vae, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_serving.apis", None)
    with pytest.raises(ImportError, match=r"pip install 'tfvae\[serving\]'"):
        vae.export(tmp_path / "1", warmup=True)
    assert list(tmp_path.iterdir()) == []


def test_the_differences_are_printed(vae, tmp_path, capsys) -> None:
    vae.export(tmp_path / "model.tflite", format="litert")
    printed = capsys.readouterr().out
    assert "Compared with the model in ai_edge_litert" in printed
    assert all(name in printed for name in ("encode", "elbo", "log_prob", "sample"))
    vae.export(tmp_path / "model.tflite", format="litert", verbose=False)
    assert capsys.readouterr().out == ""
