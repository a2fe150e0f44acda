"""What is read from artefacts, and from files that are none or are damaged."""

import contextlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.small import small_vae
from typer.testing import CliRunner

import tfvae
from tfvae.cli import app
from tfvae.export import inspect
from tfvae.export.card import to_json
from tfvae.export.embedding import embed, extract

SIGNATURES = {"encode", "decode", "reconstruct", "sample", "elbo", "log_prob"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one artefact of each kind."""
    home = tmp_path_factory.mktemp("made")
    vae = small_vae()
    vae.compile("adam")
    vae.export(home / "served" / "2", verbose=False)
    vae.export(home / "model.tflite", format="litert", verbose=False)
    vae.export(home / "onnx", format="onnx", verbose=False)
    vae.save(home / "model.keras")
    return home


KINDS = {
    "served/2": "SavedModel",
    "model.tflite": "LiteRT file",
    "onnx": "ONNX files",
    "onnx/encode.onnx": "ONNX file",
    "model.keras": "Keras file",
}
FILES = [
    "model.tflite",
    "model.keras",
    "onnx/decode.onnx",
    "served/2/saved_model.pb",
    "served/2/variables/variables.data-00000-of-00001",
    "served/2/variables/variables.index",
    "served/2/assets.extra/tfvae.json",
]
ARTEFACT_OF = {name: name for name in FILES} | {
    name: "served/2" for name in FILES if name.startswith("served")
}
ARTEFACT_OF["onnx/decode.onnx"] = "onnx"


@pytest.mark.parametrize("name", KINDS)
def test_what_is_there(made, name) -> None:
    found = inspect(made / name)
    assert found["kind"] == KINDS[name]
    assert found["bytes"] > 500
    if name in ("served/2", "model.tflite", "onnx"):
        assert found["signatures"].keys() >= SIGNATURES
        batch = 1 if name == "model.tflite" else None
        encode = found["signatures"]["encode"]
        assert encode["inputs"]["x"]["shape"] == [batch, 6]
        assert encode["outputs"]["mean"]["dtype"] == "float32"
        assert found["card"]["model"]["likelihood"] == "Bernoulli"
    if name == "model.keras":
        assert found["model"] == "VAE"
        assert found["layers"]["likelihood"] == "Bernoulli"
        assert found["objective"] == "ELBO"


def test_a_folder_of_versions(made) -> None:
    found = inspect(made / "served")
    assert found["versions"] == [2]
    assert [part["kind"] for part in found["parts"]] == ["SavedModel"]


def test_a_litert_file_of_another_program(made, tmp_path) -> None:
    content = (made / "model.tflite").read_bytes()
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(content[: content.rfind(b"PK\x03\x04")])
    found = inspect(foreign)
    assert "card" not in found
    assert found["signatures"].keys() == SIGNATURES
    want = inspect(made / "model.tflite")["signatures"]
    for name, signature in found["signatures"].items():
        for side in ("inputs", "outputs"):
            shapes = {key: spec["shape"] for key, spec in signature[side].items()}
            card = {key: spec["shape"] for key, spec in want[name][side].items()}
            assert shapes == card


def flipped(content: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(len(content)))
    changed = bytearray(content)
    changed[place] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def cut(content: bytes, generator: np.random.Generator) -> bytes:
    return content[: int(generator.integers(len(content)))]


def foreign(content: bytes, generator: np.random.Generator) -> bytes:
    return generator.bytes(len(content))


@pytest.mark.parametrize("damage", [flipped, cut, foreign])
@pytest.mark.parametrize("name", FILES)
def test_damage_is_told_of(
    made: Path, name: str, damage: Callable, tmp_path: Path
) -> None:
    """A clear error, or what was there before: dates in a zip archive mean nothing."""
    artefact = made / ARTEFACT_OF[name]
    copy = tmp_path / artefact.name
    (shutil.copytree if artefact.is_dir() else shutil.copy)(artefact, copy)
    file = copy / Path(name).relative_to(ARTEFACT_OF[name])
    content = (made / name).read_bytes()
    whole = inspect(copy)
    generator = np.random.default_rng(11)
    told = 0
    for _ in range(40):
        file.write_bytes(damage(content, generator))
        with contextlib.suppress(Told):
            found = inspected(copy)
            assert found == whole
            told -= 1
        told += 1
    assert told > 35


class Told(Exception):
    """An artefact was refused in a sentence that names it."""


def inspected(path: Path) -> dict:
    try:
        return inspect(path)
    except ValueError as error:
        if not str(error).startswith(f"{path} cannot be read: "):
            raise
        raise Told from error


@pytest.mark.parametrize("text", ["[1, 2]", "{", "null", "{}", '"text"'])
def test_a_card_that_is_none(made, tmp_path, text) -> None:
    copy = tmp_path / "1"
    shutil.copytree(made / "served" / "2", copy)
    (copy / "assets.extra" / "tfvae.json").write_text(text)
    with pytest.raises(ValueError, match=r"tfvae\.json is no card"):
        inspect(copy)


@pytest.mark.parametrize(
    "content",
    [
        {"name": "x"},
        {"sha256": [1]},
        {"sha256": {"../../../secret": "0"}},
        {"sha256": {"saved_model.pb": "0"}},
        {"signatures": 3, "model": None},
    ],
    ids=str,
)
def test_a_card_of_somebody_else(made, tmp_path, content) -> None:
    """With a sum that is right, which anyone can make."""
    copy = tmp_path / "1"
    shutil.copytree(made / "served" / "2", copy)
    (copy / "assets.extra" / "tfvae.json").write_text(to_json(content))
    result = CliRunner().invoke(app, ["inspect", str(copy)])
    assert result.exit_code == 1
    assert result.stderr.startswith("tfvae: ")
    assert result.stderr.count("\n") == 1


def test_archives_that_grow(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(50_000_000))
    with pytest.raises(ValueError, match="unpacks to 50,000,000 bytes"):
        inspect(tmp_path / "m.keras")
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\0\0\0\0TFL3")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfvae.json", bytes(50_000_000))
    with pytest.raises(ValueError, match="card is too large"):
        inspect(path)


def test_folders_that_lead_on_and_on(tmp_path) -> None:
    (tmp_path / "1").symlink_to(tmp_path)
    assert inspect(tmp_path)["parts"] == []


def test_text_does_not_steer_the_terminal(made, tmp_path) -> None:
    content = (made / "model.tflite").read_bytes()
    card = extract(content) | {"created": "\x1b]0;title\x07\x1b[31mred"}
    path = tmp_path / "m.tflite"
    path.write_bytes(embed(content[: content.rfind(b"PK\x03\x04")], card))
    output = CliRunner().invoke(app, ["inspect", str(path)]).output
    assert "\x1b" not in output
    assert "?[31mred" in output


def test_what_is_none(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="There is nothing at"):
        inspect(tmp_path / "no")
    with pytest.raises(ValueError, match=r"expected a \.keras, \.tflite or \.onnx"):
        inspect(tmp_path)
    (tmp_path / "notes.txt").write_text("some text")
    with pytest.raises(ValueError, match="no Keras, LiteRT or ONNX file"):
        inspect(tmp_path / "notes.txt")
    with zipfile.ZipFile(tmp_path / "some.keras", "w") as archive:
        archive.writestr("notes.txt", "some text")
    with pytest.raises(ValueError, match="no Keras file"):
        inspect(tmp_path / "some.keras")


def test_nothing_is_run(made, tmp_path, monkeypatch) -> None:
    """A file may not choose code: neither Keras nor a runtime is asked to read it."""
    import keras
    import tensorflow as tf
    from ai_edge_litert import interpreter

    def never(*args, **kwargs):
        raise AssertionError("something was run")

    monkeypatch.setattr(keras.models, "load_model", never)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", never)
    monkeypatch.setattr(tf.saved_model, "load", never)
    monkeypatch.setattr(interpreter, "Interpreter", never)
    for name in KINDS:
        inspect(made / name)


def test_public_names() -> None:
    assert tfvae.export.inspect is inspect
