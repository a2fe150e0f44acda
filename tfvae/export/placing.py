"""Files and folders appear whole or not at all."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["new_folder", "place"]

_PREFIX = ".exporting-"
"""Not that of `tfvae train`, whose drafts may be older than any export."""
_LOCK = "lock"

_YOUNG = 3600
"""Seconds in which a room without a lock may belong to somebody who will take one."""

_FILES = {
    ".tflite": 'pass format="litert"',
    ".onnx": 'pass format="onnx" and the name of a folder',
    ".html": 'pass format="web" and the name of a folder',
    ".keras": "use `save`",
}


def new_folder(path: str | os.PathLike[str], kind: str) -> Path:
    """Returns the path of a folder that is to be made.

    Args:
        path: The folder.
        kind: What it will be, for the message.

    Raises:
        FileExistsError: If something is there: what may be in use is never overwritten.
        ValueError: If it has the suffix of a file.
    """
    path = Path(path)
    if path.suffix in _FILES:
        raise ValueError(
            f"`filepath` must name a folder, which {kind} is. Received: "
            f"{str(path)!r}. For a `{path.suffix}` file {_FILES[path.suffix]}."
        )
    if path.exists() or path.is_symlink():
        raise FileExistsError(
            f"{path} exists already, and what may be in use is never overwritten. "
            "Export to another folder, such as the next version."
        )
    return path


@contextlib.contextmanager
def place(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and renames it to `path` at the end.

    The path given is in the same folder, so that the last step is one rename, and its
    name starts with a dot, so that a server that polls the folder passes it over. If
    the block raises, everything is as it was. What a process that was killed left
    behind is removed by the next that writes to the folder.

    Args:
        path: The file or folder to make. A file that exists is replaced.

    Yields:
        A path at which nothing exists yet.

    Raises:
        OSError: If the folder of `path` cannot be made or written to.
    """
    path = Path(path)
    made = [folder for folder in path.parents if not folder.exists()]
    room = None
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(path.parent)
            room = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=path.parent))
        except OSError as error:
            message = f"The folder {path.parent} cannot be written: {error.strerror}."
            raise type(error)(message) from error
        with _locked(room):
            beside = room / path.name
            yield beside
            os.replace(beside, path)
    finally:
        if room is not None:
            shutil.rmtree(room, ignore_errors=True)
        # Folders that were made for nothing: `rmdir` takes only empty ones.
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()


@contextlib.contextmanager
def _locked(room: Path) -> Iterator[None]:
    """Holds a lock in a room, which the system lets go of when the process ends."""
    fcntl = _locks()
    if fcntl is None:
        yield
        return
    with open(room / f"{_LOCK}-taken", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Under this name it is locked from the beginning.
        os.rename(file.name, room / _LOCK)
        yield


def _remove_abandoned(folder: Path) -> None:
    fcntl = _locks()
    if fcntl is None:
        return
    for room in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if not (room / _LOCK).exists():
                if time.time() - room.stat().st_mtime > _YOUNG:
                    shutil.rmtree(room, ignore_errors=True)
                continue
            with open(room / _LOCK, "rb") as file:
                # Fails where somebody is at work.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(room, ignore_errors=True)


def _locks() -> Any:
    """The module of file locks, None on systems without it."""
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl
