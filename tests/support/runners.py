"""Runs exported models in fresh processes that have neither tfvae nor Keras models."""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

__all__ = ["in_litert", "in_onnx", "in_plain_tensorflow"]

_TENSORFLOW = """
import pickle
import sys
import tensorflow as tf

path, before, after = sys.argv[1:]
signatures = tf.saved_model.load(path).signatures
outputs = {}
for name, inputs in pickle.load(open(before, "rb")).items():
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    results = signatures[name](**tensors)
    outputs[name] = {key: value.numpy() for key, value in results.items()}
pickle.dump(outputs, open(after, "wb"))
assert not {"tfvae", "tensorflow_probability", "tf_keras"} & set(sys.modules)
"""

_LITERT = """
import pickle
import sys
from ai_edge_litert.interpreter import Interpreter

path, before, after = sys.argv[1:]
interpreter = Interpreter(model_path=path)
outputs = {}
for name, inputs in pickle.load(open(before, "rb")).items():
    outputs[name] = interpreter.get_signature_runner(name)(**inputs)
pickle.dump(outputs, open(after, "wb"))
assert not {"tfvae", "tensorflow", "keras"} & set(sys.modules)
"""

_ONNX = """
import pickle
import sys
import onnxruntime

path, before, after = sys.argv[1:]
outputs = {}
for name, inputs in pickle.load(open(before, "rb")).items():
    session = onnxruntime.InferenceSession(f"{path}/{name}.onnx")
    names = [output.name for output in session.get_outputs()]
    outputs[name] = dict(zip(names, session.run(names, inputs)))
pickle.dump(outputs, open(after, "wb"))
assert not {"tfvae", "tensorflow", "keras"} & set(sys.modules)
"""

Arrays = dict[str, np.ndarray]


def in_plain_tensorflow(path: Path, inputs: dict[str, Arrays]) -> dict[str, Arrays]:
    """Runs signatures of a SavedModel where only TensorFlow is imported."""
    return _run(_TENSORFLOW, path, inputs)


def in_litert(path: Path, inputs: dict[str, Arrays]) -> dict[str, Arrays]:
    """Runs signatures of a `.tflite` file where TensorFlow is not imported."""
    return _run(_LITERT, path, inputs)


def in_onnx(path: Path, inputs: dict[str, Arrays]) -> dict[str, Arrays]:
    """Runs signatures of a folder of ONNX files where TensorFlow is not imported."""
    return _run(_ONNX, path, inputs)


def _run(script: str, path: Path, inputs: dict[str, Arrays]) -> dict[str, Arrays]:
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "inputs"), Path(folder, "outputs")
        before.write_bytes(pickle.dumps(inputs))
        command = [sys.executable, "-c", script, str(path), str(before), str(after)]
        finished = subprocess.run(command, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr
        return pickle.loads(after.read_bytes())
