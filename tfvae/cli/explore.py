"""`tfvae explore`: a saved model in the browser."""

import contextlib
import pathlib
import shutil
import signal
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfvae.cli import display
from tfvae.cli.exporting import prepared
from tfvae.cli.models import SavedModel, find
from tfvae.cli.preparation import recorded
from tfvae.cli.serving import FolderServer
from tfvae.export import inspect
from tfvae.export.web import MODEL_FILES, copy_page, export_web, is_web_export

__all__ = ["explore"]

_BUILT_IN = ("digits",)
"""Data sets that are at hand without a download."""


def explore(
    model: pathlib.Path, port: int, open_browser: bool, data: str | None
) -> None:
    """Serves a page that runs a saved model until it is stopped.

    Args:
        model: Where `tfvae train` put the model, a `.keras` file, or a folder that
            `vae.export(path, format="web")` wrote.
        port: The port, or 0 for one that is free.
        open_browser: Whether to open the page.
        data: Name of a data set or path of a file with examples to begin with; by
            default those of the training run if they are at hand, else draws.

    Raises:
        ValueError: If the model or the data cannot be used, or not together.
        OSError: If a file cannot be read or the port is taken.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        if is_web_export(model):
            if data is not None:
                raise ValueError(
                    f"{model} is a page that holds its examples: --data goes with a "
                    "model."
                )
            inspect(model)  # a page with a damaged model is told of here
        room = stack.enter_context(tempfile.TemporaryDirectory(prefix="tfvae-"))
        folder = pathlib.Path(room, "page")
        if is_web_export(model):
            # Scripts that come with somebody's page are not run: ours are.
            copy_page(folder)
            for name in MODEL_FILES:
                shutil.copyfile(model / name, folder / name)
        else:
            _write(model, folder, data)
        try:
            server = stack.enter_context(FolderServer(folder, port))
        except OSError as error:
            raise OSError(
                f"The port {port} cannot be used: {error.strerror}. Choose another."
            ) from error
        display.note("page", f"{server.url}  (Ctrl-C ends it)")
        if open_browser:
            # Some browsers hold the caller until they end.
            threading.Thread(
                target=webbrowser.open, args=(server.url,), daemon=True
            ).start()
        server.serve_forever(0.2)


def _write(model: pathlib.Path, folder: pathlib.Path, data: str | None) -> None:
    saved = find(model)
    vae = saved.load()
    examples, source = _examples(saved, vae, data)
    name = (saved.record or {}).get("name") or model.stem
    display.note("model", f"{saved.file}, with {source}")
    export_web(vae, folder, examples=examples, name=str(name))


def _examples(
    saved: SavedModel, vae: Any, data: str | None
) -> tuple[np.ndarray | None, str]:
    """Returns test data as the model takes them, or None for draws, and what it is."""
    preparation = recorded(saved)
    source = data
    if source is None and preparation is not None:
        about = (saved.record or {}).get("data")
        known = about.get("source") if isinstance(about, dict) else None
        source = known if known in _BUILT_IN else None
    if source is None:
        return None, "draws of its own as examples"
    return prepared(saved, vae, source), f"examples of {source}"


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Ends the block without an error on Ctrl-C and where the process is terminated."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        display.note("ended", "The page is no longer served.")
    finally:
        signal.signal(signal.SIGTERM, before)
