"""Signatures as the files of other programs hold them, read without running them."""

from pathlib import Path
from typing import Any

__all__ = ["litert_signatures", "onnx_signature", "saved_model_signatures"]


def saved_model_signatures(path: Path) -> dict[str, Any]:
    """Reads the signatures of a SavedModel from its saved_model.pb.

    Raises:
        ValueError: If the file is damaged or has no signature.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError("saved_model.pb is damaged") from error
    if not content.meta_graphs or not content.meta_graphs[0].signature_def:
        raise ValueError("saved_model.pb holds no signature")

    def described(info: Any) -> dict[str, Any]:
        sizes = [None if d.size < 0 else d.size for d in info.tensor_shape.dim]
        name = types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower()
        return {"shape": sizes, "dtype": {"float": "float32"}.get(name, name)}

    return {
        name: {
            "inputs": {key: described(info) for key, info in found.inputs.items()},
            "outputs": {key: described(info) for key, info in found.outputs.items()},
        }
        for name, found in content.meta_graphs[0].signature_def.items()
        if not name.startswith("__")
    }


def litert_signatures(content: bytes) -> dict[str, Any]:
    """Reads the signatures of a `.tflite` file.

    Raises:
        Exception: If the file is damaged, whatever reading beyond its end raises.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    if not model.SubgraphsLength():
        raise ValueError("it has no graph")
    for number in range(model.BuffersLength()):
        model.Buffers(number).DataAsNumpy()  # raises where one ends beyond the file
    names = {
        number: name.lower()
        for name, number in vars(schema.TensorType).items()
        if isinstance(number, int)
    }

    def described(graph: Any, entry: Any) -> tuple[str, dict[str, Any]]:
        tensor = graph.Tensors(entry.TensorIndex())
        shape = tensor.ShapeAsNumpy().tolist() if tensor.ShapeLength() else []
        return entry.Name().decode(), {"shape": shape, "dtype": names[tensor.Type()]}

    signatures = {}
    for number in range(model.SignatureDefsLength()):
        found = model.SignatureDefs(number)
        graph = model.Subgraphs(found.SubgraphIndex())
        signatures[found.SignatureKey().decode()] = {
            "inputs": dict(
                described(graph, found.Inputs(i)) for i in range(found.InputsLength())
            ),
            "outputs": dict(
                described(graph, found.Outputs(i)) for i in range(found.OutputsLength())
            ),
        }
    return signatures


def onnx_signature(path: Path) -> dict[str, Any]:
    """Reads the signature of an ONNX file, which has the file's name.

    Raises:
        ValueError: If the file is damaged, or onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ValueError(
            f"ONNX files are read with onnx: pip install 'tfvae[onnx]' ({error})"
        ) from error

    def described(value: Any) -> dict[str, Any]:
        tensor = value.type.tensor_type
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        shape = [axis.dim_value or None for axis in tensor.shape.dim]
        return {"shape": shape, "dtype": dtype.name}

    try:
        graph = onnx.load(path, load_external_data=False).graph
        return {
            path.stem: {
                "inputs": {value.name: described(value) for value in graph.input},
                "outputs": {value.name: described(value) for value in graph.output},
            }
        }
    except Exception as error:  # what the reader of protocol buffers raises
        raise ValueError(f"{path.name} is no ONNX file, or damaged") from error
