"""Distributions that make fixed priors, and every public prior with its oracle."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.priors import Fixed, Prior, StandardNormal

# Each is made anew, so that two tests share no tensors.
FIXED: dict[str, Callable[[], tfd.Distribution]] = {
    "diag": lambda: tfd.MultivariateNormalDiag([1.0, -2.0], [0.5, 2.0]),
    "diag without loc": lambda: tfd.MultivariateNormalDiag(scale_diag=[0.5, 2.0]),
    "double": lambda: tfd.MultivariateNormalDiag(np.zeros(2), np.array([0.1, 1 / 3])),
    "tril": lambda: tfd.MultivariateNormalTriL([1.0, 2.0], [[1.0, 0.0], [2.0, 3.0]]),
    "tril without loc": lambda: tfd.MultivariateNormalTriL(
        scale_tril=[[1.0, 0.0], [2.0, 3.0]]
    ),
    "our tril": lambda: tfvae.distributions.MultivariateNormalTriL(
        [1.0, 2.0], [[1.0, 0.0], [2.0, 3.0]]
    ),
    "full covariance": lambda: tfd.MultivariateNormalFullCovariance(
        [1.0, 2.0], [[2.0, 0.5], [0.5, 3.0]]
    ),
    "sample": lambda: tfd.Sample(tfd.Normal(1.0, 2.0), [2, 3]),
    "sample of laplace": lambda: tfd.Sample(tfd.Laplace(1.0, 2.0), 3),
    "normals": lambda: tfd.Independent(tfd.Normal([[0.0, 1.0]], [[1.0, 0.3]]), 2),
    "our normals": lambda: tfd.Independent(
        tfvae.distributions.Normal([1.0, 2], 2.0), 1
    ),
    "laplace": lambda: tfd.Independent(tfd.Laplace([0.0, 1.0], [2.0, 0.1]), 1),
    "uniform": lambda: tfd.Independent(tfd.Uniform([0.0, 1.0], 2.0), 1),
    "student": lambda: tfd.Independent(tfd.StudentT(4.0, [0.0, 1.0], 2.0), 1),
    "log-normal": lambda: tfd.Independent(tfd.LogNormal([1.0, 2.0], 0.5), 1),
    "dirichlet": lambda: tfd.Dirichlet([1.0, 2.0, 3.0]),
    "von mises-fisher": lambda: tfd.VonMisesFisher([1.0, 0.0, 0.0], 3.0),
    "mixture": lambda: tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]),
        tfd.MultivariateNormalDiag([[0.0, 1.0], [2.0, 3.0]], [[1.0, 2], [0.5, 1]]),
    ),
    "transformed": lambda: tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 2.0]),
        tfb.Chain([tfb.Exp(), tfb.Shift([1.0, 2.0]), tfb.Scale(0.5)]),
        name="skewed",
    ),
}


def _normal(loc: Any, scale: Any) -> list[Any]:
    loc, scale = np.broadcast_arrays(loc, scale)
    return [stats.norm(*pair).cdf for pair in zip(loc.flat, scale.flat, strict=True)]


@dataclasses.dataclass(frozen=True)
class PriorCase:
    """A public prior.

    Attributes:
        make: Makes it with these arguments of the base class.
        noise: What its `transform` takes.
        marginals: Distribution functions of the elements of z in SciPy.
        arguments: The names of the constructor's arguments.
    """

    make: Callable[..., Prior]
    noise: str
    marginals: list[Callable[..., Any]]
    arguments: set[str]


def _fixed(key: str, noise: str, marginals: list[Callable[..., Any]]) -> PriorCase:
    make = FIXED[key]
    return PriorCase(lambda **k: Fixed(make(), **k), noise, marginals, {"distribution"})


LAPLACES = [stats.laplace(0, 2).cdf, stats.laplace(1, 0.1).cdf]

PRIORS = {
    "standard normal": PriorCase(
        lambda **kwargs: StandardNormal((2, 3), **kwargs),
        "normal",
        _normal(np.zeros(6), 1),
        {"event_shape"},
    ),
    "fixed diag": _fixed("diag", "normal", _normal([1, -2], [0.5, 2])),
    "fixed tril": _fixed("tril", "normal", _normal([1, 2], [1, np.sqrt(13)])),
    "fixed tril without loc": _fixed(
        "tril without loc", "normal", _normal([0, 0], [1, np.sqrt(13)])
    ),
    "fixed full covariance": _fixed(
        "full covariance", "normal", _normal([1, 2], np.sqrt([2, 3]))
    ),
    "fixed sample": _fixed("sample", "normal", _normal(np.ones(6), 2)),
    "fixed normals": _fixed("normals", "normal", _normal([0, 1], [1, 0.3])),
    "fixed laplace": _fixed("laplace", "uniform", LAPLACES),
    "fixed sample of laplace": _fixed(
        "sample of laplace", "uniform", 3 * [stats.laplace(1, 2).cdf]
    ),
    "fixed log-normal": _fixed(
        "log-normal",
        "uniform",
        [stats.lognorm(0.5, scale=np.exp(loc)).cdf for loc in (1, 2)],
    ),
}
