"""Where results go, so that no reader ever meets half a result."""

import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator

__all__ = ["ASSETS", "FILES", "next_version", "publish", "workspace"]

FILES = ("model.keras", "model.tflite", "metrics.json", "report.png")
"""What every version keeps a copy of, and what the newest run puts at the top.

A model that LiteRT cannot express has no `model.tflite`.
"""

ASSETS = "assets.extra"
"""The folder of a SavedModel that TensorFlow leaves to its owner."""


@contextlib.contextmanager
def workspace(home: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes a hidden folder in `home` and removes it afterwards, come what may.

    Folders that had to be made for it and stay empty are removed as well.

    Args:
        home: The folder that will hold the result. Made if missing.

    Yields:
        An empty folder on the file system of `home`.

    Raises:
        OSError: If `home` cannot be made or written.
    """
    made = [folder for folder in (home, *home.parents) if not folder.exists()]
    try:
        home.mkdir(parents=True, exist_ok=True)
        draft = pathlib.Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
    except OSError as error:
        raise OSError(
            f"The output folder {home} cannot be written: {error.strerror}."
        ) from error
    try:
        with _exit_on_termination():
            yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()


@contextlib.contextmanager
def _exit_on_termination() -> Iterator[None]:
    """Lets SIGTERM, which ends Python at once, run what must be run at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def publish(saved_model: pathlib.Path, home: pathlib.Path) -> pathlib.Path:
    """Puts a finished SavedModel in place as the next version.

    One rename makes the version appear, complete. The copies at the top of `home`
    are then replaced one by one, each by a rename; one that this version lacks goes.

    Args:
        saved_model: A SavedModel inside a `workspace` of `home`, with those of `FILES`
            that it has under its `ASSETS`.
        home: The folder of all versions of one model.

    Returns:
        The folder of the version.
    """
    copies = pathlib.Path(tempfile.mkdtemp(dir=saved_model.parent))
    present = [name for name in FILES if (saved_model / ASSETS / name).exists()]
    for name in present:
        shutil.copyfile(saved_model / ASSETS / name, copies / name)
    version = next_version(home)
    while True:
        try:
            os.rename(saved_model, version)
            break
        except OSError:
            # Another run may have taken the number in the meantime.
            if not version.exists():
                raise
            version = next_version(home)
    for name in present:
        os.replace(copies / name, home / name)
    for name in set(FILES) - set(present):
        (home / name).unlink(missing_ok=True)
    return version


def next_version(home: pathlib.Path) -> pathlib.Path:
    """Returns the folder after the highest numbered one in `home`, from 1 on."""
    taken = [int(entry.name) for entry in home.iterdir() if entry.name.isdecimal()]
    return home / str(max(taken, default=0) + 1)
