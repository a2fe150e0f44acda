"""Where the time of a training step goes: `fit` of steps that end early.

    python benchmarks/speed/parts.py mnist.npz --output parts.json

A part is the difference between two rows that take turns, one of which goes further
than the other. What is compiled in one program overlaps, so that parts are rough.
"""

import argparse
from pathlib import Path

import harness
import report
from harness import Row

PARTS = {
    "data and calls": {"part": "data"},
    "forward": {"part": "forward"},
    "backward": {"part": "backward"},
    "optimizer, metrics": {},
}
"""Parts in their order, and the options of steps that end with them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a .npz with x_train in bytes")
    parser.add_argument("--network", choices=("dense", "conv"), default="dense")
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=2, help="in a round; default: 2")
    harness.add_options(parser, rounds=5)
    settings = parser.parse_args()

    rows = [Row(name, "tfvae", {"options": given}) for name, given in PARTS.items()]
    rows.reverse()  # the whole step comes first
    images = harness.binary_images(
        settings.data, settings.examples, settings.batch_size
    )
    with images as (data, examples):
        task = {"variant": "train", "data": data, "network": settings.network}
        task |= {"batch_size": settings.batch_size, "epochs": settings.epochs}
        steps = settings.epochs * examples // settings.batch_size
        case = harness.measure(rows, task, steps, settings)
    lines, before = [], 0.0
    whole = next(iter(case["rows"].values()))["median seconds"]
    for name in PARTS:
        row = case["rows"][name]
        row["part of a step"] = (row["median seconds"] - before) / steps
        before = row["median seconds"]
        share = row["part of a step"] * steps / whole
        lines.append([name, f"{1e6 * row['part of a step']:,.0f}", f"{share:.0%}"])
    lines.append(["a step", f"{1e6 * whole / steps:,.0f}", "100%"])
    print(report.markdown(["", "µs", "share"], lines))
    report.write({"parts": case}, settings)
    report.bars({"steps that end with": case}, "steps/s", settings.figure)


if __name__ == "__main__":
    main()
