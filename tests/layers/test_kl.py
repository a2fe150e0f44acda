"""Every closed form of a divergence that a layer meets, against the oracle's sums."""

import numpy as np
import pytest
from scipy import integrate, special, stats
from support.layer_cases import CASES, CLASSES, from_raw, names, raw_numbers

from tfvae.distributions import closed_form_kl
from tfvae.priors import StandardNormal

every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))

# A layer that is not here has no closed form, and the KL is a mean over draws.
CLOSED = {
    *("normal-elementwise", "normal-shared", "normal-0.3", "normal-optimal"),
    *("multivariate-normal", "log-normal-elementwise", "laplace-elementwise"),
    *("gamma", "beta", "bernoulli", "continuous-bernoulli", "categorical"),
    "one-hot-categorical",
}


# Of a scalar family whose quadrature is exact for polynomials alone, or which has a
# kink: x as a function of a real number, its derivative, and where the integrand ends.
SCALARS = {
    "gamma": (np.exp, np.exp, 60),
    "beta": (special.expit, lambda t: special.expit(t) * special.expit(-t), 30),
    "laplace": (lambda t: t, np.ones_like, 60),
}


def pair(case):
    rng = np.random.default_rng(15)
    one, two = 1 + raw_numbers(case, 2, case.smallest, rng, 0.7)
    _, q, p, family = from_raw(case, one[None], case.smallest)
    _, other, p_other, _ = from_raw(case, two[None], case.smallest)
    return q, other, family, p, p_other


def divergence(case, family, log_prob, p) -> float:
    """E_q[log q - log p], where `log_prob` gives log p of points [M, N]."""

    def ratio(x):
        return family.log_prob(x[:, None], p)[:, 0] - log_prob(x)

    scalar = SCALARS.get(case.name.split("-")[0])
    if scalar is None:
        x, weights = family.nodes(p)
        return np.exp(family.log_prob(x[:, None], p)[:, 0]) * weights @ ratio(x)
    to_x, slope, end = scalar

    def integrand(t):
        x = np.array([[to_x(t)]])
        density = np.exp(family.log_prob(x[:, None], p)[0, 0])
        return density * ratio(x)[0] * float(slope(np.float64(t)))

    kinks = np.ravel(p.get("loc", 0.0))
    edges = np.unique([-end, *np.linspace(-4, 4, 81), *kinks])
    pieces = zip(edges, [*edges[1:], end], strict=True)
    return sum(integrate.quad(integrand, *piece, epsabs=1e-13)[0] for piece in pieces)


@every_class
def test_between_two_of_one_family(case) -> None:
    q, other, family, p, p_other = pair(case)
    actual = closed_form_kl(q, other)
    if actual is None:
        assert case.name not in CLOSED
        return

    def log_prob(x):
        return family.log_prob(x[:, None], p_other)[:, 0]

    expected = divergence(case, family, log_prob, p)
    np.testing.assert_allclose(actual[0], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.cls.measure == "lebesgue"],
    ids=lambda case: case.name,
)
def test_against_the_standard_normal(case) -> None:
    q, _, family, p, _ = pair(case)
    prior = StandardNormal(case.smallest, dtype="float64").distribution
    actual = closed_form_kl(q, prior)
    gaussian = "normal" in case.name and "log" not in case.name
    assert (actual is not None) == (gaussian or "householder" in case.name)
    if actual is not None:
        expected = divergence(case, family, lambda x: stats.norm.logpdf(x).sum(-1), p)
        np.testing.assert_allclose(actual[0], expected, rtol=1e-6, atol=1e-9)
