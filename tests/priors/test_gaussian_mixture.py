"""The mixture of Gaussians: its start, and its fit to encoded data."""

import sys

import numpy as np
import pytest
from scipy import special
from support.prior_cases import numbers

from tfvae.priors import GaussianMixture

WEIGHTS, LOCS = np.array([0.2, 0.3, 0.5]), np.array([[-4.0, 0], [4, 1], [0, 5]])
SCALES = np.array([[0.5, 1.0], [1.0, 0.3], [0.7, 0.7]])


def latents(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    k = rng.choice(3, count, p=WEIGHTS)
    return LOCS[k] + SCALES[k] * rng.normal(size=(count, 2))


def test_the_start() -> None:
    prior = GaussianMixture(3, 400, seed=1)
    p = prior.distribution
    weights = p.mixture_distribution.probs_parameter()
    np.testing.assert_allclose(weights, 1 / 400, rtol=1e-6)
    np.testing.assert_allclose(p.components_distribution.stddev(), 1, rtol=1e-6)
    locs = numbers(prior.loc)
    assert abs(locs.mean()) < 0.1
    assert abs(locs.std() - 1) < 0.1
    np.testing.assert_array_equal(GaussianMixture(3, 400, seed=1).loc, prior.loc)
    assert np.any(GaussianMixture(3, 400, seed=2).loc != prior.loc)


@pytest.mark.parametrize("event_shape", [2, (2, 1)])
def test_fit_finds_what_latents_were_drawn_from(event_shape) -> None:
    prior = GaussianMixture(event_shape, 3, dtype="float64")
    z = latents(4000).reshape(-1, *prior.event_shape)
    assert prior.fit(z, seed=0) is prior
    locs = numbers(prior.loc).reshape(3, 2)
    order = [int(np.argmin(np.abs(locs - loc).sum(-1))) for loc in LOCS]
    components = prior.distribution.components_distribution
    np.testing.assert_allclose(locs[order], LOCS, atol=0.1)
    scales = components.stddev().numpy().reshape(3, 2)[order]
    np.testing.assert_allclose(scales, SCALES, rtol=0.1)
    weights = special.softmax(numbers(prior.logits))[order]
    np.testing.assert_allclose(weights, WEIGHTS, atol=0.03)


def test_fit_is_that_of_scikit_learn() -> None:
    from sklearn.mixture import GaussianMixture as Mixture

    z = latents(500)
    expected = Mixture(4, covariance_type="diag", random_state=3).fit(z)
    prior = GaussianMixture(2, 4, dtype="float64").fit(z, seed=3)
    log_prob = prior.distribution.log_prob(z)
    np.testing.assert_allclose(log_prob, expected.score_samples(z), rtol=1e-9)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((9, 3)), r"`z` must .* \[N, 2\], such as .* Received: .* \[9, 3"),
        (np.zeros(9), r"`z` must be an array of numbers of the shape"),
        (np.array([["a", "b"]] * 9), r"`z` must be an array of numbers"),
        (np.zeros((2, 2)), r"`z` must hold at least 3 latents.* Received: 2"),
        (np.array([[np.nan, 1], [np.inf, 1], [0, 1]]), r"finite. Received: 2 numbers"),
    ],
)
def test_bad_latents(z, message) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2, 3).fit(z)


def test_a_missing_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    with pytest.raises(ImportError, match=r"pip install 'tfvae\[mixture\]'"):
        GaussianMixture(2, 3).fit(latents(10))


@pytest.mark.parametrize("count", [0, -1, 2.0, "3", True])
def test_bad_numbers_of_components(count) -> None:
    with pytest.raises(ValueError, match=r"`num_components` must .* Received: "):
        GaussianMixture(2, count)


@pytest.mark.parametrize("seed", ["a", -1, 1.5, 2**31, True])
def test_bad_seeds(seed) -> None:
    message = (
        r"`seed` must be a non-negative integer below 2\*\*31 or None\. Received: "
    )
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2, 3, seed=seed)
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2, 3).fit(latents(50), seed=seed)
