"""Log densities of the layers against SciPy and written-out formulas."""

import numpy as np
import pytest
import tensorflow as tf
from support.comparison import assert_exact
from support.layer_cases import CASES, from_raw, names, raw_numbers, values

import tfvae
from tfvae.layers import DistributionLayer

FIRST_CASES = list({case.cls: case for case in reversed(CASES)}.values())
"""One of each class."""

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def check(case, raw, x, size: int, dtype: str) -> None:
    x = np.asarray(x, dtype)
    _, q, p, family = from_raw(case, raw, size, dtype)
    expected = family.log_prob(x.astype(np.float64), p)
    assert_exact(q.log_prob(x), expected, dtype)


def test_every_public_layer_is_here() -> None:
    public = {getattr(tfvae.layers, name) for name in tfvae.layers.__all__}
    classes = {member for member in public if isinstance(member, type)}
    assert classes - {DistributionLayer} == {case.cls for case in CASES}


@every_case
@both_dtypes
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_log_prob_on_random_parameters(case, dtype, spread) -> None:
    rng = np.random.default_rng(0)
    raw = raw_numbers(case, 100, 6, rng, spread)
    _, _, p, family = from_raw(case, raw, 6, dtype)
    check(case, raw, values(family, p, rng), 6, dtype)


@every_case
def test_log_prob_of_values_that_are_not_typical(case) -> None:
    """Values drawn for other parameters: tails, where log p is large."""
    rng = np.random.default_rng(1)
    raw, other = raw_numbers(case, 100, 3, rng, 3), raw_numbers(case, 100, 3, rng, 3)
    _, _, p, family = from_raw(case, other, 3)
    x = values(family, p, rng)
    for dtype in ("float64", "float32"):
        check(case, raw, x, 3, dtype)


@pytest.mark.parametrize("case", FIRST_CASES, ids=names(FIRST_CASES))
def test_a_graph_in_double_precision_computes_the_same(case) -> None:
    """A graph makes single precision of a number that eager code makes double."""
    rng = np.random.default_rng(3)
    raw = raw_numbers(case, 10, 3, rng)
    layer, q, p, family = from_raw(case, raw, 3)
    x = tf.constant(values(family, p, rng), tf.float64)

    @tf.function
    def compute(raw: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        q = layer(raw)
        _, log_prob = layer.sample_and_log_prob(q, (2,), seed=tf.constant([1, 2]))
        return q.log_prob(x), log_prob

    found, of_draws = compute(tf.constant(raw, tf.float64))
    np.testing.assert_allclose(found, q.log_prob(x), rtol=1e-12, atol=1e-12)
    assert of_draws.dtype == tf.float64
    assert np.all(np.isfinite(of_draws))


@every_case
@both_dtypes
def test_log_prob_at_the_ends_of_the_support(case, dtype) -> None:
    raw = raw_numbers(case, 50, case.smallest, np.random.default_rng(2), 2)
    for end in case.ends:
        x = np.broadcast_to(np.asarray(end, float), (50, case.smallest))
        check(case, raw, x, case.smallest, dtype)


@every_case
def test_missing_values_have_no_density_rather_than_none(case) -> None:
    """NaN, where a value that is known to be impossible has minus infinity."""
    size = case.smallest
    raw = raw_numbers(case, 3, size, np.random.default_rng(12))
    _, q, *_ = from_raw(case, raw, size, "float32")
    assert np.all(np.isnan(q.log_prob(np.full((3, size), np.nan, np.float32))))


@every_case
def test_total_mass_is_one(case) -> None:
    rng = np.random.default_rng(6)
    for raw in raw_numbers(case, 5, case.smallest, rng, 2):
        layer, q, p, family = from_raw(case, raw[None], case.smallest)
        x, weights = family.nodes(p)
        repeated = layer.with_batch_shape(q, (1, 1))
        density = np.exp(repeated.log_prob(x[:, None]).numpy()[:, 0])
        np.testing.assert_allclose(density @ weights, 1, rtol=case.mass)


@every_case
def test_location_is_the_mean_or_the_documented_point(case) -> None:
    rng = np.random.default_rng(7)
    raw = raw_numbers(case, 20, 3, rng, 3)
    layer, q, p, family = from_raw(case, raw, 3)
    expected = family.location(p)
    np.testing.assert_allclose(layer.location(q), expected, rtol=1e-9, atol=1e-12)
    if layer.location_is_mean:
        np.testing.assert_allclose(q.mean(), expected, rtol=1e-9, atol=1e-12)
    else:
        assert "location" in layer.location.__doc__.lower()


@every_case
def test_standard_deviations(case) -> None:
    """Against the moments of the masses or of the quadrature that is exact for them."""
    rng = np.random.default_rng(11)
    for raw in raw_numbers(case, 5, case.smallest, rng):
        layer, q, p, family = from_raw(case, raw[None], case.smallest)
        stddev = layer.stddev(q)
        if stddev is None:
            continue
        x, weights = family.nodes(p)
        mass = np.exp(family.log_prob(x[:, None], p)[:, 0]) * weights
        mean = mass @ x
        expected = np.sqrt(mass @ (x - mean) ** 2)
        np.testing.assert_allclose(stddev[0], expected, rtol=case.moments, atol=1e-9)


@every_case
def test_parameters_are_what_the_docstring_says_of_raw_numbers(case) -> None:
    rng = np.random.default_rng(8)
    raw = raw_numbers(case, 20, 3, rng, 10)
    layer, _, p, family = from_raw(case, raw, 3)
    expected = family.constrain(raw)
    assert p.keys() == expected.keys()
    for name, value in expected.items():
        # Keras rounds the initial value of a weight to float32.
        rtol = 1e-7 if layer.is_shared(name) else 1e-12
        np.testing.assert_allclose(p[name], value, rtol=rtol, atol=1e-15)
