"""What training on an array takes in memory beyond the array.

    python benchmarks/speed/memory.py mnist.npz --output memory.json

Memory is what the process has in RAM, before `fit` with the array loaded and the model
built, at most during a `fit` of 20 epochs, and after its epochs; then `fit` runs again.
"""

import argparse
from pathlib import Path

import harness
import report
from harness import Row

ROWS = (
    Row("tfvae", "tfvae"),
    Row("Keras, defaults", "keras"),
    Row(
        "Keras, 50 steps, no XLA",
        "keras",
        {"options": {"steps_per_execution": 50, "jit_compile": False}},
    ),
)


def figure(case: report.Cases, path: Path | None) -> None:
    if path is None:
        return
    pyplot = report.pyplot()
    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    for name, row in case["rows"].items():
        after = row["first round"]["after epochs"] + row["after epochs"][0]
        axes.plot(range(1, len(after) + 1), after, label=name)
    axes.set(xlabel="epoch", ylabel="MiB in RAM", ylim=(0, None))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a .npz with x_train in bytes")
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=20)
    harness.add_options(parser, rounds=1)
    settings = parser.parse_args()

    with harness.binary_images(settings.data, settings.examples) as (data, examples):
        task = {"variant": "memory", "data": data, "epochs": settings.epochs}
        task["batch_size"] = settings.batch_size
        rows = harness.chosen(ROWS, settings.only)
        case = harness.measure(rows, task, examples * settings.epochs, settings)
    last = f"after {settings.epochs} epochs"
    header = ["MiB", "array", "weights and Adam", "before", "peak above before"]
    header += ["times the array", "after epoch 1", last, "and again"]
    lines = []
    for name, row in case["rows"].items():
        first = row["first round"]
        after, again = first["after epochs"], row["after epochs"][-1]
        numbers = [first["array"], 3 * first["weights"], first["before"]]
        numbers += [first["growth"], after[0], after[-1], again[-1]]
        shown = [f"{number:,.0f}" for number in numbers]
        shown.insert(4, f"{first['growth'] / first['array']:.2f}")
        lines.append([name, *shown])
    print(report.markdown(header, lines))
    report.write({"memory": case}, settings)
    figure(case, settings.figure)


if __name__ == "__main__":
    main()
