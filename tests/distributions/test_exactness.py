"""What the docstrings of `tfvae.distributions` claim, measured against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from tensorflow_probability import distributions as tfd

from tfvae import distributions
from tfvae._builtins import builtins_only

LOWER = np.array([[2.0, 0, 0], [-1, 0.5, 0], [0.3, 0.2, 1.5]], np.float32)
LOC = np.array([100.0, -3, 0.5], np.float32)

# One of each class: the distribution of TFP that it is, and its arguments.
SAMPLES = {
    "Normal": (tfd.Normal, {"loc": LOC, "scale": np.float32(0.5)}),
    "MultivariateNormalTriL": (
        tfd.MultivariateNormalTriL,
        {"loc": LOC, "scale_tril": LOWER},
    ),
    "Bernoulli": (tfd.Bernoulli, {"logits": LOC / 50}),
    "Binomial": (tfd.Binomial, {"total_count": 16, "logits": LOC / 50}),
    "ContinuousBernoulli": (tfd.ContinuousBernoulli, {"logits": LOC / 50}),
    "LogNormal": (tfd.LogNormal, {"loc": LOC / 50, "scale": np.float32(0.5)}),
    "StudentT": (tfd.StudentT, {"df": 3 + LOC**2, "loc": LOC, "scale": 0.5}),
}

# Those that TFP has not, or not in this parametrisation.
OWN = {
    "Beta": {"concentration1": LOC**2, "concentration0": LOC**2 / 2},
    "Gamma": {"concentration": LOC**2, "rate": LOC**2 / 2},
    "NegativeBinomial": {"rate": LOC**2, "total_count": LOC**2 / 2},
    "Poisson": {"rate": LOC**2},
    "ZeroInflatedNegativeBinomial": {
        "rate": LOC**2,
        "total_count": LOC**2 / 2,
        "inflation_logits": LOC / 50,
    },
    "ZeroInflatedPoisson": {"rate": LOC**2, "inflation_logits": LOC / 50},
    "Columns": {
        "distributions": [
            tfd.Independent(tfd.Normal(LOC[:2], LOC[:2] ** 2), 1),
            tfd.Independent(tfd.Poisson(np.float32([3])), 1),
        ]
    },
    "Categorical": {"logits": LOWER},
    "DiscretizedLogistic": {"loc": LOC / 50, "scale": LOC**2, "num_bins": 4},
    "DiscretizedLogisticMixture": {
        "logits": LOWER,
        "loc": LOWER,
        "scale": 1 + LOWER**2,
        "num_bins": 3,
    },
    "MultivariateNormalHouseholder": {
        "loc": LOC,
        "scale": np.float32([1, 2, 3]),
        "reflections": LOWER[:2],
    },
    "MultivariateNormalLowRank": {
        "loc": LOC,
        "scale_diag": np.float32([1, 2, 3]),
        "scale_factor": LOWER[:, :2],
    },
    "RelaxedOneHotCategorical": {"temperature": np.float32(0.5), "logits": LOC / 50},
    "VonMisesFisher": {
        "mean_direction": np.float32([0.0, 0.6, 0.8]),
        "concentration": np.float32(2),
    },
}
every_class = pytest.mark.parametrize("name", SAMPLES)
every_class_and_own = pytest.mark.parametrize("name", [*SAMPLES, *OWN])


def ours(name: str):
    arguments = OWN[name] if name in OWN else SAMPLES[name][1]
    return getattr(distributions, name)(**arguments)


def theirs(name: str):
    cls, arguments = SAMPLES[name]
    if name == "Binomial":
        arguments = arguments | {"total_count": 16.0}
    return cls(**arguments)


def error(distribution, x, expected) -> float:
    """The largest error of a log density, in nats."""
    return np.max(np.abs(distribution.log_prob(x).numpy() - expected))


def test_every_public_class_is_here() -> None:
    public = {name for name in distributions.__all__ if name[0].isupper()}
    assert public == set(SAMPLES) | set(OWN)


@every_class
def test_it_is_the_distribution_of_the_same_name(name) -> None:
    one, two = ours(name), theirs(name)
    assert isinstance(one, type(two))
    x = np.float32([1, 1, 1]) if "Bernoulli" in name else np.round(LOC / 50)
    for method in ("mean", "stddev", "variance", "log_prob", "prob"):
        arguments = (x,) if method.endswith("prob") else ()
        actual, expected = (getattr(p, method)(*arguments) for p in (one, two))
        np.testing.assert_allclose(actual, expected, rtol=1e-4)
    assert one.batch_shape == two.batch_shape
    assert one.event_shape == two.event_shape
    assert one.dtype == two.dtype
    assert one.sample(5, seed=1).shape == two.sample(5, seed=1).shape


@every_class_and_own
def test_copies_slices_and_graphs_keep_class_and_numbers(name) -> None:
    p = ours(name)
    x = tf.constant([0.0, 1, 1])
    same = {
        "copy": p.copy(),
        "graph": tf.function(lambda: ours(name))(),
        "through": tf.function(lambda q: q)(p),
        "rebuilt": type(p)(**p.parameters),
    }
    if p.event_shape == ():
        same["slice"] = p[tf.newaxis][0]
    for copy in same.values():
        assert type(copy) is type(p)
        np.testing.assert_array_equal(copy.log_prob(x), p.log_prob(x))
        if name not in ("Categorical", "RelaxedOneHotCategorical"):  # which have none
            np.testing.assert_array_equal(copy.mean(), p.mean())
    inside = tf.function(lambda q, x: q.log_prob(x))(p, x)
    np.testing.assert_allclose(inside, p.log_prob(x), rtol=1e-6)


def test_normal_far_from_zero() -> None:
    rng = np.random.default_rng(60)
    for scale, more_than in ((0.9, 1e-5), (0.01, 1e-3)):
        loc, scale = np.float32(100), np.float32(scale)
        x = rng.normal(loc, scale, 100_000).astype(np.float32)
        expected = stats.norm.logpdf(np.float64(x), np.float64(loc), np.float64(scale))
        assert error(tfd.Normal(loc, scale), x, expected) > more_than
        assert error(distributions.Normal(loc, scale), x, expected) < 2e-6


@pytest.mark.parametrize("total_count", [1, 2, 3, 16, 255, 4095, 65_535])
def test_binomial_is_exact_in_single_precision(total_count) -> None:
    rng = np.random.default_rng(61)
    logits = rng.normal(0, 3, 20_000).astype(np.float32)
    probability = special.expit(np.float64(logits))
    x = rng.binomial(total_count, probability)
    expected = stats.binom.logpmf(x, total_count, probability)
    p = distributions.Binomial(total_count, logits)
    relative = np.maximum(1, np.abs(expected))
    actual = p.log_prob(np.float32(x)).numpy()
    assert np.max(np.abs(actual - expected) / relative) < 1e-5
    assert p.total_count == total_count
    if total_count > 255:
        plain = tfd.Binomial(np.float32(total_count), logits=logits)
        assert error(plain, np.float32(x), expected) > 1e-4


def test_binomial_masses_of_what_is_no_count() -> None:
    p = distributions.Binomial(16, logits=0.3)
    for x in (-1.0, 17.0, 0.5, 15.999):
        assert p.log_prob(x) == -np.inf
        assert p.prob(x) == 0


@pytest.mark.parametrize("logit", [-1e4, -60, -3, -0.5, -0.49, -1e-3, 0, 1e-8, 0.3, 40])
def test_continuous_bernoulli_moments(logit) -> None:
    """Against an exponential density on [0, 1], integrated."""
    size = max(abs(logit), 1e-300)
    nodes, weights = special.roots_legendre(200)
    width = min(1, 60 / size)
    y = (nodes + 1) / 2 * width
    density = np.exp(-size * y) * weights
    density /= density.sum()
    mean, second = density @ y, density @ y**2
    double = tf.constant(logit, tf.float64)
    p = distributions.ContinuousBernoulli(logits=double, dtype=tf.float64)
    np.testing.assert_allclose(p.mean(), 1 - mean if logit > 0 else mean, rtol=1e-7)
    np.testing.assert_allclose(p.variance(), second - mean**2, rtol=1e-7)
    single = distributions.ContinuousBernoulli(logits=np.float32(logit))
    np.testing.assert_allclose(single.mean(), p.mean(), rtol=1e-5)
    np.testing.assert_allclose(single.stddev(), p.stddev(), rtol=1e-5)


def test_a_singular_covariance() -> None:
    """Elements that are the same but for 1e-4 of their scale."""
    lower = np.float32([[1, 0, 0], [1, 1e-4, 0], [1, 1e-4, 1e-3]])
    x = np.float32([[0.7, 0.7001, 0.7003], [-1, -0.9999, -1.0001]])
    y = np.linalg.solve(np.float64(lower), np.float64(x).T).T
    expected = stats.norm.logpdf(y).sum(-1) - np.log(np.float64(lower).diagonal()).sum()
    p = distributions.MultivariateNormalTriL(loc=np.zeros(3, "f"), scale_tril=lower)
    np.testing.assert_allclose(p.log_prob(x), expected, rtol=1e-6)
    without_loc = distributions.MultivariateNormalTriL(scale_tril=lower)
    np.testing.assert_allclose(without_loc.log_prob(x), expected, rtol=1e-6)
    np.testing.assert_allclose(p.variance(), (np.float64(lower) ** 2).sum(-1), 1e-6)


def test_the_form_for_builtins_is_the_same_density() -> None:
    p, rng = ours("MultivariateNormalTriL"), np.random.default_rng(62)
    x = (LOC + rng.normal(size=(5, 3))).astype(np.float32)
    solved = tf.function(p.log_prob)
    expected = solved(x)
    with builtins_only():
        written_out = tf.function(lambda x: p.log_prob(x)).get_concrete_function(
            tf.TensorSpec([None, 3])
        )
    kinds = {op.type for op in written_out.graph.get_operations()}
    assert "MatrixTriangularSolve" not in kinds
    np.testing.assert_allclose(written_out(x), expected, rtol=1e-5)
    graph = solved.get_concrete_function(x).graph
    assert "MatrixTriangularSolve" in {op.type for op in graph.get_operations()}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_bernoulli_is_exact_over_the_range_of_its_dtype(dtype) -> None:
    logits = np.concatenate([np.linspace(-60, 60, 201), [-3e4, -1e-3, 1e-3, 3e4]])
    logits, limits = logits.astype(dtype), np.finfo(dtype)
    for x in (0, 1):
        # TensorFlow Probability takes an array of doubles for one of floats.
        p = distributions.Bernoulli(logits=tf.constant(logits), dtype=dtype)
        found = p.log_prob(x)
        expected = -np.logaddexp(0, (1 - 2 * x) * logits.astype(float))
        error = np.abs(found.numpy().astype(float) - expected)
        allowed = 4 * float(limits.eps) * np.abs(expected) + 2 * float(limits.tiny)
        assert (error <= allowed).all()
