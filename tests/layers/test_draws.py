"""Draws of the layers: their distribution, their density, their seeds."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.families import Drawn
from support.layer_cases import CASES, from_raw, names, raw_numbers, standard

import tfvae

DRAWS = 4000

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
CONTINUOUS = [case for case in CASES if not case.oracle(3).discrete]
DISCRETE = [case for case in CASES if case.oracle(3).discrete]
WITH_DRAW = [case for case in CASES if isinstance(case.oracle(3), Drawn)]


def draw(case, shape: tuple[int, ...], size: int = 3, dtype: str = "float32"):
    raw = raw_numbers(case, 4, size, np.random.default_rng(10))
    layer, q, p, family = from_raw(case, raw, size, dtype)
    x, log_q = layer.sample_and_log_prob(q, shape, seed=11)
    return layer, q, p, family, np.asarray(x, np.float64), log_q.numpy()


@pytest.mark.parametrize("case", CONTINUOUS, ids=names(CONTINUOUS))
def test_draws_are_uniform_through_the_distribution_function(case) -> None:
    """Kolmogorov-Smirnov for each number, and no correlation between them."""
    _, _, p, family, x, _ = draw(case, (DRAWS,))
    uniforms = family.uniforms(x, p).reshape(DRAWS, -1)
    for column in uniforms.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(uniforms.T) - np.eye(uniforms.shape[1])
    assert np.abs(correlation).max() < 4.5 / np.sqrt(DRAWS)


@pytest.mark.parametrize("case", DISCRETE, ids=names(DISCRETE))
def test_draws_have_the_frequencies_of_their_masses(case) -> None:
    """Chi-square over values, those that are expected less than 10 times joined."""
    layer, _, p, family, x, _ = draw(case, (DRAWS,), case.smallest)
    for i in range(4):
        one = {k: v if layer.is_shared(k) else v[i : i + 1] for k, v in p.items()}
        nodes, weights = family.nodes(one)
        mass = np.exp(family.log_prob(nodes[:, None], one)[:, 0]) * weights
        # A value outside the nodes would have no mass at all.
        same = (x[:, i, None] == nodes).all(-1)
        observed = same.sum(0)
        assert observed.sum() == DRAWS
        order = np.argsort(-mass)
        kept = order[mass[order] * DRAWS >= 10]
        rest = order[len(kept) :]
        joined = [np.append(part[kept], part[rest].sum()) for part in (mass, observed)]
        expected = np.maximum(joined[0] * DRAWS, 1e-9)
        if expected[-1] < 1:  # too few to test, and too few to matter
            assert joined[1][-1] < 8
            joined[1], expected = joined[1][:-1], expected[:-1]
        expected *= joined[1].sum() / expected.sum()
        assert stats.chisquare(joined[1], expected).pvalue > 1e-4


@every_case
def test_draws_lie_in_the_support(case) -> None:
    layer, *_, x, _ = draw(case, (DRAWS,))
    assert not np.any(layer.unsupported(x))


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_density_that_comes_with_the_draws_is_theirs(case, dtype) -> None:
    _, q, p, family, x, log_q = draw(case, (50,), dtype=dtype)
    expected = family.log_prob(x, p)
    # A continuous draw is rounded, which moves the density as far as its slope.
    tolerance = case.rounding if dtype == "float32" else 1e-9
    np.testing.assert_allclose(log_q, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(q.log_prob(x), log_q, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", WITH_DRAW, ids=names(WITH_DRAW))
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_transform_is_the_documented_function_of_the_noise(case, shape) -> None:
    rng = np.random.default_rng(13)
    layer, q, p, family = from_raw(case, raw_numbers(case, 4, 3, rng, 2), 3)
    noise = standard(layer, (*shape, 4), rng)
    x, log_q = layer.transform(q, noise)
    expected = family.draw(noise.reshape(*shape, 4, -1), p)
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-12)
    density = family.log_prob(expected, p)
    np.testing.assert_allclose(log_q, density, rtol=1e-9, atol=1e-9)


@every_case
def test_transform_is_a_function_of_the_noise_alone(case) -> None:
    rng = np.random.default_rng(13)
    layer, q, *_ = from_raw(case, raw_numbers(case, 4, 3, rng), 3)
    noise = standard(layer, (2, 4), rng)
    x, log_q = layer.transform(q, noise)
    again, log_again = layer.transform(q, noise)
    np.testing.assert_array_equal(again, x)
    np.testing.assert_array_equal(log_again, log_q)


@every_case
def test_noise_at_its_ends_gives_probable_draws(case) -> None:
    """The smallest and the largest uniform number are rare, not impossible."""
    raw = raw_numbers(case, 5, 3, np.random.default_rng(14))
    layer, q, *_ = from_raw(case, raw, 3, "float32")
    ends = [2.0**-24, 1 - 2.0**-24] if layer.noise == "uniform" else [-5.8, 5.8]
    for end in ends:
        noise = np.full((5, *layer.noise_shape), end, np.float32)
        x, log_q = layer.transform(q, noise)
        assert not np.any(layer.unsupported(x))
        assert np.all(np.isfinite(log_q))


@every_case
def test_a_seed_decides_the_draws(case) -> None:
    layer, q, _, _, x, log_q = draw(case, (5,))
    for same in (11, (11, 0), tf.constant([11, 0]), np.array([11, 0])):
        again, log_again = layer.sample_and_log_prob(q, (5,), seed=same)
        np.testing.assert_array_equal(again, x)
        np.testing.assert_array_equal(log_again, log_q)
    for other in (12, 11 + 2**31, (0, 11), None):
        assert np.any(layer.sample_and_log_prob(q, (5,), seed=other)[0] != x)
    assert np.any(layer.sample_and_log_prob(q, (5,))[0] != x)


@every_case
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_shapes_of_draws(case, shape) -> None:
    layer, q, _, _, x, log_q = draw(case, shape, size=3)
    assert x.shape == (*shape, 4, 3)
    assert log_q.shape == (*shape, 4)
    assert q.batch_shape == (4,)
    assert layer.event_shape == (3,)


@pytest.mark.parametrize(
    "seed", [-1, 2**62, 1.5, "a", [1], [1, 2, 3], [1.5, 2.5], True]
)
def test_bad_seeds(seed) -> None:
    layer = tfvae.layers.Normal(2)
    with pytest.raises(ValueError, match=r"`seed` must be .* Received: "):
        layer.sample_and_log_prob(layer(np.ones((1, 2))), seed=seed)
