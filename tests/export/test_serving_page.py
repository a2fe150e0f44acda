"""What the page on TensorFlow Serving says is what a server does."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip(
    "tensorflow_serving", reason="the page's client is in tensorflow-serving-api"
)

from support.messages import Client
from support.prediction_server import Server, serving
from support.runners import in_plain_tensorflow

import tfvae

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the wheel for Windows ships no libtensorflow_cc"
)

PAGE = (Path(__file__).parents[2] / "tutorials" / "serving.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# A request of curl, and the answer that follows it.
REST = re.findall(r"-d '(\{.*?\})'\n\n```json\n(.*?)```", PAGE, re.DOTALL)
INTEGERS = ("seed", "num_samples")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of the model that the page makes, trained for less long."""
    room = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(room)
        exec(PYTHON[0].replace("epochs=100", "epochs=1"), {})
    with serving(room / "models" / "iris") as server:
        yield server


def tensors(request: dict[str, Any]) -> dict[str, np.ndarray]:
    """What TensorFlow Serving makes of a request, by its page on the REST API."""
    if "inputs" in request:
        columns = request["inputs"]
    elif isinstance(request["instances"][0], dict):
        rows = request["instances"]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        columns = {"x": request["instances"]}
    return {
        name: np.array(value, np.int32 if name in INTEGERS else np.float32)
        for name, value in columns.items()
    }


def answer(request: dict[str, Any], outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """What TensorFlow Serving makes of outputs, by the same page."""
    one = next(iter(outputs.values())) if len(outputs) == 1 else None
    if "inputs" in request:
        return {"outputs": outputs if one is None else one}
    count = len(request["instances"])
    assert all(len(output) == count for output in outputs.values())
    rows = [{name: value[i] for name, value in outputs.items()} for i in range(count)]
    return {"predictions": rows if one is None else one}


def shapes(value: Any) -> Any:
    """The same, with the shape in place of each array or list of numbers."""
    if isinstance(value, dict):
        return {name: shapes(part) for name, part in value.items()}
    if isinstance(value, list) and isinstance(value[0], dict):
        return [shapes(part) for part in value]
    return np.shape(value)


def test_the_page_has_requests() -> None:
    assert len(REST) == PAGE.count("-d '") == 6


@pytest.mark.parametrize(("sent", "shown"), REST)
def test_its_requests_get_answers_of_the_form_shown(server, sent, shown) -> None:
    request = json.loads(sent)
    with Client(server.port, "iris") as client:
        _, outputs = client.predict(request.get("signature_name", ""), tensors(request))
    assert shapes(answer(request, outputs)) == shapes(json.loads(shown))


def test_its_client_runs(server: Server) -> None:
    names: dict[str, Any] = {}
    exec(PYTHON[1].replace("localhost:8500", f"localhost:{server.port}"), names)
    names["channel"].close()
    assert names["version"] == 1
    # The second flower's petal is far too wide, which one epoch need not have learned.
    assert names["log_prob"].shape == (2,)


def test_the_files_for_onnx_runtime(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(PYTHON[0].replace("epochs=100", "epochs=1"), names)
    exec(PYTHON[-1], names)
    q = names["vae"].encode(names["x"])
    np.testing.assert_allclose(names["mean"], q.mean(), rtol=1e-5, atol=1e-5)
    assert names["nats"].shape == (150,)


def test_bytes_as_they_are_stored(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shape = (28, 28, 1)
    flat, layers = keras.layers.Flatten(), tfvae.layers
    encoder = keras.Sequential([keras.Input(shape), flat, layers.Normal(2)])
    head = layers.ContinuousBernoulli(shape)
    vae = tfvae.VAE(encoder, keras.Sequential([keras.Input((2,)), head]), seed=0)
    exec(PYTHON[2], {"keras": keras, "vae": vae})
    raw = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    path = tmp_path / "models" / "faces" / "1"
    out = in_plain_tensorflow(path, {"encode_raw": {"raw": raw}})["encode_raw"]
    want = vae.encode(raw / np.float32(255)).mean()
    np.testing.assert_allclose(out["mean"], want, rtol=1e-5, atol=1e-5)
