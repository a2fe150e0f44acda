"""Every tutorial runs as it stands."""

import contextlib
import io
import runpy
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.py"))


def test_there_are_tutorials() -> None:
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(str(path))
