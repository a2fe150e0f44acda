"""Files and folders that appear whole, and what is left when one does not."""

import os
import subprocess
import sys

import pytest

from tfvae.cli.folders import workspace
from tfvae.export.placing import place

HOLD = """
import sys, time
from tfvae.export.placing import place
with place(sys.argv[1]) as beside:
    beside.mkdir()
    (beside / "half").write_text("written")
    print("at work", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def at_work(tmp_path):
    """A process that is writing version 1."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "1")], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"at work\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_nobody_else_takes_a_room_away(at_work, tmp_path) -> None:
    (room,) = tmp_path.glob(".*")
    with place(tmp_path / "2") as beside:
        beside.mkdir()
    assert (room / "1" / "half").exists()
    assert (tmp_path / "2").is_dir()


def test_what_a_killed_process_left_is_removed(at_work, tmp_path) -> None:
    at_work.kill()
    at_work.wait()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name[0] != "."] == []
    with place(tmp_path / "2") as beside:
        beside.mkdir()
    assert [entry.name for entry in tmp_path.iterdir()] == ["2"]


def test_an_error_leaves_everything_as_it_was(tmp_path) -> None:
    def fail() -> None:
        with place(tmp_path / "new" / "file") as beside:
            beside.write_text("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_draft_of_a_training_run_is_left_alone(tmp_path) -> None:
    """However long it takes: it lies in the folder that exports are written to."""
    with workspace(tmp_path) as draft:
        os.utime(draft, (0, 0))
        with place(tmp_path / "2") as beside:
            beside.mkdir()
        assert draft.is_dir()


def test_a_room_that_never_had_a_lock_is_removed_in_the_end(tmp_path) -> None:
    with place(tmp_path / "1") as beside:
        prefix = beside.parent.name.rstrip("abcdefghijklmnopqrstuvwxyz0123456789_")
        beside.mkdir()
    young, old = (tmp_path / (prefix + name) for name in ("young", "old"))
    young.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    with place(tmp_path / "2") as beside:
        beside.mkdir()
    assert young.is_dir()
    assert not old.exists()
