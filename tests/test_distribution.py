"""Two replicas take the step that one takes, with noise of their own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "support" / "two_replicas.py"


@pytest.fixture(scope="module")
def results() -> dict:
    run = subprocess.run(
        [sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("objective", ["", "geco_"])
def test_the_step_of_two_is_the_step_of_one(results, objective) -> None:
    """Neither the rate nor the regulariser is doubled, and the weights are the same.

    The multiplier of a constraint follows the examples of both replicas.
    """
    one, two = (results[f"{objective}{name}"]["weights"] for name in ("one", "two"))
    for theirs, ours in zip(one, two, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_seed_chooses_the_order_of_two_as_that_of_one(results) -> None:
    first, second = results["shuffled_two"]
    for one, two, again in zip(results["shuffled_one"], first, second, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(again, two)


def test_the_multiplier_moves(results) -> None:
    one, geco = results["one"]["weights"], results["geco_one"]["weights"]
    changes = [np.abs(np.subtract(a, b)).max() for a, b in zip(one, geco, strict=True)]
    assert max(changes) > 1e-3


@pytest.mark.parametrize("logs", ["history", "evaluation"])
def test_the_logs_of_two_are_the_logs_of_one(results, logs) -> None:
    assert results["two"][logs] == pytest.approx(results["one"][logs], rel=1e-5)


def test_replicas_draw_noise_of_their_own(results) -> None:
    one, two = results["draws"]
    assert np.abs(np.subtract(one, two)).min() > 1e-3


def test_training_with_noise_works(results) -> None:
    assert np.isfinite(list(results["noisy"]["evaluation"].values())).all()


def test_a_replica_may_get_no_example(results) -> None:
    for values in results["ragged"].values():
        assert np.isfinite(values).all()
