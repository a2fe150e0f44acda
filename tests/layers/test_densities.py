"""Log densities of the layers against SciPy and written-out formulas."""

import numpy as np
import pytest
from scipy import special, stats
from support import families
from support.layer_cases import CASES, Case, from_raw, names, raw_numbers, values

import tfvae
from tfvae.layers import DistributionLayer

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def assert_exact(actual, expected, dtype: str) -> None:
    """1e-5 max(1, |log p|) in float32; rounding alone in float64."""
    tolerance = {"float64": 1e-9, "float32": 1e-5}[dtype]
    error = np.abs(np.asarray(actual, np.float64) - expected)
    worst = np.max(error / np.maximum(1, np.abs(expected)))
    assert worst <= tolerance


def check(case: Case, raw, x, size: int, dtype: str) -> None:
    x = np.asarray(x, dtype)
    _, q, p = from_raw(case, raw, size, dtype)
    expected = case.oracle(size).log_prob(x.astype(np.float64), p)
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
    if case.name == "multivariate-normal":
        spread /= 3  # a wider spread makes L as singular as the oracle's precision
    raw = raw_numbers(case, 100, 6, rng, spread)
    _, _, p = from_raw(case, raw, 6, dtype)
    check(case, raw, values(case, p, 6, rng), 6, dtype)


@every_case
def test_log_prob_of_values_that_are_not_typical(case) -> None:
    """Values drawn for other parameters: tails, where log p is large."""
    rng = np.random.default_rng(1)
    raw, other = raw_numbers(case, 100, 3, rng, 3), raw_numbers(case, 100, 3, rng, 3)
    _, _, p = from_raw(case, other, 3)
    for dtype in ("float64", "float32"):
        check(case, raw, values(case, p, 3, rng), 3, dtype)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.cls.noise == "normal"], ids=lambda case: case.name
)
@both_dtypes
def test_gaussians_far_from_zero(case, dtype) -> None:
    rng = np.random.default_rng(2)
    raw = raw_numbers(case, 300, 4, rng)
    raw[:, :4] += rng.choice([-1000, -100, 100, 1000], (300, 1))
    raw[:, 4:] += 0.54  # scales around one
    _, _, p = from_raw(case, raw, 4, dtype)
    check(case, raw, values(case, p, 4, rng), 4, dtype)


@both_dtypes
def test_tiny_scales(dtype) -> None:
    """Down to the smallest scale that a layer can give."""
    rng = np.random.default_rng(3)
    for case in CASES:
        if "scale" not in case.oracle(4).sizes and case.name != "multivariate-normal":
            continue
        raw = raw_numbers(case, 50, 4, rng)
        raw[:, 4:] = rng.uniform(-40, -3, raw[:, 4:].shape)
        if case.name == "multivariate-normal":
            rows, columns = np.tril_indices(4)
            raw[:, 4:] = -10
            raw[:, 4:][:, rows > columns] = rng.normal(0, 1e-4, (50, 6))
        raw[:, :4] = rng.choice([0.0, 0.25, 1.0], (50, 4))
        _, _, p = from_raw(case, raw, 4, dtype)
        check(case, raw, values(case, p, 4, rng), 4, dtype)
        check(case, raw, p["loc"], 4, dtype)


LOGITS = [0.0, 1e-30, 1e-9, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 5, 10, 20, 50, 88, 1e3, 1e4]


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.cls.noise == "uniform"], ids=lambda case: case.name
)
@both_dtypes
def test_every_logit_at_the_edges_of_the_support_and_inside(case, dtype) -> None:
    support = (
        np.linspace(0, 1, 41)
        if case.name == "continuous-bernoulli"
        else np.arange(case.arguments.get("total_count", 1) + 1)
    )
    logits = np.array([sign * logit for logit in LOGITS for sign in (1, -1)])
    raw, x = (part.reshape(-1, 1) for part in np.meshgrid(logits, support))
    check(case, raw, x, 1, dtype)


@both_dtypes
def test_continuous_bernoulli_has_no_seam_around_zero(dtype) -> None:
    case = next(c for c in CASES if c.name == "continuous-bernoulli")
    logits = np.concatenate([np.linspace(-2, 2, 4001), np.linspace(-0.02, 0.02, 2001)])
    rng = np.random.default_rng(4)
    check(case, logits[:, None], rng.uniform(size=(6002, 1)), 1, dtype)


@pytest.mark.parametrize("total_count", [16, 255, 1000, 65_535])
def test_binomial_against_scipy(total_count) -> None:
    layer = tfvae.layers.Binomial(1, total_count, projection=None)
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (500, 1)).astype(np.float32)
    probability = special.expit(logits.astype(np.float64))
    typical = rng.binomial(total_count, probability)
    for x in (typical, rng.integers(0, total_count + 1, (500, 1))):
        expected = stats.binom.logpmf(x, total_count, probability)[:, 0]
        assert_exact(layer(logits).log_prob(x.astype(np.float32)), expected, "float32")


@every_case
def test_total_mass_is_one(case) -> None:
    size = 2 if case.name == "multivariate-normal" else 1
    rng = np.random.default_rng(6)
    for raw in raw_numbers(case, 5, size, rng, 2):
        layer, q, p = from_raw(case, raw[None], size)
        x, weights = case.oracle(size).nodes(p)
        repeated = layer.with_batch_shape(q, (1, 1))
        density = np.exp(repeated.log_prob(x[:, None]).numpy()[:, 0])
        np.testing.assert_allclose(density @ weights, 1, rtol=1e-11)


@every_case
def test_location_is_the_mean(case) -> None:
    rng = np.random.default_rng(7)
    raw = raw_numbers(case, 20, 3, rng, 3)
    layer, q, p = from_raw(case, raw, 3)
    np.testing.assert_allclose(
        layer.location(q), case.oracle(3).mean(p), rtol=1e-9, atol=1e-12
    )


@every_case
def test_parameters_are_what_the_docstring_says_of_raw_numbers(case) -> None:
    rng = np.random.default_rng(8)
    raw = raw_numbers(case, 20, 3, rng, 10)
    _, _, p = from_raw(case, raw, 3)
    expected = case.oracle(3).constrain(raw)
    assert p.keys() == expected.keys()
    for name, value in expected.items():
        # Keras rounds the initial value of a weight to float32.
        rtol = 1e-7 if case.arguments == {"scale": "shared"} else 1e-12
        np.testing.assert_allclose(p[name], value, rtol=rtol, atol=0)


def test_the_oracles_are_those_of_scipy() -> None:
    """The two that SciPy has in another parametrisation, or not at all."""
    rng = np.random.default_rng(9)
    family = families.MultivariateNormalTriL(3)
    p = family.constrain(rng.normal(size=(1, 9)))
    x, covariance = rng.normal(size=(7, 3)), p["scale_tril"][0] @ p["scale_tril"][0].T
    expected = stats.multivariate_normal(p["loc"][0], covariance).logpdf(x)
    np.testing.assert_allclose(family.log_prob(x[:, None], p)[:, 0], expected)

    # On [0, 1] an exponential density is a truncated exponential distribution.
    flat = families.ContinuousBernoulli(1)
    for logit in (-3.0, -0.1, -1e-3):
        truncated = stats.truncexpon(b=-logit, scale=-1 / logit)
        x = np.linspace(0, 1, 9)
        actual = flat.log_prob(x[:, None], {"logits": np.array([[logit]])})
        np.testing.assert_allclose(actual, truncated.logpdf(x), atol=1e-13)
