"""Runs a SavedModel where TensorFlow is all there is: `python served.py FOLDER IN OUT`.

It is run as a file in a process of its own, so that neither Keras nor tfvae nor
TensorFlow Probability can lend anything to the model that a server would lack.
"""

import json
import sys

import numpy as np
import tensorflow as tf


def main(folder: str, inputs: str, outputs: str) -> None:
    """Calls signatures on numbered arrays and writes what they give.

    `names` is a JSON list of the signature, the call and the input of each array.
    """
    calls: dict[tuple[str, int], dict[str, tf.Tensor]] = {}
    with np.load(inputs) as arrays:
        for number, (signature, call, name) in enumerate(
            json.loads(str(arrays["names"]))
        ):
            tensors = calls.setdefault((signature, call), {})
            tensors[name] = tf.constant(arrays[str(number)])
    signatures = tf.saved_model.load(folder).signatures
    names: list[tuple[str, int, str]] = []
    results = {}
    for (signature, call), tensors in calls.items():
        for name, value in signatures[signature](**tensors).items():
            results[str(len(names))] = value.numpy()
            names.append((signature, call, name))
    np.savez(outputs, names=json.dumps(names), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
