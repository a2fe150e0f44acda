"""Run a signature of a SavedModel through TensorFlow's C API and NumPy alone.

`TF_LoadSessionFromSavedModel` is of the family of loaders that TensorFlow Serving and
the bindings for other languages use, so what passes here needs neither Keras nor
TensorFlow Probability. As a script it runs in a process that never imports TensorFlow:

    python tests/support/c_api.py SAVED_MODEL SIGNATURE inputs.npz outputs.npz
"""

import ctypes
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# The values of enum TF_DataType, tensorflow/c/tf_datatype.h.
DTYPES: dict[int, "np.dtype[Any]"] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    17: np.dtype(np.uint16),
    19: np.dtype(np.float16),
    22: np.dtype(np.uint32),
    23: np.dtype(np.uint64),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}


class TensorInfo(NamedTuple):
    """Where a named input or output of a signature lives in the graph."""

    operation: str
    output: int
    dtype: "np.dtype[Any]"


class Signature(NamedTuple):
    """The inputs and outputs of a signature, by the names that callers use."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


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
    with_status = _StatusChecker(_load_library())
    tf = with_status.library
    graph = tf.TF_NewGraph()
    options = tf.TF_NewSessionOptions()
    meta_graph = tf.TF_NewBuffer()
    tags = (ctypes.c_char_p * 1)(b"serve")
    session = with_status(
        tf.TF_LoadSessionFromSavedModel,
        options,
        None,
        str(saved_model).encode(),
        tags,
        len(tags),
        graph,
        meta_graph,
    )
    try:
        serialised = ctypes.string_at(
            meta_graph.contents.data, meta_graph.contents.length
        )
        ports = read_signature(serialised, signature)
        return _run_session(with_status, graph, session, ports, inputs)
    finally:
        with_status(tf.TF_CloseSession, session)
        with_status(tf.TF_DeleteSession, session)
        tf.TF_DeleteBuffer(meta_graph)
        tf.TF_DeleteSessionOptions(options)
        tf.TF_DeleteGraph(graph)


def read_signature(meta_graph: bytes, name: str) -> Signature:
    """Read one entry of `signature_def` of a serialised MetaGraphDef, meta_graph.proto.

    The other entries stay unread: `__saved_model_init_op` lists an operation without
    outputs, which no tensor can be fetched from.
    """
    entries = dict(_map_entry(entry) for _, entry in _fields(meta_graph, 5))
    if name not in entries:
        raise KeyError(f"no signature {name!r}, there are {sorted(entries)}")
    ports: dict[int, dict[str, TensorInfo]] = {1: {}, 2: {}}
    for number, port in _fields(entries[name], 1, 2):
        port_name, info = _map_entry(port)
        ports[number][port_name] = _tensor_info(info)
    return Signature(inputs=ports[1], outputs=ports[2])


def _run_session(
    with_status: "_StatusChecker",
    graph: int,
    session: int,
    signature: Signature,
    inputs: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    tf = with_status.library
    if set(inputs) != set(signature.inputs):
        # Protobuf maps have no order, so names are sorted wherever they are shown.
        expected, received = sorted(signature.inputs), sorted(inputs)
        raise ValueError(f"expected inputs {expected}, received {received}")

    def ports(infos: Mapping[str, TensorInfo]) -> "ctypes.Array[_Output]":
        array = (_Output * len(infos))()
        for port, info in zip(array, infos.values(), strict=True):
            port.operation = tf.TF_GraphOperationByName(graph, info.operation.encode())
            port.index = info.output
            assert port.operation, f"no operation {info.operation!r} in the graph"
        return array

    feeds = (ctypes.c_void_p * len(signature.inputs))()
    fetches = (ctypes.c_void_p * len(signature.outputs))()
    try:
        for i, (name, info) in enumerate(signature.inputs.items()):
            array = np.asarray(inputs[name])
            if array.dtype != info.dtype:
                raise TypeError(
                    f"{name!r}: expected {info.dtype}, received {array.dtype}"
                )
            feeds[i] = _to_tensor(tf, array)
        with_status(
            tf.TF_SessionRun,
            session,
            None,
            ports(signature.inputs),
            feeds,
            len(feeds),
            ports(signature.outputs),
            fetches,
            len(fetches),
            None,
            0,
            None,
        )
        return {
            name: _to_array(tf, tensor)
            for name, tensor in zip(signature.outputs, fetches, strict=True)
        }
    finally:
        for tensor in (*feeds, *fetches):
            if tensor:
                tf.TF_DeleteTensor(tensor)


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


def _fields(message: bytes, *numbers: int) -> Iterator[tuple[int, bytes]]:
    """Walk the fields of these numbers in a message in protobuf's wire format.

    A field's value is its bytes; those of an integer are its varint, still encoded.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            _, end = _varint(message, position)
        elif wire_type == 2:
            length, position = _varint(message, position)
            end = position + length
        else:
            end = position + {1: 8, 5: 4}[wire_type]
        if number in numbers:
            yield number, message[position:end]
        position = end


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _map_entry(message: bytes) -> tuple[str, bytes]:
    entry = dict(_fields(message, 1, 2))
    return entry[1].decode(), entry.get(2, b"")


def _tensor_info(message: bytes) -> TensorInfo:
    info = dict(_fields(message, 1, 2))
    operation, _, index = info[1].decode().rpartition(":")
    return TensorInfo(operation, int(index), DTYPES[_varint(info[2], 0)[0]])


def main(saved_model: str, signature: str, inputs: str, outputs: str) -> None:
    """Read the inputs from one .npz file and write the outputs to another."""
    with np.load(inputs) as arrays:
        results = run(saved_model, signature, dict(arrays))
    assert "tensorflow" not in sys.modules, "this process was to be free of TensorFlow"
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
