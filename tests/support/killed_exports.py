"""Kills processes while they export, to see what they leave behind.

As a script it is the exporter. It imports once, then makes a process for each line that
it reads, and kills none itself:

    python tests/support/killed_exports.py BASE support.small:small_vae

Each process makes the model, after `keras.utils.set_random_seed(0)`, and exports the
next versions into BASE one after the other, with "begin N" and "end N" around each.
"""

import contextlib
import importlib
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

__all__ = ["Exporter", "Kill", "exporter"]

WRITING = 0.1
"""About how long a small SavedModel is written, in seconds."""


class Kill(NamedTuple):
    """One kill.

    Attributes:
        version: The version whose export it was meant for.
        after: Seconds since that export began.
        inside: Whether the export was still running.
    """

    version: int
    after: float
    inside: bool


class Exporter:
    """Starts processes that export and kills each at a random moment."""

    def __init__(self, base: Path, commands: IO[str], lines: IO[str]) -> None:
        self.running: int | None = None
        self._base = base
        self._commands = commands
        self._lines = lines
        self._random = random.Random(0)
        # How long an export takes: the first of a process, and a later one.
        self._seconds = [1.0, 1.0]

    def kill_one(self, writing: bool = False) -> Kill:
        """Start a process, and kill it in its first export or in its second.

        Args:
            writing: Whether to do so within `WRITING` seconds after the weights have
                got a folder, rather than at any moment.
        """
        before = self._variables()
        pid = self._start()
        later = self._random.random() < 0.3
        version = self._begun()
        if later:
            self._finish(0)
            before = self._variables()
            version = self._begun()
        started = time.monotonic()
        if writing:
            while self._variables() <= before:
                assert time.monotonic() < started + 60, "nothing is written"
        longest = WRITING if writing else self._seconds[later]
        time.sleep(self._random.uniform(0, longest))
        after = time.monotonic() - started
        said = self._kill(pid)
        return Kill(version, after, inside=f"end {version}" not in said)

    def export(self) -> int:
        """Let one export come to its end, and return its version."""
        pid = self._start()
        version = self._begun()
        self._finish(0)
        self._kill(pid)
        return version

    def _variables(self) -> set[Path]:
        # Unlike a glob, a walk goes on where a folder has gone meanwhile.
        walk = os.walk(self._base)
        return {Path(folder) for folder, _, _ in walk if folder.endswith("variables")}

    def _start(self) -> int:
        self._commands.write("start\n")
        self._commands.flush()
        word, pid = self._line().split()
        assert word == "pid"
        self.running = int(pid)
        return self.running

    def _kill(self, pid: int) -> list[str]:
        """Kill a process, and return what it had said that was not read yet."""
        os.kill(pid, signal.SIGKILL)
        self.running = None
        return list(iter(self._line, "gone"))

    def _begun(self) -> int:
        word, version = self._line().split()
        assert word == "begin"
        return int(version)

    def _finish(self, later: int) -> None:
        started = time.monotonic()
        assert self._line().startswith("end")
        self._seconds[later] = time.monotonic() - started

    def _line(self) -> str:
        line = self._lines.readline()
        assert line, "the exporter has ended"
        return line.strip()


@contextlib.contextmanager
def exporter(
    base: Path, model: str, *search: Path, alone: bool = False
) -> Iterator[Exporter]:
    """Run the script in a process of its own while the block runs.

    Args:
        base: The folder of the versions.
        model: Module and function that makes the model, such as "support.small:vae".
        *search: Folders in which to look for the module.
        alone: Whether the exporter runs itself what an export would run in a process
            of its own, whose start takes longer than the rest.
    """
    path = os.pathsep.join([*map(str, search), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, __file__, str(base), model, *(["alone"] if alone else [])],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        exports = Exporter(base, process.stdin, process.stdout)
        try:
            yield exports
        finally:
            if exports.running:
                os.kill(exports.running, signal.SIGKILL)
            process.stdin.close()
            process.wait(60)


def main(base: str, model: str, alone: str = "") -> None:
    # What else writes to the standard output goes where errors go.
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import keras

    module, name = model.split(":")
    # What it imports is imported once, for all the processes to come.
    make = getattr(importlib.import_module(module), name)
    if alone:
        subprocess.run = _run_here  # type: ignore[assignment]
    for _ in iter(sys.stdin.readline, ""):
        pid = os.fork()
        if pid == 0:
            print("pid", os.getpid(), file=lines, flush=True)
            keras.utils.set_random_seed(0)
            _export(Path(base), make(), lines)
        os.waitpid(pid, 0)
        print("gone", file=lines, flush=True)


def _export(base: Path, vae: Any, lines: IO[str]) -> None:
    while True:
        versions = [int(path.name) for path in base.iterdir() if path.name.isdecimal()]
        version = max(versions, default=0) + 1
        print("begin", version, file=lines, flush=True)
        vae.export(base / str(version), verbose=False)
        print("end", version, file=lines, flush=True)


def _run_here(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
    """Run a script of Python as `subprocess.run` would, in this process."""
    script = next(i for i, word in enumerate(command) if word.endswith(".py"))
    before, sys.argv = sys.argv, list(command[script:])
    try:
        runpy.run_path(command[script], run_name="__main__")
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(command, 0, "", "")


if __name__ == "__main__":
    main(*sys.argv[1:])
