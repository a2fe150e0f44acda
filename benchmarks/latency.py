"""How long one call takes: Keras, a SavedModel's signature, LiteRT, ONNX Runtime.

    python benchmarks/latency.py --output benchmarks/results/latency.json

The networks are the MLP of the IWAE paper, 784-200-200-50, and a convolutional one of
the same data. The runtimes take turns, so that what else the machine does falls on all
of them; figures are medians of the rounds, in microseconds.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import tfvae

BATCHES = (1, 256)
Call = Callable[[], Any]


def dense() -> tfvae.VAE:
    mlp, layers = tfvae.networks.mlp, tfvae.layers
    encoder = [mlp((784,), (200, 200), "tanh"), layers.Normal(50)]
    decoder = [mlp((50,), (200, 200), "tanh"), layers.Bernoulli(784)]
    return tfvae.VAE(keras.Sequential(encoder), keras.Sequential(decoder), seed=0)


def convolutional() -> tfvae.VAE:
    networks, layers = tfvae.networks, tfvae.layers
    shape = (28, 28, 1)
    encoder = [networks.conv(shape, (32, 64), (16,)), layers.Normal(2)]
    back = networks.conv_transpose((2,), shape[:2], (64, 32))
    decoder = [back, layers.Bernoulli(shape)]
    return tfvae.VAE(keras.Sequential(encoder), keras.Sequential(decoder), seed=0)


def calls(vae: tfvae.VAE, folder: Path, batch: int) -> dict[str, Call]:
    """Decoding of one batch in each runtime, from an array to an array."""
    size = vae.posterior_layer.event_shape[0]
    z = np.random.default_rng(0).normal(size=(batch, size)).astype(np.float32)
    signature = tf.saved_model.load(str(folder / "1")).signatures["decode"]
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "decode.onnx"))
    found: dict[str, Call] = {
        "Keras call": lambda: vae.decode(z).mean().numpy(),
        "SavedModel": lambda: signature(z=tf.constant(z))["mean"].numpy(),
        "ONNX Runtime": lambda: session.run(["mean"], {"z": z}),
    }
    for precision in ("float32", "dynamic_int8"):
        file = folder / f"{precision}-{batch}.tflite"
        for threads in (1, 2) if precision == "float32" else (1,):
            name = f"LiteRT, {threads} thread{'s' * (threads > 1)}"
            if precision != "float32":
                name = f"LiteRT, {precision}"
            interpreter = Interpreter(str(file), num_threads=threads)
            runner = interpreter.get_signature_runner("decode")
            found[name] = lambda runner=runner: runner(z=z)
    interpreter = Interpreter(str(folder / f"bare-{batch}.tflite"), num_threads=1)
    runner = interpreter.get_signature_runner("decode")
    found["LiteRT, bare network"] = lambda: runner(z=z)
    return found


def convert_bare_network(vae: tfvae.VAE, folder: Path, batch: int) -> None:
    """The decoder without a distribution, converted without tfvae: only its mean."""
    units = vae.likelihood_layer.event_shape[-1]
    network = keras.Sequential(
        [*vae.decoder.layers[:-1], keras.layers.Dense(units, "sigmoid")]
    )
    archive = keras.export.ExportArchive()
    archive.track(network)
    spec = tf.TensorSpec((batch, *vae.posterior_layer.event_shape), name="z")
    network(tf.zeros(spec.shape))
    archive.add_endpoint("decode", network.call, input_signature=[spec])
    archive.write_out(folder / f"bare-{batch}", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / f"bare-{batch}"), signature_keys=["decode"]
    )
    (folder / f"bare-{batch}.tflite").write_bytes(converter.convert())


def export(vae: tfvae.VAE, folder: Path) -> None:
    vae.export(folder / "1", verbose=False)
    vae.export(folder / "onnx", format="onnx", verbose=False)
    for batch in BATCHES:
        convert_bare_network(vae, folder, batch)
        for precision in ("float32", "dynamic_int8"):
            vae.export(
                folder / f"{precision}-{batch}.tflite",
                format="litert",
                batch_size=batch,
                num_samples=2,
                precision=precision,
                verbose=False,
            )


def medians(runtimes: dict[str, Call], rounds: int) -> dict[str, float]:
    """Microseconds of each call: the median of rounds in which all take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runtimes}
    for call in runtimes.values():
        for _ in range(5):
            call()
    for _ in range(rounds):
        for name, call in runtimes.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: 1e6 * statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for network, make in {"dense": dense, "convolutional": convolutional}.items():
        with tempfile.TemporaryDirectory() as room:
            vae, folder = make(), Path(room)
            export(vae, folder)
            for batch in BATCHES:
                rounds = arguments.rounds
                if network == "convolutional" and batch > 1:
                    rounds = max(5, rounds // 30)
                found = medians(calls(vae, folder, batch), rounds)
                results.setdefault(network, {})[str(batch)] = found
                print(f"{network}, batch {batch}: microseconds, times Keras's")
                for name, value in sorted(found.items(), key=lambda item: item[1]):
                    ratio = found["Keras call"] / value
                    print(f"  {name:<22} {value:12,.0f} {ratio:8.1f}")
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
