"""What the commands show: a table, a figure, and a file with all numbers."""

import argparse
import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["bars", "machine", "markdown", "pyplot", "table", "write"]

Cases = Mapping[str, Mapping[str, Any]]


def machine() -> dict[str, Any]:
    """The processor and how many of its cores there are."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    return {
        "processor": facts.get("model name", platform.processor()),
        "family and model": f"{facts.get('cpu family')} {facts.get('model')}",
        "flags": [f for f in facts.get("flags", "").split() if f.startswith("avx")],
        "cores": len(os.sched_getaffinity(0)),
        "load before": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def table(title: str, rows: Mapping[str, Any], unit: str, value: str = "loss") -> str:
    """Speeds of a case, as multiples of the first row and shares of the ceiling."""
    ceiling = max(
        (r["per second"] for r in rows.values() if r["is ceiling"]), default=0
    )
    header = [title, unit, "times the first row", f"{value}, nats"]
    if ceiling:
        header.insert(3, "of the ceiling")
    lines = []
    for name, row in rows.items():
        last = row["value"][-1]
        line = [name, f"{row['per second']:,.0f}", f"{row['ratio']:.2f}"]
        if ceiling:
            line.append(f"{row['per second'] / ceiling:.0%}")
        lines.append([*line, "" if math.isnan(last) else f"{last:.2f}"])
    return markdown(header, lines)


def write(cases: Cases, settings: argparse.Namespace) -> None:
    """Writes the numbers, with what they depend on, where `--output` says."""
    if not settings.output:
        return
    kept = {
        key: value
        for key, value in vars(settings).items()
        if not isinstance(value, Path)
    }
    found = {"machine": machine(), "options": kept, "cases": cases}
    settings.output.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def pyplot() -> Any:
    """Matplotlib without a window; only `--figure` needs it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def bars(cases: Cases, unit: str, path: Path | None, key: str = "per second") -> None:
    """Draws a panel of bars for each case, the first row in a colour of its own.

    Args:
        cases: What `harness.measure` has found.
        unit: The unit of the bars.
        path: A PNG file, or None to draw nothing.
        key: Which number of each row the bars show.
    """
    if path is None:
        return
    height = max(len(case["rows"]) for case in cases.values())
    figure, panels = pyplot().subplots(
        1,
        len(cases),
        squeeze=False,
        figsize=(5.5 * len(cases) + 1, 0.36 * height + 1.2),
        layout="constrained",
    )
    for axes, (title, case) in zip(panels[0], cases.items(), strict=True):
        rows = case["rows"]
        colours = ["tab:grey" if r["is ceiling"] else "tab:blue" for r in rows.values()]
        colours[0] = "tab:orange"
        drawn = axes.barh(list(rows), [r[key] for r in rows.values()], color=colours)
        labels = [f"{r[key]:,.5g}  ({r['ratio']:.2f})" for r in rows.values()]
        axes.bar_label(drawn, labels, padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.margins(x=0.3)
        axes.set_title(title)
        axes.set_xlabel(unit)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
