"""A process that is killed while it exports leaves whole versions or none."""

import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support import c_api
from support.killed_exports import exporter
from support.small import small_vae

KILLS = 6
X = np.random.default_rng(1).integers(0, 2, (5, 6)).astype(np.float32)


@pytest.mark.skipif(sys.platform != "linux", reason="forks what imported TensorFlow")
def test_a_killed_export_leaves_whole_versions_only(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    wanted = small_vae().encode(X).mean()

    def assert_whole() -> set[int]:
        versions = {
            int(path.name): path for path in tmp_path.iterdir() if path.name.isdecimal()
        }
        for path in versions.values():
            outputs = c_api.run(path, "encode", {"x": X})
            np.testing.assert_allclose(outputs["mean"], wanted, rtol=1e-5, atol=1e-5)
        # The newest one is looked at again after the next kill.
        for number in sorted(versions)[:-1]:
            shutil.rmtree(versions[number])
        return set(versions)

    with exporter(tmp_path, "support.small:small_vae", alone=True) as exports:
        kills = []
        for number in range(KILLS):
            kills.append(exports.kill_one(writing=number % 3 > 0))
            assert_whole()
        assert any(kill.inside for kill in kills)
        assert exports.export() in assert_whole()
