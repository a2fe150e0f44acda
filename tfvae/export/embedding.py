"""The card of a `.tflite` file, appended to it as a zip archive.

Runtimes read such a file from its beginning and pass over what follows the model, and
zip archives are read from their end: `unzip model.tflite tfvae.json` finds the card.
It holds a sum of the model's bytes, which tells damage before a runtime meets it.
"""

import hashlib
import io
import zipfile
from typing import Any

from tfvae.export.card import NAME, from_json, to_json

__all__ = ["embed", "extract"]

_MAGIC = b"TFL3"

_LARGEST = 2**24
"""Bytes of a card, which has some thousands."""


def embed(content: bytes, card: dict[str, Any]) -> bytes:
    """Returns a `.tflite` file with a card at its end."""
    summed = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as entries:
        entries.writestr(NAME, to_json(summed))
    return archive.getvalue()


def extract(content: bytes) -> dict[str, Any] | None:
    """Returns the card of a `.tflite` file, None if it never had one.

    Raises:
        ValueError: If the file is none, or is damaged.
    """
    if content[4:8] != _MAGIC:
        raise ValueError("it is no LiteRT file")
    archived = content.rfind(b"PK\x03\x04")
    if archived < 0 or NAME.encode() not in content[archived:]:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as entries:
            if entries.getinfo(NAME).file_size > _LARGEST:
                raise ValueError("its card is too large")
            found = from_json(entries.read(NAME))
    except Exception as error:  # what the reader of zip archives raises
        raise ValueError(f"it is damaged ({error})") from error
    if hashlib.sha256(content[:archived]).hexdigest() != found.get("sha256"):
        raise ValueError("it is damaged: its bytes are not those that were written")
    return found
