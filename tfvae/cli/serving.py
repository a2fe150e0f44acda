"""A web server for one folder on this computer, and for nobody else."""

import contextlib
import functools
import threading
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["FolderServer", "serving"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".tflite": "application/octet-stream",
    ".wasm": "application/wasm",
}

_HEADERS = {
    # The next model may be served at the same address.
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_LOOPBACK = "127.0.0.1"
_SECONDS = 30


@contextlib.contextmanager
def serving(folder: Path, port: int = 0) -> Iterator["FolderServer"]:
    """Serves a folder from a thread while the context lasts.

    Args:
        folder: The folder.
        port: The port, or 0 for one that is free. Default: 0.

    Yields:
        The server.

    Raises:
        OSError: If the port is taken.
    """
    with FolderServer(folder, port) as server:
        thread = threading.Thread(
            target=functools.partial(server.serve_forever, 0.1), daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class FolderServer(ThreadingHTTPServer):
    """Serves the files of a folder to this computer.

    Requests must name this computer in their `Host` header, so that no page of another
    site reaches the server by a name that it controls.

    Args:
        folder: The folder.
        port: The port, or 0 for one that is free.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder.resolve()
        super().__init__((_LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{_LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a `Host` header may say."""
        names = (_LOOPBACK, "localhost")
        bare = names if self.server_port == 80 else ()
        return (*bare, *(f"{name}:{self.server_port}" for name in names))

    def find(self, target: str) -> Path | None:
        """Returns the file that a request asks for, or None if there is none."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path)
        if not path.startswith("/") or "\0" in path or "\\" in path:
            return None
        file = (self.folder / (path[1:] or "index.html")).resolve()
        inside = file.is_relative_to(self.folder) and file.suffix in _TYPES
        return file if inside and file.is_file() else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a browser that went away in the middle of an answer."""


class _Handler(BaseHTTPRequestHandler):
    server: FolderServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tfvae", ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the terminal for what the command says."""

    def _answer(self, with_body: bool) -> None:
        if self.headers.get("Host") not in self.server.hosts:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        file = content = None
        try:
            file = self.server.find(self.path)
            content = None if file is None else file.read_bytes()
        except (OSError, ValueError):
            content = None
        if file is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES[file.suffix])
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)
