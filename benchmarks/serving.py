"""A server under load while versions come, and exporters killed at random moments.

    pip install tensorflow-serving-api
    python benchmarks/serving.py

The server is `tests/support/prediction_server.py`: TensorFlow's C loader behind gRPC,
with TensorFlow Serving's messages and folders. The model is the MLP of Burda, Grosse
and Salakhutdinov, 784-200-200-50, untrained: what it costs does not depend on weights.
Every answer is compared with the Keras model's.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import common
import keras
import numpy as np
from support import c_api
from support.killed_exports import exporter
from support.prediction_server import numbered, serving

import tfvae

HERE = Path(__file__).parent
SEED = np.array([3, 4], np.int32)
SAMPLES = 64
LARGEST = 32
"""Examples in the largest request."""


def paper_vae() -> tfvae.VAE:
    x = np.full((1, 784), 0.13, np.float32)
    posterior = tfvae.layers.Normal(50)
    return tfvae.VAE(*common.bernoulli_networks(x, (200, 200), posterior), seed=0)


def data(size: int) -> np.ndarray:
    return np.random.default_rng(size).binomial(1, 0.13, (size, 784)).astype("float32")


def cases(vae: tfvae.VAE, size: int) -> dict[str, tuple[dict, dict]]:
    """Inputs of each signature and what the Keras model says."""
    x = data(size)
    z = np.random.default_rng(size).normal(size=(size, 50)).astype("float32")
    q, p, drawn = vae.encode(x), vae.decode(z), {"x": x, "seed": SEED}
    count = {"num_samples": np.array(size, np.int32), "seed": SEED}
    return {
        "encode": ({"x": x}, {"mean": q.mean(), "stddev": q.stddev()}),
        "decode": ({"z": z}, {"mean": p.mean()}),
        "reconstruct": ({"x": x}, {"mean": vae.reconstruct(x)}),
        "elbo": (drawn, {"elbo": vae.elbo(x, seed=SEED)}),
        "log_prob": (drawn, {"log_prob": vae.log_prob(x, SAMPLES, seed=SEED)}),
        "sample": (count, {"x": vae.sample(size, seed=SEED)}),
    }


def write_cases(vae: tfvae.VAE, path: Path) -> None:
    """Writes the cases of all batch sizes for the clients."""
    arrays = {
        f"{signature}/{size}/{side}/{name}": np.asarray(value)
        for size in range(1, LARGEST + 1)
        for signature, both in cases(vae, size).items()
        for side, values in zip(("inputs", "outputs"), both, strict=True)
        for name, value in values.items()
    }
    np.savez(path, **arrays)


def export(vae: tfvae.VAE, base: Path, warm_up: bool) -> None:
    """Exports the next version."""
    path = base / str(max(numbered(base), default=0) + 1)
    vae.export(path, num_samples=SAMPLES, verbose=False, warmup=warm_up)


class Clients:
    """Client processes, and how many requests they have done."""

    def __init__(self, port: int, model: str, cases: Path, count: int, total: int):
        self.done = 0
        self.results: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        script = [sys.executable, str(HERE / "serving_client.py"), str(port), model]
        self._threads = []
        for seed in range(count):
            share = total // count + (seed < total % count)
            numbers = ["--requests", str(share), "--seed", str(seed)]
            thread = threading.Thread(
                target=self._follow, args=([*script, str(cases), *numbers],)
            )
            thread.start()
            self._threads.append(thread)

    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _follow(self, command: list[str]) -> None:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                with self._lock:
                    if line.startswith("{"):
                        self.results.append(json.loads(line))
                    else:
                        self.done += int(line)


def resident(pid: int) -> float:
    """The memory of a process that is in RAM, in MiB."""
    status = Path("/proc", str(pid), "status").read_text("utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def load(vae: tfvae.VAE, base: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Sends the requests and exports versions meanwhile, evenly spread."""
    base.mkdir(parents=True)
    cases = base.parent / "cases.npz"
    write_cases(vae, cases)
    export(vae, base, options.warm_up)
    # The last one comes early enough to answer many requests.
    shares = np.linspace(0, 1, options.roll_overs + 3)[1:-2]
    exports = [round(options.requests * share) for share in shares]
    looks = {f"{share} %": options.requests * share // 100 for share in (10, 50)}
    memory: dict[str, float] = {}
    with serving(base) as server:
        memory["start"] = resident(server.pid)
        started = time.monotonic()
        clients = Clients(
            server.port, base.name, cases, options.clients, options.requests
        )
        while clients.running():
            time.sleep(0.02)
            for name, count in looks.items():
                if name not in memory and clients.done >= count:
                    memory[name] = resident(server.pid)
            if exports and clients.done >= exports[0]:
                exports.pop(0)
                export(vae, base, options.warm_up)
        seconds = time.monotonic() - started
        memory["100 %"] = resident(server.pid)
    return summary(clients.results, seconds) | {"server MiB": memory}


def summary(results: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Joins what the clients have seen."""
    versions: Counter[str] = Counter()
    for result in results:
        versions.update(result["versions"])
    latency = {}
    for name in results[0]["seconds"]:
        times = np.concatenate([result["seconds"][name] for result in results]) * 1e3
        p50, p95, p99 = np.percentile(times, (50, 95, 99))
        latency[name] = {"requests": len(times), "p50 ms": p50, "p95 ms": p95}
        latency[name] |= {"p99 ms": p99, "max ms": times.max()}
    answered = sum(versions.values())
    return {
        "answers": answered,
        "versions": len(versions),
        "problems": [text for result in results for text in result["problems"]],
        "answers by version": versions,
        "requests per second": answered / seconds,
        "latency": latency,
    }


def kills(base: Path, count: int) -> dict[str, int]:
    """Kills exporters, and runs every version that is there after each kill."""
    keras.utils.set_random_seed(0)
    x = data(3)
    wanted = np.asarray(paper_vae().encode(x).mean())
    found = Counter[str](kills=0, inside=0, broken=0, whole=0)

    def look() -> None:
        versions = numbered(base)
        for path in versions.values():
            try:
                outputs = c_api.run(path, "encode", {"x": x})
                whole = np.allclose(outputs["mean"], wanted, rtol=1e-5, atol=1e-5)
            except RuntimeError as error:
                print(f"{path.name}: {error}", flush=True)
                whole = False
            found["whole" if whole else "broken"] += 1
        # The newest one is looked at again after the next kill.
        for number in sorted(versions)[:-1]:
            shutil.rmtree(versions[number])

    with exporter(base, "serving:paper_vae", HERE) as exports:
        exports.export()
        for number in range(count):
            # Every other one while the files are written, the rest at any moment.
            kill = exports.kill_one(writing=number % 2 > 0)
            found.update(kills=1, inside=kill.inside)
            look()
        found["exports afterwards"] = int(exports.export() in numbered(base))
        look()
    found["left behind"] = sum(path.name.startswith(".") for path in base.iterdir())
    return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--roll-overs", type=int, default=4)
    parser.add_argument("--warm-up", action="store_true", help="warm versions up")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.requests:
            keras.utils.set_random_seed(0)
            base = Path(folder, "load", "paper")
            found = load(paper_vae(), base, options)
            print(common.table(list(found["latency"].items()), digits=1))
            rest = {key: found[key] for key in found if key != "latency"}
            print(json.dumps(rest, indent=1), flush=True)
        if options.kills:
            base = Path(folder, "killed")
            base.mkdir()
            found["kills"] = kills(base, options.kills)
            print(json.dumps(found["kills"], indent=1), flush=True)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
