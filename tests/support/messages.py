"""TensorFlow Serving's messages: a client, and arrays to and from TensorProto.

They are read without TensorFlow where it is not imported already, so that a server and
its clients are processes that start in a second and have none of its Python in them.
"""

import contextlib
import importlib.util
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import grpc
import numpy as np
from support.meta_graph import CODES, DTYPES

__all__ = [
    "Client",
    "Status",
    "from_proto",
    "get_model_status_pb2",
    "model_service_pb2_grpc",
    "predict_pb2",
    "prediction_log_pb2",
    "prediction_service_pb2_grpc",
    "request",
    "to_proto",
]

Arrays = Mapping[str, np.ndarray]


@contextlib.contextmanager
def _tensorflow_not_run() -> Iterator[None]:
    """Generated modules want the package `tensorflow`, but nothing that is in it."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or "tensorflow" in sys.modules:
        yield
        return
    sys.modules["tensorflow"] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with _tensorflow_not_run():
    from tensorflow.core.framework import tensor_pb2
    from tensorflow_serving.apis import (
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_log_pb2,
        prediction_service_pb2_grpc,
    )

# Where TensorProto keeps the values of a type that came without `tensor_content`.
_VALUES = {
    np.dtype(np.float32): "float_val",
    np.dtype(np.float64): "double_val",
    np.dtype(np.int64): "int64_val",
    np.dtype(np.bool_): "bool_val",
    np.dtype(np.uint32): "uint32_val",
    np.dtype(np.uint64): "uint64_val",
}


def to_proto(array: np.ndarray) -> Any:
    """Make a TensorProto of an array."""
    array = np.asarray(array)
    proto = tensor_pb2.TensorProto(
        dtype=CODES[array.dtype], tensor_content=array.tobytes()
    )
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def from_proto(proto: Any) -> np.ndarray:
    """Make an array of a TensorProto; one value may stand for all that follow it."""
    if proto.dtype not in DTYPES:
        raise TypeError(f"no array has the type {proto.dtype} of this tensor")
    dtype = DTYPES[proto.dtype]
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values = np.array(getattr(proto, _VALUES.get(dtype, "int_val")), dtype)
    size = math.prod(shape)
    if values.size > size or (values.size == 0 and size > 0):
        raise ValueError(f"{values.size} values do not make a tensor of shape {shape}")
    rest = np.repeat(values[-1:], size - values.size)
    return np.concatenate([values, rest]).reshape(shape)


def request(model: str, signature: str, inputs: Arrays) -> Any:
    """Make a PredictRequest."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, array in inputs.items():
        message.inputs[name].CopyFrom(to_proto(array))
    return message


class Status(NamedTuple):
    """What the server says of a version: its state, and why it was not loaded."""

    state: str
    error: str


class Client:
    """Asks a server of one model, through a channel of its own.

    Args:
        port: The server's port on this machine.
        model: The model's name.
    """

    def __init__(self, port: int, model: str) -> None:
        self._model = model
        # Without a pool of its own a client may share the connection of another one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"localhost:{port}", options)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(
        self, signature: str, inputs: Arrays, timeout: float = 60
    ) -> tuple[int, dict[str, np.ndarray]]:
        """Return the version that answered, and the outputs by name."""
        message = request(self._model, signature, inputs)
        answer = self._predict.Predict(message, timeout)
        outputs = {name: from_proto(proto) for name, proto in answer.outputs.items()}
        return answer.model_spec.version.value, outputs

    def status(self) -> dict[int, Status]:
        """Return the state of each version that the server has met."""
        message = get_model_status_pb2.GetModelStatusRequest()
        message.model_spec.name = self._model
        answer = self._models.GetModelStatus(message, 60)
        states = get_model_status_pb2.ModelVersionStatus.State
        return {
            entry.version: Status(states.Name(entry.state), entry.status.error_message)
            for entry in answer.model_version_status
        }

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
