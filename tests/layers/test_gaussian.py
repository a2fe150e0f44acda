"""Normal distributions: far from zero, and with tiny scales."""

import numpy as np
import pytest
from scipy import stats
from support.cases.gaussian import CASES
from support.comparison import assert_exact
from support.families import gaussian
from support.layer_cases import from_raw, names, raw_numbers, values

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def check(case, raw, x, size: int, dtype: str) -> None:
    x = np.asarray(x, dtype)
    _, q, p, family = from_raw(case, raw, size, dtype)
    expected = family.log_prob(x.astype(np.float64), p)
    assert_exact(q.log_prob(x), expected, dtype)


@every_case
@both_dtypes
def test_gaussians_far_from_zero(case, dtype) -> None:
    rng = np.random.default_rng(2)
    raw = raw_numbers(case, 300, 4, rng)
    raw[:, :4] += rng.choice([-1000, -100, 100, 1000], (300, 1))
    raw[:, 4:] += 0.54  # scales around one
    _, _, p, family = from_raw(case, raw, 4, dtype)
    check(case, raw, values(family, p, rng), 4, dtype)


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
        _, _, p, family = from_raw(case, raw, 4, dtype)
        check(case, raw, values(family, p, rng), 4, dtype)
        check(case, raw, p["loc"], 4, dtype)


def test_the_oracle_is_that_of_scipy() -> None:
    """SciPy has the covariance, not its triangular factor."""
    rng = np.random.default_rng(9)
    family = gaussian.MultivariateNormalTriL(3)
    p = family.constrain(rng.normal(size=(1, 9)))
    x, covariance = rng.normal(size=(7, 3)), p["scale_tril"][0] @ p["scale_tril"][0].T
    expected = stats.multivariate_normal(p["loc"][0], covariance).logpdf(x)
    np.testing.assert_allclose(family.log_prob(x[:, None], p)[:, 0], expected)
