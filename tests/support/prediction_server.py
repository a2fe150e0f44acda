"""A server of versioned SavedModels that behaves as TensorFlow Serving does.

The model runs in TensorFlow's C loader, the process has none of TensorFlow's Python:

    python tests/support/prediction_server.py MODEL_BASE_PATH --port 0

It polls the folder and loads the highest number as soon as it sees it, whole or not. It
replays the warm-up requests, then lets the version answer; the one before finishes what
it has begun and is closed. A version that cannot be loaded is not tried again before
its folder has gone, and `GetModelStatus` says why. The first line of output is "port"
and the port; on SIGTERM the server answers what it has accepted and ends.
"""

import argparse
import contextlib
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

import grpc
from support.c_api import Session
from support.messages import (
    from_proto,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    to_proto,
)

__all__ = ["Server", "numbered", "serving"]

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")


class Server(NamedTuple):
    """A server that runs."""

    port: int
    pid: int


@contextlib.contextmanager
def serving(base: Path, *options: str) -> Iterator[Server]:
    """Run the server in a process of its own while the block runs.

    Args:
        base: The folder of the versions; its name is the model's.
        *options: More of the command line.
    """
    command = [sys.executable, __file__, str(base), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline().split()
            assert first[:1] == ["port"], f"the server did not start: {first}"
            yield Server(int(first[1]), process.pid)
        finally:
            process.terminate()
            code = process.wait(60)
    assert code == 0, f"the server ended with code {code}"


def numbered(base: Path) -> dict[int, Path]:
    """The versions in a folder: names that are plain integers."""
    return {
        int(path.name): path
        for path in base.iterdir()
        if path.name.isascii() and path.name.isdecimal() and path.is_dir()
    }


class _Loaded:
    """A version that is loaded, and how many requests it is answering."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.session = Session(folder)
        self.uses = 0
        try:
            for request in _warm_up_requests(folder / WARM_UP):
                self.answer(request)
        except Exception:
            self.session.close()
            raise

    def answer(self, request: Any) -> Any:
        """Run the signature that a PredictRequest names."""
        name = request.model_spec.signature_name or "serving_default"
        inputs = {key: from_proto(value) for key, value in request.inputs.items()}
        outputs = self.session.run(name, inputs)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self.number
        response.model_spec.signature_name = name
        for key in request.output_filter or outputs:
            response.outputs[key].CopyFrom(to_proto(outputs[key]))
        return response


class Versions:
    """The version that answers, and the way from one to the next."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._lock = threading.Lock()
        self._current: _Loaded | None = None
        self._failed: set[int] = set()
        # Version to (state, why it was not loaded), as GetModelStatus tells them.
        self.states: dict[int, tuple[str, str]] = {}

    def poll(self) -> None:
        """Look at the folder, and load the highest version if it is another one."""
        present = numbered(self._base)
        self._failed &= present.keys()
        wanted = max(present.keys() - self._failed, default=None)
        if wanted is None or (self._current and self._current.number == wanted):
            return
        try:
            loaded = _Loaded(wanted, present[wanted])
        except Exception as error:
            self._failed.add(wanted)
            self.states[wanted] = ("END", _reason(error))
            print(f"version {wanted}: {_reason(error)}", file=sys.stderr, flush=True)
        else:
            self.states[wanted] = ("AVAILABLE", "")
            self._switch(loaded)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[_Loaded | None]:
        """The version that answers, which stays loaded while the block runs."""
        with self._lock:
            loaded = self._current
            if loaded is not None:
                loaded.uses += 1
        try:
            yield loaded
        finally:
            if loaded is not None:
                with self._lock:
                    loaded.uses -= 1
                    last = loaded.uses == 0 and loaded is not self._current
                if last:
                    loaded.session.close()

    def close(self) -> None:
        """Let no version answer any more."""
        self._switch(None)

    def _switch(self, loaded: _Loaded | None) -> None:
        with self._lock:
            before, self._current = self._current, loaded
            idle = before is not None and before.uses == 0
        if before is not None:
            self.states[before.number] = ("END", "")
            if idle:
                before.session.close()


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        wanted = request.model_spec.version.value
        with self._versions.in_use() as loaded:
            if loaded is None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "no version is loaded")
            if request.model_spec.HasField("version") and wanted != loaded.number:
                context.abort(
                    grpc.StatusCode.NOT_FOUND, f"version {wanted} is not loaded"
                )
            try:
                return loaded.answer(request)
            except (KeyError, RuntimeError, TypeError, ValueError) as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, _reason(error))


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        response = get_model_status_pb2.GetModelStatusResponse()
        states = get_model_status_pb2.ModelVersionStatus.State
        for number, (state, error) in sorted(self._versions.states.items()):
            entry = response.model_version_status.add(version=number)
            entry.state = states.Value(state)
            entry.status.error_message = error
            entry.status.error_code = 2 if error else 0
        return response


def _reason(error: Exception) -> str:
    # The text of a KeyError is the representation of its argument.
    return str(error.args[0]) if isinstance(error, KeyError) else str(error)


def _warm_up_requests(path: Path) -> Iterator[Any]:
    """Read a file of TFRecords: length, its checksum, PredictionLog, its checksum."""
    data = path.read_bytes() if path.exists() else b""
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        record = data[position + 12 : position + 12 + length]
        position += 16 + length
        yield prediction_log_pb2.PredictionLog.FromString(record).predict_log.request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, help="the folder of the versions")
    parser.add_argument("--port", type=int, default=0, help="default: one that is free")
    parser.add_argument("--poll-seconds", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    versions = Versions(options.base)
    versions.poll()
    server = grpc.server(
        futures.ThreadPoolExecutor(options.threads),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
    )
    add = prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server
    add(_PredictionService(versions), server)
    add = model_service_pb2_grpc.add_ModelServiceServicer_to_server
    add(_ModelService(versions), server)
    port = server.add_insecure_port(f"localhost:{options.port}")
    server.start()
    print("port", port, flush=True)
    while not stop.wait(options.poll_seconds):
        versions.poll()
    server.stop(grace=30).wait()
    versions.close()


if __name__ == "__main__":
    main()
