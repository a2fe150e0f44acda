"""Seconds of an import, and from the start of a process to the end of its first step.

    python benchmarks/speed/startup.py mnist.npz --output startup.json

Each is a new process in each round; they take turns.
"""

import argparse
import subprocess
import time
from pathlib import Path

import environments
import harness
import report
from harness import Row

IMPORTS = {
    "TensorFlow, TensorFlow Probability": "import tensorflow, tensorflow_probability",
    "the same and Keras, with what is loaded late": (
        "import tensorflow, keras; "
        "from tensorflow_probability import bijectors, distributions"
    ),
    "TensorFlow, TensorFlow Probability, tfvae": (
        "import tensorflow, tensorflow_probability, tfvae"
    ),
}
FIRST_STEPS = (
    Row("tfvae", "tfvae"),
    Row("Keras, defaults", "keras"),
    Row("Keras, no XLA", "keras", {"options": {"jit_compile": False}}),
)


def imported(statement: str, interpreter: str) -> float:
    started = time.perf_counter()
    command = [interpreter, "-c", statement]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_step(row: Row, task: dict, folder: Path) -> float:
    started = time.perf_counter()
    with harness.working(row, task, folder) as worker:
        worker.round()
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a .npz with x_train in bytes")
    parser.add_argument("--examples", type=int, default=60_000)
    harness.add_options(parser, rounds=7)
    settings = parser.parse_args()

    interpreter = environments.python("tfvae", settings.environments)
    statements = {f"import {name}": text for name, text in IMPORTS.items()}
    steps = {f"first step, {row.name}": row for row in FIRST_STEPS}
    seconds = {name: [] for name in (*statements, *steps)}
    with harness.binary_images(settings.data, settings.examples) as (data, _):
        task = {"variant": "first_step", "data": data}
        # The first round reads files that are not in memory yet.
        for number in range(settings.rounds + 1):
            found = {k: imported(s, interpreter) for k, s in statements.items()}
            for name, row in steps.items():
                found[name] = first_step(row, task, settings.environments)
            for name in seconds if number else ():
                seconds[name].append(found[name])
    cases = {}
    for title, names in {"import": statements, "first step": steps}.items():
        rows = {
            name: {"seconds": seconds[name], "work": 1, "is ceiling": False}
            for name in names
        }
        cases[title] = {"rows": harness.compared(rows)}
    lines = [
        [name, f"{row['median seconds']:.2f}"]
        for case in cases.values()
        for name, row in case["rows"].items()
    ]
    print(report.markdown(["", "seconds"], lines))
    report.write(cases, settings)
    report.bars(cases, "seconds", settings.figure, key="median seconds")


if __name__ == "__main__":
    main()
