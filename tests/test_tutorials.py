"""Every tutorial runs, on small settings where it has any."""

import contextlib
import io
import re
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
    monkeypatch.setenv("TUTORIAL_STEPS", "20")
    plt.switch_backend("Agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    with contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(str(path))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_its_page_is_that_of_the_tutorial(path: Path) -> None:
    """`make pages` was run since the code changed, and all its figures are there."""
    page = path.parent / "pages" / f"{path.stem}.md"
    text = page.read_text("utf-8")
    cells = re.split(r"^# %%", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
    code = [cell.strip() for cell in cells if not cell.startswith(" [markdown]")]
    shown = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert [cell.strip() for cell in shown] == code
    figures = re.findall(r"!\[png\]\((.*?)\)", text)
    assert len(figures) == sum("plt.show()" in cell for cell in code)
    for figure in figures:
        assert (page.parent / figure).read_bytes().startswith(b"\x89PNG")
