"""One client of the load in `serving.py`: asks, checks every answer, keeps the times.

    python benchmarks/serving_client.py PORT MODEL cases.npz --requests 2500 --seed 0

It prints a number for each hundred requests that are done, and at the end one line of
JSON: errors, and for each signature the seconds that each request took.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import grpc
import numpy as np
from support.messages import Client

STEP = 100
TOLERANCE = {"elbo": 1e-4, "log_prob": 1e-4}

Cases = dict[str, dict[int, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]]


def read(path: str) -> Cases:
    """Signature and batch size to inputs and wanted outputs."""
    cases: Cases = defaultdict(lambda: defaultdict(lambda: ({}, {})))
    with np.load(path) as arrays:
        for key, array in arrays.items():
            signature, size, side, name = key.split("/")
            cases[signature][int(size)][side == "outputs"][name] = array
    return cases


def wrong(signature: str, outputs: dict, wanted: dict) -> bool:
    """Whether an output is not that of the Keras model."""
    if signature == "sample":
        # A uniform number on the edge between two values is decided by rounding.
        return float(np.mean(outputs["x"] != wanted["x"])) > 1e-3
    tolerance = TOLERANCE.get(signature, 1e-5)
    return not all(
        np.allclose(outputs[name], value, rtol=tolerance, atol=tolerance)
        for name, value in wanted.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("model")
    parser.add_argument("cases")
    parser.add_argument("--requests", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    cases, random = read(options.cases), np.random.default_rng(options.seed)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    versions: Counter[int] = Counter()
    problems: list[str] = []
    with Client(options.port, options.model) as client:
        for done in range(1, options.requests + 1):
            signature = str(random.choice(list(cases)))
            inputs, wanted = cases[signature][int(random.integers(1, 33))]
            started = time.perf_counter()
            try:
                version, outputs = client.predict(signature, inputs)
            except grpc.RpcError as error:
                problems.append(f"{signature}: {error.details()}")
            else:
                seconds[signature].append(time.perf_counter() - started)
                versions[version] += 1
                if wrong(signature, outputs, wanted):
                    problems.append(f"{signature}: differs from the model")
            if done % STEP == 0:
                print(STEP, flush=True)
    result = {"seconds": seconds, "versions": versions, "problems": problems}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
