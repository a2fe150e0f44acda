"""`tfvae export` and `tfvae inspect`, on the trained model that the project ships."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from support.tiny import TINY, readable
from test_cli import invoke, one_sentence

pytestmark = readable


def found(path: Path) -> dict:
    return json.loads(invoke("inspect", path, "--json").output)


def test_a_saved_model_for_a_server(tmp_path) -> None:
    path = tmp_path / "digits" / "1"
    options = ["--data", "digits", "--warmup", "--raw", "--serving-default", "log_prob"]
    output = invoke("export", TINY, "--output", path, *options, "--samples", 8).output
    assert "Compared with the model in a process with TensorFlow alone" in output
    about = found(path)
    assert about["card"]["serving_default"] == "log_prob"
    assert about["card"]["num_samples"] == 8
    recorded = json.loads((TINY / "metrics.json").read_text())["test"]
    assert about["card"]["training"]["metrics"]["elbo"] == recorded["elbo"]
    assert (path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 1000
    images = load_digits().images[:5].astype(np.uint8)[..., None]
    signatures = tf.saved_model.load(str(path)).signatures
    raw = signatures["encode_raw"](raw=tf.constant(images))["mean"]
    x = signatures["encode"](x=tf.constant(images.astype(np.float32)))["mean"]
    np.testing.assert_allclose(raw, x, rtol=1e-6, atol=1e-6)


def test_precisions_are_shown_and_kept(tmp_path) -> None:
    path = tmp_path / "small.tflite"
    options = ["--format", "litert", "--data", "digits", "--precision", "float16"]
    output = invoke("export", TINY, "--output", path, *options, "--table").output
    names = ("float32", "float16", "dynamic_int8", "int8")
    assert all(name in output for name in names)
    about = found(path)
    assert about["card"]["precision"] == "float16"
    assert abs(about["card"]["elbo_loss"]) < 0.1
    assert about["signatures"]["decode"]["inputs"]["z"]["shape"] == [1, 8]


def test_a_page(tmp_path) -> None:
    options = ["--format", "web", "--data", "digits", "--precision", "dynamic_int8"]
    output = invoke("export", TINY, "--output", tmp_path / "page", *options).output
    assert "the page holds examples of digits" in output
    about = found(tmp_path / "page")
    assert about["kind"] == "web page"
    assert about["card"]["precision"] == "dynamic_int8"
    assert "elbo" in about["card"]["training"]["metrics"]
    (tmp_path / "page" / "model.json").write_text("{}")
    assert "model.json is damaged" in one_sentence("inspect", tmp_path / "page")


def test_onnx_files(tmp_path) -> None:
    invoke("export", TINY, "--output", tmp_path / "onnx", "--format", "onnx")
    assert found(tmp_path / "onnx")["kind"] == "ONNX files"
    text = invoke("inspect", tmp_path / "onnx").output
    for shown in ("Binomial", "standard normals", "uniforms on (0, 1)", "noise_x"):
        assert shown in " ".join(text.split())


def test_what_is_there_before_an_export() -> None:
    text = invoke("inspect", TINY).output
    assert "Binomial" in text
    assert "LiteRT file" in text


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--format", "litert", "--raw"], 2, "only a SavedModel has it"),
        (["--table"], 2, "only litert has precisions"),
        (["--format", "litert", "--table"], 1, "name some with --data"),
        (["--format", "onnx", "--warmup"], 1, "takes no --warmup"),
        (["--precision", "float16"], 1, "takes no --precision"),
        (["--serving-default", "score"], 1, "--serving-default must be one of"),
        (["--data", "nowhere.npz"], 1, "nowhere.npz"),
        (
            ["--format", "litert", "--precision", "int8"],
            1,
            "--data must be given with --precision int8",
        ),
    ],
)
def test_options_that_do_not_fit(options, code, message, tmp_path) -> None:
    suffix = ".tflite" if "litert" in options else ""
    target = tmp_path / "new" / f"model{suffix}"
    error = one_sentence("export", TINY, "--output", target, *options, code=code)
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_shape(tmp_path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((20, 5)))
    data = ["--data", tmp_path / "wide.npy"]
    error = one_sentence("export", TINY, "--output", tmp_path / "1", *data)
    assert "takes examples of the shape (8, 8, 1)" in error


def test_what_is_no_artefact(tmp_path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(40))
    assert "cannot be read" in one_sentence("inspect", tmp_path / "model.tflite")
    assert "There is nothing at" in one_sentence("inspect", tmp_path / "nothing")
