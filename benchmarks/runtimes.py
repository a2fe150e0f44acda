"""The same 200 inputs in every runtime: how far the numbers are from the model's.

    python benchmarks/runtimes.py --output benchmarks/results/runtimes.json

For models that together have every layer and every prior, each signature is called on
200 inputs by the Keras model and by: the SavedModel in a process that has TensorFlow
alone; TensorFlow's C API through ctypes; LiteRT in a virtual environment without
TensorFlow; ONNX Runtime; and, with `--chromium`, LiteRT.js in Chromium. Figures
are the largest difference as a share of what is allowed: 1e-5 absolute plus relative,
for nats 1e-4 relative plus 1e-5.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import c_api, runners
from support.browser import chromium, visit
from support.grid import Combination, each_name_once

import tfvae
from tfvae.cli.serving import serving
from tfvae.export.signatures import with_noise, with_seed

EXAMPLES, SAMPLES = 200, 8
NATS = ("elbo", "reconstruction", "kl", "log_prob")
Arrays = dict[str, np.ndarray]

LITERT = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

file, before, after, calls = sys.argv[1:]
interpreter = Interpreter(file)
given, found = np.load(before), {}
for name in interpreter.get_signature_list():
    keys = [key for key in given if key.startswith(name + "|")]
    axes = {key: 1 if key == "log_prob|noise_z" else 0 for key in keys}
    runner = interpreter.get_signature_runner(name)
    for call in range(int(calls)):
        inputs = {
            key.split("|")[1]: given[key].take([call], axis=axes[key]) for key in keys
        }
        for key, value in runner(**inputs).items():
            found.setdefault(f"{name}|{key}", []).append(value[0])
np.savez(after, **{key: np.stack(values) for key, values in found.items()})
assert "tensorflow" not in sys.modules
"""


def inputs_of(vae: tfvae.VAE) -> dict[str, Arrays]:
    """Data drawn from the model, and noise, for the signatures that take noise."""
    generator = np.random.default_rng(7)
    x = vae.sample(EXAMPLES, seed=7)
    z = np.asarray(vae.prior.sample(EXAMPLES, seed=7))

    def value(signature, spec):
        if spec.name in ("x", "z"):
            return {"x": x, "z": z}[spec.name]
        uniform = signature.noise[spec.name] == "uniform"
        draw = generator.uniform if uniform else generator.normal
        shape = [EXAMPLES if size is None else size for size in spec.shape]
        return draw(size=shape).astype(np.float32)

    return {
        name: {spec.name: value(signature, spec) for spec in signature.inputs}
        for name, signature in with_noise(vae, None, SAMPLES).items()
    }


def share(want: Arrays, got: Arrays, draws: bool = False) -> float:
    """The largest difference as a share of what is allowed."""
    worst = 0.0
    for key, value in want.items():
        value = np.asarray(value)
        allowed = 1e-5 + (1e-4 if key in NATS else 1e-5) * np.abs(value)
        ratio = np.abs(value - np.asarray(got[key]).reshape(value.shape)) / allowed
        if draws:  # a uniform may fall on the edge between two counts
            ratio = np.sort(ratio, axis=None)[: ratio.size - ratio.size // 1000]
        worst = max(worst, float(np.max(ratio)))
    return worst


def in_litert(python: Path, file: Path, inputs: dict[str, Arrays]) -> dict[str, Arrays]:
    """Runs a file where TensorFlow is not installed, one example at a time."""
    with tempfile.TemporaryDirectory() as room:
        before, after = Path(room, "in.npz"), Path(room, "out.npz")
        flat = {f"{s}|{k}": v for s, call in inputs.items() for k, v in call.items()}
        np.savez(before, **flat)
        command = [python, "-c", LITERT, file, before, after, EXAMPLES]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        found: dict[str, Arrays] = {}
        with np.load(after) as results:
            for key, value in results.items():
                signature, name = key.split("|")
                found.setdefault(signature, {})[name] = value
        return found


def in_chromium(browser, folder: Path, inputs: dict[str, Arrays]) -> dict[str, Arrays]:
    """Runs the page of a folder, one example at a time."""
    found = {}
    with serving(folder) as server, visit(browser, server.url) as visited:
        visited.open()
        for name, call in inputs.items():
            axes = {key: int((name, key) == ("log_prob", "noise_z")) for key in call}
            found[name] = visited.run(
                name,
                *(
                    {key: call[key].take([i], axis=axes[key]) for key in call}
                    for i in range(EXAMPLES)
                ),
            )
    return found


def measured(one: Combination, python: Path, browser) -> dict[str, dict[str, float]]:
    """Runtime to signature to share, for one model."""
    vae = one.model()
    given = inputs_of(vae)
    noisy = with_noise(vae, None, SAMPLES)
    want = {name: noisy[name](**call) for name, call in given.items()}
    seed = np.array([3, 5], np.int32)
    seeded = {name: given[name] for name in ("encode", "decode", "reconstruct")}
    x = given["encode"]["x"]
    seeded |= {name: {"x": x, "seed": seed} for name in ("elbo", "log_prob")}
    seeded["sample"] = {"num_samples": np.array(EXAMPLES, np.int32), "seed": seed}
    served = with_seed(vae, SAMPLES)
    want_seeded = {name: served[name](**call) for name, call in seeded.items()}
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        options = {"num_samples": SAMPLES, "verbose": False}
        vae.export(folder / "1", **options)
        vae.export(folder / "onnx", format="onnx", **options)
        vae.export(folder / "page", format="web", **options)
        file = folder / "page" / "model.tflite"
        in_c = {
            name: c_api.run_in_fresh_process(folder / "1", name, call)
            for name, call in seeded.items()
        }
        outputs = {
            "TensorFlow": (
                want_seeded,
                runners.in_plain_tensorflow(folder / "1", seeded),
            ),
            "C API": (want_seeded, in_c),
            "LiteRT": (want, in_litert(python, file, given)),
            "ONNX Runtime": (want, runners.in_onnx(folder / "onnx", given)),
        }
        if browser is not None:
            in_page = in_chromium(browser, folder / "page", given)
            outputs["Chromium"] = (want, in_page)
    return {
        runtime: {
            name: share(expected[name], actual[name], name == "sample")
            for name in expected
        }
        for runtime, (expected, actual) in outputs.items()
    }


def without_tensorflow(room: Path) -> Path:
    """Makes an environment that has LiteRT's interpreter and NumPy alone."""
    subprocess.run([sys.executable, "-m", "venv", room], check=True)
    python = room / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "ai-edge-litert", "numpy"]
    subprocess.run(install, check=True)
    probe = subprocess.run([python, "-c", "import tensorflow"], capture_output=True)
    assert probe.returncode, "TensorFlow is there"
    return python


def lines(
    chosen: list[Combination], python: Path, browser
) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    for one in chosen:
        found = measured(one, python, browser)
        print(one)
        for runtime, shares in found.items():
            worst = ", ".join(f"{name} {value:.2g}" for name, value in shares.items())
            print(f"  {runtime:<13} {worst}", flush=True)
        yield str(one), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", action="store_true")
    parser.add_argument("--part", default="1/1", help="such as 1/2: every second model")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    chosen = list(each_name_once())[part - 1 :: parts]
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as room:
        python = without_tensorflow(Path(room))
        if arguments.chromium:
            with chromium() as browser:
                results = dict(lines(chosen, python, browser))
        else:
            results = dict(lines(chosen, python, None))
    runtimes = next(iter(results.values()))
    worst = {
        runtime: max(max(found[runtime].values()) for found in results.values())
        for runtime in runtimes
    }
    print("largest share of what is allowed:", worst)
    if arguments.output:
        content = {"worst": worst, "models": results}
        arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
