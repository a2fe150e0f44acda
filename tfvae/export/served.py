"""Runs a SavedModel where TensorFlow is all there is: `python served.py FOLDER IN OUT`.

It is run as a file in a process of its own, so that neither Keras nor tfvae nor
TensorFlow Probability can lend anything to the model that a server would lack.
"""

import sys

import numpy as np
import tensorflow as tf

_SEPARATOR = "|"


def main(folder: str, inputs: str, outputs: str) -> None:
    """Calls signatures on arrays named SIGNATURE|CALL|NAME, and writes the outputs."""
    calls: dict[tuple[str, str], dict[str, tf.Tensor]] = {}
    with np.load(inputs) as arrays:
        for key, value in arrays.items():
            signature, call, name = key.split(_SEPARATOR)
            calls.setdefault((signature, call), {})[name] = tf.constant(value)
    signatures = tf.saved_model.load(folder).signatures
    results = {
        _SEPARATOR.join((signature, call, name)): value.numpy()
        for (signature, call), tensors in calls.items()
        for name, value in signatures[signature](**tensors).items()
    }
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
