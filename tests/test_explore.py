"""`tfvae explore`: the server of the page, and how it ends."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from support.small import small_vae
from support.tiny import TINY, readable

import tfvae
from tfvae.cli import explore
from tfvae.cli.serving import FolderServer, serving
from tfvae.export.web import PAGE, export_web


@pytest.fixture
def folder_server(tmp_path):
    """A folder with a page, one with a file beside it, and its server."""
    folder = tmp_path / "page"
    (folder / "vendor").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "main.js").write_text("")
    with serving(folder) as server:
        yield folder, server


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", None, 200),
        ("/main.js", None, 200),
        ("/main.js", "evil.example", 421),
        ("/main.js", "127.0.0.1", 421),
        ("/../secret.json", None, 404),
        ("/%2e%2e/secret.json", None, 404),
        ("/..%2fsecret.json", None, 404),
        ("/vendor/..%5c..%5c..%5csecret.json", None, 404),
        ("//etc/passwd", None, 404),
        ("/vendor/", None, 404),
        ("/vendor", None, 404),
        ("/%00.json", None, 404),
        ("/nothing.json", None, 404),
        ("/" + "a" * 5000, None, 404),
    ],
)
def test_the_server_serves_its_folder_to_this_computer(
    folder_server, target, host, status
) -> None:
    folder, server = folder_server
    folder.with_name("secret.json").write_text("{}")
    response = _get(server, target, host)
    assert response.status == status
    assert b"secret" not in response.read()


def test_the_server_is_bound_to_loopback_and_names_types(folder_server) -> None:
    folder, server = folder_server
    assert server.server_address[0] == "127.0.0.1"
    for target, expected in {
        "/": "text/html; charset=utf-8",
        "/style.css": "text/css; charset=utf-8",
        "/main.js": "text/javascript; charset=utf-8",
        "/model.json": "application/json; charset=utf-8",
        "/model.tflite": "application/octet-stream",
        "/vendor/@litertjs/core/litert.wasm": "application/wasm",
    }.items():
        file = folder / (target[1:] or "index.html")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
        assert _get(server, target).headers["Content-Type"] == expected


@readable
def test_explore_serves_a_model_until_it_is_stopped(tmp_path) -> None:
    command = (
        "import pathlib, sys; from tfvae.cli.explore import explore;"
        "explore(pathlib.Path(sys.argv[1]), 0, False, None)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command, str(TINY)],
        env=os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert "examples of digits" in lines[0]
        port = int(re.search(r"127\.0\.0\.1:(\d+)/", lines[1])[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/model.json")
        description = json.loads(connection.getresponse().read())
        connection.close()
        assert description["name"] == "tiny"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    # TensorFlow may leave files of its own, the page must be gone.
    deadline = time.monotonic() + 5
    while list(tmp_path.glob("tfvae-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(tmp_path.glob("tfvae-*"))


def test_a_page_of_somebody_else_brings_a_model_and_no_scripts(
    tmp_path, monkeypatch
) -> None:
    page = tmp_path / "page"
    export_web(small_vae(likelihood=tfvae.layers.Normal(6)), page, num_samples=2)
    (page / "main.js").write_text("alert(1)")
    with pytest.raises(ValueError, match=r"its main\.js is damaged"):
        explore.explore(page, 0, False, None)
    # As anyone can make it who leaves the sums out.
    (page / "tfvae.json").unlink()
    served = {}

    def read_and_stop(server: FolderServer, interval: float) -> None:
        served.update({f.name: f.read_bytes() for f in server.folder.glob("*.*")})

    monkeypatch.setattr(FolderServer, "serve_forever", read_and_stop)
    explore.explore(page, 0, False, None)
    assert served["main.js"] == (PAGE / "main.js").read_bytes()
    assert served["model.tflite"] == (page / "model.tflite").read_bytes()


def _get(server, target: str, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*server.server_address, timeout=10)
    headers = {} if host is None else {"Host": host}
    connection.putrequest("GET", target, skip_host=host is not None)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    response.read = lambda: content
    connection.close()
    return response
