"""The other end of the pipe: workers that take turns, and what they have answered."""

import argparse
import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import environments
import numpy as np

__all__ = ["Row", "add_options", "binary_images", "chosen", "measure", "working"]

Found = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: which peer does what.

    Attributes:
        name: The name of the row.
        peer: Which `peer_*.py` does it.
        task: The fields of `worker.Task` that are not those of the table.
        is_ceiling: Whether it is a part of the work, to tell what the whole could be.
    """

    name: str
    peer: str
    task: Found = dataclasses.field(default_factory=dict)
    is_ceiling: bool = False


class Worker:
    """A process that has prepared the task of a row and takes rounds of it."""

    def __init__(self, row: Row, task: Found, process: subprocess.Popen, log: IO[str]):
        self.row = row
        self._process = process
        self._log = log
        self.versions = self._ask(json.dumps(task | row.task))["versions"]

    def round(self) -> Found:
        return self._ask("")

    def _ask(self, line: str) -> Found:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._log.seek(0)
            tail = self._log.read()[-4000:]
            raise RuntimeError(f"The worker of {self.row.name!r} has died:\n{tail}")
        return json.loads(answer)


@contextlib.contextmanager
def working(row: Row, task: Found, folder: Path) -> Iterator[Worker]:
    """Starts the worker of a row and ends it with the context."""
    interpreter = environments.python(row.peer, folder)
    script = environments.HERE / f"peer_{row.peer}.py"
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [interpreter, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield Worker(row, task, process, log)
        finally:
            process.kill()


def measure(
    rows: Sequence[Row], task: Found, work: float, settings: argparse.Namespace
) -> Found:
    """Has all rows take turns, after one round each that is not counted.

    Args:
        rows: The rows, the one to compare with first.
        task: The fields of `worker.Task` that all of them share.
        work: What a round does, in the units of the table.
        settings: The arguments of the command, those of `add_options` among them.

    Returns:
        For each row its rounds, medians and how it compares. Ratios are medians of
        those of single rounds, which other work on the machine slows together.
    """
    with contextlib.ExitStack() as stack:
        workers, first = [], {}
        for row in rows:
            print(f"  {row.name}", end=": ", file=sys.stderr, flush=True)
            running = working(row, task, settings.environments)
            workers.append(worker := stack.enter_context(running))
            first[row.name] = worker.round()
            print(f"{first[row.name]['seconds']:.2f} s", file=sys.stderr, flush=True)
        rounds: dict[str, list[Found]] = {row.name: [] for row in rows}
        for number in range(settings.rounds):
            turn = number % len(workers)
            for worker in workers[turn:] + workers[:turn]:
                rounds[worker.row.name].append(worker.round())
        versions = {name: v for w in workers for name, v in w.versions.items()}
    found = {
        row.name: {
            "work": work,
            "is ceiling": row.is_ceiling,
            "first round": first[row.name],
            **{key: [r[key] for r in rounds[row.name]] for key in first[row.name]},
        }
        for row in rows
    }
    return {"versions": versions, "rows": compared(found)}


def compared(rows: dict[str, Found]) -> dict[str, Found]:
    """Adds medians, speeds and ratios to the times of each row."""
    reference = next(iter(rows.values()))["seconds"]
    for row in rows.values():
        row["median seconds"] = statistics.median(row["seconds"])
        row["per second"] = row["work"] / row["median seconds"]
        pairs = zip(reference, row["seconds"], strict=True)
        row["ratio"] = statistics.median(ours / theirs for ours, theirs in pairs)
    return rows


def chosen(rows: Sequence[Row], names: Sequence[str] | None) -> list[Row]:
    """The rows whose names hold one of these words, and always the first one."""
    wanted = [name.lower() for name in names or [""]]
    return [
        row
        for number, row in enumerate(rows)
        if not number or any(name in row.name.lower() for name in wanted)
    ]


@contextlib.contextmanager
def binary_images(
    path: Path, examples: int | None, multiple: int = 1
) -> Iterator[tuple[str, int]]:
    """Writes a binary draw of the images; gives the file's path and their number.

    Args:
        path: A `.npz` with `x_train` in bytes.
        examples: Take so many of them.
        multiple: Leave out those that would be too many for a multiple of this.
    """
    with np.load(path, allow_pickle=False) as arrays:
        x = arrays["x_train"][:examples].reshape(-1, 784) / 255
    x = x[: len(x) - len(x) % multiple]
    x = np.random.default_rng(0).random(x.shape) < x
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.npy")
        np.save(file, x.astype(np.float32))
        yield str(file), len(x)


def add_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Adds what all commands understand."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument(
        "--only", action="append", metavar="WORD", help="rows that hold this word"
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=environments.DEFAULT,
        help="where virtual environments are kept (default: .venv-bench)",
    )
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    parser.add_argument("--figure", type=Path, help="a PNG file for the figure")
