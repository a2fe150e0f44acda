"""What an artefact holds, read from its files: nothing in it is run."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfvae.export.card import NAME, from_json
from tfvae.export.embedding import extract
from tfvae.export.reading import (
    litert_signatures,
    onnx_signature,
    saved_model_signatures,
)
from tfvae.export.saved_model import ASSETS

__all__ = ["inspect"]

_METRICS = "metrics.json"

_LARGEST = 2**24
"""Bytes of a file of JSON."""

_GROWTH = 50
"""Keras packs nothing, so that a file that grows more than that is none of its own."""


def inspect(path: Path) -> dict[str, Any]:
    """Reads an artefact.

    Args:
        path: A `.keras` or `.tflite` file, the folder of a SavedModel, of ONNX files,
            of a page or of what `tfvae train` wrote, or a folder of versions.

    Returns:
        `kind`, `path`, `bytes`, and what there is of `signatures` (name to inputs and
        outputs, each with shape and dtype), `card`, `metrics`, `versions` and `parts`.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is no such artefact, or is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}.")
    try:
        read = _reader(path)
        return {"path": str(path), "bytes": _size(path), **read(path)}
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} cannot be read: {reason}.") from error
    except (AttributeError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} cannot be read: it does not hold what tfvae writes ({error!r})."
        ) from error


def _reader(path: Path) -> Callable[[Path], dict[str, Any]]:
    if path.is_file():
        return _file_reader(path)
    if (path / "saved_model.pb").exists():
        return _saved_model
    if (path / "index.html").exists() and (path / "model.tflite").exists():
        return _page
    if any(path.glob("*.onnx")):
        return _onnx
    if _versions(path) or (path / "model.keras").exists():
        return _home
    raise ValueError(
        "expected a .keras, .tflite or .onnx file, or the folder of a SavedModel, of "
        "ONNX files, of a page or of versions"
    )


def _file_reader(path: Path) -> Callable[[Path], dict[str, Any]]:
    with open(path, "rb") as file:
        start = file.read(8)
    if start[4:8] == b"TFL3":
        return _litert
    if start[:4] == b"PK\x03\x04":
        return _keras
    if path.suffix == ".onnx":
        return _onnx_file
    raise ValueError("it is no Keras, LiteRT or ONNX file, or it is damaged")


def _saved_model(path: Path) -> dict[str, Any]:
    card = _card(path / ASSETS / NAME)
    _check_sums(path, card)
    signatures = saved_model_signatures(path / "saved_model.pb")
    return {"kind": "SavedModel", **_described(signatures, card)}


def _described(
    signatures: dict[str, Any], card: dict[str, Any] | None
) -> dict[str, Any]:
    """Signatures of a file in the order and with the meanings of its card."""
    known = (card or {}).get("signatures", {})
    names = [name for name in known if name in signatures]
    names += sorted(signatures.keys() - known.keys())
    return {
        "signatures": {name: known.get(name, signatures[name]) for name in names},
        "card": card,
    }


def _litert(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    card = extract(content)
    if card is not None:
        return {"kind": "LiteRT file", "signatures": card["signatures"], "card": card}
    try:
        return {"kind": "LiteRT file", "signatures": litert_signatures(content)}
    except Exception as error:  # what reading beyond the end of a FlatBuffer raises
        raise ValueError("it is damaged, or its end is missing") from error


def _keras(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as entries:
            unpacked = sum(entry.file_size for entry in entries.infolist())
            if unpacked > _GROWTH * path.stat().st_size:
                raise ValueError(f"it unpacks to {unpacked:,} bytes")
            damaged = entries.testzip()
            if damaged is not None:
                raise ValueError(f"its {damaged} is damaged")
            made = json.loads(entries.read("metadata.json"))
            config = json.loads(entries.read("config.json"))
            parts = config["config"]
            compiled = config.get("compile_config") or {}
            found = {
                "kind": "Keras file",
                "model": config["class_name"],
                "registered": config.get("registered_name"),
                "made": {**made},
                "layers": {
                    role: _last_layer(parts[key])
                    for role, key in _ROLES.items()
                    if isinstance(parts.get(key), dict)
                },
                "objective": _class_name(compiled.get("objective")),
            }
    except ValueError:
        raise
    except Exception as error:  # what the readers of zip and JSON raise
        raise ValueError(f"it is no Keras file, or damaged ({error})") from error
    return found | _metrics(path.with_name(_METRICS))


_ROLES = {"posterior": "encoder", "likelihood": "decoder", "prior": "prior"}


def _last_layer(part: dict[str, Any]) -> Any:
    """The class at the end of a network, or that of the part itself."""
    layers = part.get("config", {}).get("layers")
    return _last_layer(layers[-1]) if layers else _class_name(part)


def _class_name(part: Any) -> Any:
    return part.get("class_name") if isinstance(part, dict) else None


def _onnx(path: Path) -> dict[str, Any]:
    card = _card(path / NAME)
    _check_sums(path, card)
    signatures: dict[str, Any] = {}
    for file in sorted(path.glob("*.onnx")):
        signatures |= onnx_signature(file)
    return {"kind": "ONNX files", **_described(signatures, card)}


def _onnx_file(path: Path) -> dict[str, Any]:
    card = _card(path.with_name(NAME))
    told = (card or {}).get("sha256", {}).get(path.name)
    if told is None:
        card = None
    elif hashlib.sha256(path.read_bytes()).hexdigest() != told:
        raise ValueError("it is damaged: its bytes are not those that were written")
    return {"kind": "ONNX file", **_described(onnx_signature(path), card)}


def _page(path: Path) -> dict[str, Any]:
    card = _card(path / NAME)
    _check_sums(path, card)
    return {**_litert(path / "model.tflite"), "kind": "web page"}


def _home(path: Path) -> dict[str, Any]:
    """A folder of versions, of which the highest is served."""
    versions = _versions(path)
    found: dict[str, Any] = {"kind": "folder of a model", "versions": versions}
    places = [path / name for name in ("model.keras", "model.tflite")]
    places += [path / str(version) for version in versions[-1:]]
    # A version that holds versions would lead on and on.
    found["parts"] = [
        inspect(place)
        for place in places
        if place.is_file() or (place / "saved_model.pb").is_file()
    ]
    return found | _metrics(path / _METRICS)


def _versions(path: Path) -> list[int]:
    return sorted(int(entry.name) for entry in path.iterdir() if entry.name.isdecimal())


def _metrics(path: Path) -> dict[str, Any]:
    found = _json(path)
    return {} if found is None else {"metrics": found.get("test"), "record": found}


def _card(path: Path) -> dict[str, Any] | None:
    return from_json(_small(path)) if path.is_file() else None


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(_small(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("test", {}), dict):
        raise ValueError(f"{path.name} must hold what `tfvae train` writes")
    return found


def _small(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path.name} is too large")
    return path.read_bytes()


def _check_sums(path: Path, card: dict[str, Any] | None) -> None:
    for name, digest in ((card or {}).get("sha256") or {}).items():
        file = path / name
        if not file.resolve().is_relative_to(path.resolve()):
            raise ValueError(f"its card names a file that lies elsewhere: {name}")
        if not file.is_file():
            raise ValueError(f"its {name} is missing")
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise ValueError(f"its {name} is damaged")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
