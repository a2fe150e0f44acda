"""Likelihood, posterior and prior in combination: trained, used, saved and exported.

By default every posterior with every prior, of which some are exported;
`--full-grid` takes all, or one of so many parts of them, and exports each.
"""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.graphs import forgotten_graphs
from support.grid import PRIORS, Combination, each_name_once, full, pairwise
from support.layer_cases import CASES
from support.training import assert_same_weights

import tfvae


def chosen_by(part: str) -> list[Combination]:
    """The first combination with each name of a part."""
    return list({getattr(one, part): one for one in reversed(pairwise())}.values())


# Exports take most of the time of a combination.
EXPORTED = each_name_once()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "combination" in metafunc.fixturenames:
        part = metafunc.config.getoption("--full-grid")
        chosen = _part_of(full(), *part.split("/")) if part else pairwise()
        metafunc.parametrize("combination", chosen, ids=str)


def _part_of(chosen: list[Combination], part: str, parts: str) -> list[Combination]:
    return chosen[int(part) - 1 :: int(parts)]


def test_the_grid_is_whole() -> None:
    """Every public layer and prior is there, and every posterior that can be one."""
    used = {type(one.model().likelihood_layer) for one in chosen_by("likelihood")}
    posteriors = {type(one.model().posterior_layer) for one in chosen_by("posterior")}
    public = {case.cls for case in CASES}
    assert public <= used | posteriors
    assert {cls for cls in public if cls.reparameterized is True} <= posteriors
    public = {getattr(tfvae.priors, name) for name in tfvae.priors.__all__}
    public = {cls for cls in public if issubclass(cls, tfvae.priors.Prior)}
    public -= {tfvae.priors.Prior, tfvae.priors.Fixed}
    assert public == {type(one.model().prior_layer) for one in chosen_by("prior")}
    assert len(PRIORS) > len(public)  # both kinds of flow


@pytest.fixture
def _graphs_of_one() -> Iterator[None]:
    with forgotten_graphs():
        yield


@pytest.mark.usefixtures("_graphs_of_one")
def test_combination(combination, tmp_path, request) -> None:
    x, vae = combination.data(), combination.model()
    vae.compile(keras.optimizers.Adam(0.02))
    # Many steps in an epoch: each begins with some tens of milliseconds.
    history = vae.fit(np.tile(x, (5, 1)), batch_size=32, epochs=4, verbose=0)
    elbo = history.history["elbo"]
    assert np.all(np.isfinite(elbo))
    assert elbo[-1] > elbo[0]

    exported = combination in EXPORTED or request.config.getoption("--full-grid")
    # To trace a graph takes longer than to do without.
    tf.config.run_functions_eagerly(not exported)
    try:
        log_prob = vae.log_prob(x[:5], num_samples=8, seed=2)
        drawn = vae.sample(5, seed=3)
    finally:
        tf.config.run_functions_eagerly(False)
    assert np.all(np.isfinite(log_prob))
    assert drawn.shape == (5, *x.shape[1:])
    assert not np.any(vae.likelihood_layer.unsupported(drawn))

    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert_same_weights(loaded, vae)
    if exported:
        np.testing.assert_array_equal(loaded.log_prob(x[:5], 8, 2), log_prob)
        # Each export compares its signatures with the model before it writes anything.
        vae.export(tmp_path / "1", num_samples=4)
        vae.export(tmp_path / "vae.tflite", format="litert", num_samples=4)
        vae.export(tmp_path / "onnx", format="onnx", num_samples=4)
