"""Run a signature of a SavedModel through TensorFlow's C API and NumPy alone.

`TF_LoadSessionFromSavedModel` is of the family of loaders that TensorFlow Serving and
the bindings for other languages use, so what passes here needs neither Keras nor
TensorFlow Probability. As a script it runs in a process that never imports TensorFlow:

    python tests/support/c_api.py SAVED_MODEL SIGNATURE inputs.npz outputs.npz
"""

import ctypes
import functools
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from support.meta_graph import (
    CODES,
    DTYPES,
    Signature,
    TensorInfo,
    read_signature,
    read_signatures,
)


def run_in_fresh_process(
    saved_model: str | Path, signature: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Run a signature in a Python process that does not import TensorFlow."""
    with tempfile.TemporaryDirectory() as folder:
        inputs_path, outputs_path = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(inputs_path, **inputs)
        command = [sys.executable, __file__, saved_model, signature]
        done = subprocess.run(
            [*command, inputs_path, outputs_path],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{signature!r} failed:\n{done.stderr}")
        with np.load(outputs_path) as outputs:
            return dict(outputs)


def run(
    saved_model: str | Path, signature: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Load a SavedModel, run one of its signatures once, and return its outputs."""
    with Session(saved_model) as session:
        return session.run(signature, inputs)


class Session:
    """A SavedModel that stays loaded; any number of threads may run it at once.

    Args:
        saved_model: The folder that has the `saved_model.pb`.
    """

    def __init__(self, saved_model: str | Path) -> None:
        self._with_status = _StatusChecker(_load_library())
        self._ports: dict[str, _Ports] = {}
        tf = self._with_status.library
        options, meta_graph = tf.TF_NewSessionOptions(), tf.TF_NewBuffer()
        self._graph = tf.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        try:
            self._session = self._with_status(
                tf.TF_LoadSessionFromSavedModel,
                *(options, None, str(saved_model).encode()),
                *(tags, len(tags), self._graph, meta_graph),
            )
            contents = meta_graph.contents
            serialised = ctypes.string_at(contents.data, contents.length)
            self._entries = read_signatures(serialised)
        except RuntimeError:
            tf.TF_DeleteGraph(self._graph)
            raise
        finally:
            tf.TF_DeleteBuffer(meta_graph)
            tf.TF_DeleteSessionOptions(options)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Run a signature on arrays by name and return its outputs by name."""
        names, feed_ports, fetch_ports = self._ports_of(signature)
        if set(inputs) != set(names.inputs):
            # Protobuf maps have no order, so names are sorted wherever they are shown.
            expected, received = sorted(names.inputs), sorted(inputs)
            raise ValueError(f"expected inputs {expected}, received {received}")
        tf = self._with_status.library
        feeds = (ctypes.c_void_p * len(names.inputs))()
        fetches = (ctypes.c_void_p * len(names.outputs))()
        try:
            for i, (name, info) in enumerate(names.inputs.items()):
                array = np.asarray(inputs[name])
                if array.dtype != info.dtype:
                    raise TypeError(
                        f"{name!r}: expected {info.dtype}, received {array.dtype}"
                    )
                feeds[i] = _to_tensor(tf, array)
            self._with_status(
                tf.TF_SessionRun,
                *(self._session, None),
                *(feed_ports, feeds, len(feeds)),
                *(fetch_ports, fetches, len(fetches)),
                *(None, 0, None),
            )
            return {
                name: _to_array(tf, tensor)
                for name, tensor in zip(names.outputs, fetches, strict=True)
            }
        finally:
            for tensor in (*feeds, *fetches):
                if tensor:
                    tf.TF_DeleteTensor(tensor)

    def close(self) -> None:
        """Give back the session and its graph; no run may be under way."""
        tf, session = self._with_status.library, self._session
        if session is None:
            return
        self._session = None
        self._with_status(tf.TF_CloseSession, session)
        self._with_status(tf.TF_DeleteSession, session)
        tf.TF_DeleteGraph(self._graph)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ports_of(self, name: str) -> "_Ports":
        """Look a signature's operations up in the graph, once."""
        if name not in self._ports:
            if name not in self._entries:
                raise KeyError(f"no signature {name!r}, there are {self._names()}")
            names = read_signature(self._entries[name])
            self._ports[name] = _Ports(
                names, self._outputs(names.inputs), self._outputs(names.outputs)
            )
        return self._ports[name]

    def _names(self) -> list[str]:
        return sorted(name for name in self._entries if not name.startswith("__"))

    def _outputs(self, infos: Mapping[str, TensorInfo]) -> "ctypes.Array[_Output]":
        find = self._with_status.library.TF_GraphOperationByName
        array = (_Output * len(infos))()
        for port, info in zip(array, infos.values(), strict=True):
            port.operation = find(self._graph, info.operation.encode())
            port.index = info.output
            assert port.operation, f"no operation {info.operation!r} in the graph"
        return array


def _to_tensor(tf: ctypes.CDLL, array: np.ndarray) -> int:
    # ascontiguousarray makes a scalar one-dimensional, so the shape is taken before it.
    data = np.ascontiguousarray(array)
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    tensor = tf.TF_AllocateTensor(CODES[array.dtype], shape, array.ndim, data.nbytes)
    ctypes.memmove(tf.TF_TensorData(tensor), data.ctypes.data, data.nbytes)
    return tensor


def _to_array(tf: ctypes.CDLL, tensor: int) -> np.ndarray:
    shape = [tf.TF_Dim(tensor, i) for i in range(tf.TF_NumDims(tensor))]
    data = ctypes.string_at(tf.TF_TensorData(tensor), tf.TF_TensorByteSize(tensor))
    return np.frombuffer(data, DTYPES[tf.TF_TensorType(tensor)]).reshape(shape).copy()


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("data_deallocator", ctypes.c_void_p),
    )


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Ports(NamedTuple):
    """A signature and where its tensors are fed and fetched, in the same order."""

    names: Signature
    feeds: "ctypes.Array[_Output]"
    fetches: "ctypes.Array[_Output]"


class _StatusChecker:
    """Calls functions whose last argument is a TF_Status, and raises what it says."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def __call__(self, function: Callable[..., Any], *args: object) -> Any:
        status = self.library.TF_NewStatus()
        try:
            result = function(*args, status)
            if self.library.TF_GetCode(status) != 0:
                raise RuntimeError(self.library.TF_Message(status).decode())
            return result
        finally:
            self.library.TF_DeleteStatus(status)


@functools.cache
def _load_library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None, "the tensorflow package is not installed"
    assert spec.submodule_search_locations, "tensorflow is not a package"
    folder = Path(spec.submodule_search_locations[0])

    def load(stem: str) -> ctypes.CDLL:
        (path,) = folder.glob(f"{stem}.*")
        return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)

    load("libtensorflow_framework")
    library = load("libtensorflow_cc")

    handle, handles = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
    buffer, shape = ctypes.POINTER(_Buffer), ctypes.POINTER(ctypes.c_int64)
    ports, strings = ctypes.POINTER(_Output), ctypes.POINTER(ctypes.c_char_p)
    text, integer, size = ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    # One line per C declaration: what it returns, then what it takes.
    declarations: dict[str, tuple[Any, ...]] = {
        "TF_NewStatus": (handle,),
        "TF_DeleteStatus": (None, handle),
        "TF_GetCode": (integer, handle),
        "TF_Message": (text, handle),
        "TF_NewBuffer": (buffer,),
        "TF_DeleteBuffer": (None, buffer),
        "TF_NewGraph": (handle,),
        "TF_DeleteGraph": (None, handle),
        "TF_GraphOperationByName": (handle, handle, text),
        "TF_NewSessionOptions": (handle,),
        "TF_DeleteSessionOptions": (None, handle),
        "TF_LoadSessionFromSavedModel": (
            *(handle, handle, buffer, text),
            *(strings, integer, handle, buffer, handle),
        ),
        "TF_CloseSession": (None, handle, handle),
        "TF_DeleteSession": (None, handle, handle),
        "TF_SessionRun": (
            *(None, handle, buffer, ports, handles, integer),
            *(ports, handles, integer, handles, integer, buffer, handle),
        ),
        "TF_AllocateTensor": (handle, integer, shape, integer, size),
        "TF_DeleteTensor": (None, handle),
        "TF_TensorType": (integer, handle),
        "TF_NumDims": (integer, handle),
        "TF_Dim": (ctypes.c_int64, handle, integer),
        "TF_TensorByteSize": (size, handle),
        "TF_TensorData": (handle, handle),
    }
    for name, (returns, *takes) in declarations.items():
        function = getattr(library, name)
        function.restype, function.argtypes = returns, takes
    return library


def main(saved_model: str, signature: str, inputs: str, outputs: str) -> None:
    """Read the inputs from one .npz file and write the outputs to another."""
    with np.load(inputs) as arrays:
        results = run(saved_model, signature, dict(arrays))
    assert "tensorflow" not in sys.modules, "this process was to be free of TensorFlow"
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
