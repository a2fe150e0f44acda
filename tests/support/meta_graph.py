"""Reads the signatures in a SavedModel's MetaGraphDef from protobuf's wire format."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["CODES", "DTYPES", "Signature", "read_signature", "read_signatures"]

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


def read_signatures(meta_graph: bytes) -> dict[str, bytes]:
    """Find the entries of `signature_def` of a serialised MetaGraphDef.

    They stay unread: `__saved_model_init_op` lists an operation without outputs, which
    no tensor can be fetched from.
    """
    return dict(_map_entry(entry) for _, entry in _fields(meta_graph, 5))


def read_signature(entry: bytes) -> Signature:
    """Read one entry of `signature_def`, meta_graph.proto."""
    ports: dict[int, dict[str, TensorInfo]] = {1: {}, 2: {}}
    for number, port in _fields(entry, 1, 2):
        port_name, info = _map_entry(port)
        ports[number][port_name] = _tensor_info(info)
    return Signature(inputs=ports[1], outputs=ports[2])


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
