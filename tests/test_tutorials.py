"""Every tutorial runs, on small settings where it has any."""

import contextlib
import io
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.py"))


def test_there_are_tutorials() -> None:
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TUTORIAL_EPOCHS", "3")
    monkeypatch.setenv("TUTORIAL_EXAMPLES", "5")
    plt.switch_backend("Agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    with contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(str(path))
