"""Files and folders appear whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["place"]


@contextlib.contextmanager
def place(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and renames it to `path` at the end.

    The path given is in the same folder, so that the last step is one rename, and its
    name starts with a dot, so that a server that polls the folder passes it over. If
    the block raises, everything is as it was.

    Args:
        path: The file or folder to make. A file that exists is replaced.

    Yields:
        A path at which nothing exists yet.

    Raises:
        OSError: If the folder of `path` cannot be made or written to.
    """
    path = Path(path)
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OSError(
            f"The folder {path.parent} cannot be written: {error.strerror}."
        ) from error
    try:
        beside = room / path.name
        yield beside
        os.replace(beside, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)
        # Folders that were made for nothing: `rmdir` takes only empty ones.
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()
