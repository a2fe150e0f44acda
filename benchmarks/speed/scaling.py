"""What `vae.log_prob` costs in time and memory as images and draws become more.

    python benchmarks/speed/scaling.py mnist.npz --output scaling.json

Each number of images or draws has a process of its own, and they take turns.
"""

import argparse
from pathlib import Path

import harness
import report
from harness import Row

CASES = {
    "images": ({"samples": 1000}, (10, 100, 1000)),
    "samples": ({"images": 100}, (100, 1000, 10_000)),
}
"""What is varied: the rest of the task, and the numbers."""


def figure(cases: report.Cases, path: Path | None) -> None:
    if path is None:
        return
    pyplot = report.pyplot()
    shape = {"figsize": (9, 3.6), "layout": "constrained"}
    figure, panels = pyplot.subplots(1, len(cases), squeeze=False, **shape)
    for axes, (name, case) in zip(panels[0], cases.items(), strict=True):
        numbers = [row["number"] for row in case["rows"].values()]
        seconds = [row["median seconds"] for row in case["rows"].values()]
        line = [seconds[-1] * number / numbers[-1] for number in numbers]
        axes.loglog(numbers, line, color="tab:grey", label="proportional")
        axes.loglog(numbers, seconds, "o-", color="tab:orange", label="tfvae")
        axes.set_xlabel("images" if name == "images" else "draws per image")
        axes.set_ylabel("seconds")
        axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a .npz with x_train in bytes")
    parser.add_argument("--largest", type=int, help="leave out numbers above this")
    harness.add_options(parser, rounds=5)
    settings = parser.parse_args()

    cases, lines = {}, []
    with harness.binary_images(settings.data, 1000) as (data, _):
        for varied, (rest, numbers) in CASES.items():
            numbers = [n for n in numbers if n <= (settings.largest or n)]
            rows = [Row(f"{n} {varied}", "tfvae", {varied: n}) for n in numbers]
            task = {"variant": "evidence", "data": data} | rest
            cases[varied] = case = harness.measure(rows, task, 1, settings)
            for number, (name, row) in zip(numbers, case["rows"].items(), strict=True):
                draws = number * next(iter(rest.values()))
                row |= {"number": number, "draws": draws}
                rounds = [row["first round"]["growth"], *row["growth"]]
                seconds = row["median seconds"]
                numbers_shown = (seconds, 1e6 * seconds / draws, max(rounds))
                lines.append([name, *(f"{value:.3g}" for value in numbers_shown)])
    header = ["", "seconds", "µs for each draw", "peak above before, MiB"]
    print(report.markdown(header, lines))
    report.write(cases, settings)
    figure(cases, settings.figure)


if __name__ == "__main__":
    main()
