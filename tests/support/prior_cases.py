"""Distributions that make fixed priors, and every public prior with its oracle."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from scipy import special, stats
from support.cases.flows import bent
from support.families import flows
from support.families.base import smallest_scale
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.priors import (
    Fixed,
    Flow,
    GaussianMixture,
    Normal,
    Prior,
    RelaxedUniform,
    StandardNormal,
    UniformSphere,
    VampPrior,
)

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
    "relaxed classes": lambda: tfvae.distributions.RelaxedOneHotCategorical(
        0.5, logits=[1.0, 2.0, 3.0]
    ),
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


Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True)
class PriorCase:
    """A public prior.

    Attributes:
        make: Makes it with these arguments of the base class.
        noise: What its `transform` takes.
        arguments: The names of the constructor's arguments.
        uniforms: Maps the prior and draws [S, N] to numbers [S, M], each of which is
            uniform on (0, 1) over the draws, in SciPy.
        log_prob: Maps the prior and z [S, N] to the log density [S], in SciPy.
        nodes: Points [M, N] and weights [M] that integrate the density.
        mass: The error that is left in this quadrature.
        weights: The number of the prior's weights.
    """

    make: Callable[..., Prior]
    noise: str
    arguments: set[str]
    uniforms: Callable[[Any, Array], Array]
    log_prob: Callable[[Any, Array], Array] | None = None
    nodes: tuple[Array, Array] | None = None
    mass: float = 1e-6
    weights: int = 0


def encoder_of(prior: Prior) -> keras.Model | None:
    """The encoder that a prior was made with, where it takes one."""
    return prior._borrowed.encoder if isinstance(prior, VampPrior) else None


def numbers(weight: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(weight), np.float64)


# Draws of known distributions.


def _columns(marginals: list[Callable[..., Any]]) -> Callable[[Any, Array], Array]:
    def uniforms(_: Any, z: Array) -> Array:
        assert z.shape[-1] == len(marginals)
        parts = zip(marginals, z.T, strict=True)
        return np.stack([marginal(column) for marginal, column in parts], -1)

    return uniforms


def _normal(loc: Any, scale: Any) -> list[Any]:
    loc, scale = np.broadcast_arrays(loc, scale)
    return [stats.norm(*pair) for pair in zip(loc.flat, scale.flat, strict=True)]


def _fixed(
    key: str,
    noise: str,
    marginals: list[Any],
    log_prob: Callable[[Array], Array] | None = None,
) -> PriorCase:
    """A distribution with these marginals, independent unless its density is given."""

    def independent(z: Array) -> Array:
        parts = zip(marginals, z.T, strict=True)
        return np.sum([one.logpdf(column) for one, column in parts], 0)

    make = FIXED[key]
    return PriorCase(
        lambda **kwargs: Fixed(make(), **kwargs),
        noise,
        {"distribution"},
        _columns([one.cdf for one in marginals]),
        lambda _, z: (log_prob or independent)(z),
    )


LAPLACES = [stats.laplace(0, 2), stats.laplace(1, 0.1)]

ROOT = np.array([[1.0, 0.0], [2.0, 3.0]])


# Mixtures of normals.


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Weights [K], means and standard deviations [K, N]."""

    weights: Array
    loc: Array
    scale: Array

    def log_prob(self, z: Array) -> Array:
        elements = stats.norm.logpdf(z[:, None], self.loc, self.scale)
        return special.logsumexp(elements.sum(-1), b=self.weights, axis=-1)

    def uniforms(self, z: Array) -> Array:
        below = stats.norm.cdf(z[:, None], self.loc, self.scale)
        return np.einsum("k,skn->sn", self.weights, below)


def _learned(prior: Any) -> Mixture:
    loc = numbers(prior.loc).reshape(1, -1)
    scale = smallest_scale(numbers(prior.raw_scale)).reshape(1, -1)
    return Mixture(np.ones(1), loc, scale)


def _mixture(prior: Any) -> Mixture:
    count = prior.num_components
    loc, raw = (numbers(w).reshape(count, -1) for w in (prior.loc, prior.raw_scale))
    weights = special.softmax(numbers(prior.logits))
    return Mixture(weights, loc, smallest_scale(raw))


def _posteriors(prior: Any) -> Mixture:
    """The encoder of `_vamp`, written out."""
    kernel, bias, head, offset = map(numbers, encoder_of(prior).weights)
    features = np.tanh(numbers(prior.pseudo_inputs) @ kernel + bias)
    loc, raw = np.split(features @ head + offset, 2, axis=-1)
    count = len(loc)
    return Mixture(np.full(count, 1 / count), loc, smallest_scale(raw))


def _scattered(prior: Any, seed: int) -> Any:
    """The prior with other weights than those that it starts with."""
    rng = np.random.default_rng(seed)
    for weight in prior.weights:
        weight.assign(rng.normal(0, 0.7, weight.shape) + numbers(weight))
    return prior


def encoder(dtype: Any = None) -> keras.Sequential:
    """From four numbers to two latents, with weights that are not tiny."""
    start = keras.initializers.RandomNormal(stddev=0.8, seed=3)
    return keras.Sequential(
        [
            keras.Input((4,), dtype="float64" if dtype == "float64" else "float32"),
            keras.layers.Dense(
                5, activation="tanh", kernel_initializer=start, dtype=dtype
            ),
            tfvae.layers.Normal(
                2,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=4),
                bias_initializer="ones",
                dtype=dtype,
            ),
        ]
    )


def _vamp(**kwargs: Any) -> Prior:
    return VampPrior(
        encoder(kwargs.get("dtype")),
        num_pseudo_inputs=6,
        initializer=keras.initializers.RandomNormal(stddev=0.9, seed=4),
        constraint=tfvae.priors.Interval(-1.5, 1.5),
        **kwargs,
    )


def _with(mixture: Callable[[Any], Mixture]) -> dict[str, Any]:
    return {
        "uniforms": lambda prior, z: mixture(prior).uniforms(z),
        "log_prob": lambda prior, z: mixture(prior).log_prob(z),
    }


# Flows.


def _flow(kind: str, size: int = 2) -> PriorCase:
    def make(**kwargs: Any) -> Prior:
        prior = Flow(
            size,
            kind,
            num_flows=3,
            hidden_units=(8, 7),
            activation="sigmoid",
            seed=1,
            **kwargs,
        )
        return bent(prior)

    def standard(prior: Any, z: Array) -> tuple[Array, Array]:
        return flows.pull(kind, prior.networks, z, None)

    def log_prob(prior: Any, z: Array) -> Array:
        base, volume = standard(prior, z)
        return stats.norm.logpdf(base).sum(-1) + volume

    return PriorCase(
        make,
        "normal",
        {
            "event_shape",
            "kind",
            "num_flows",
            "hidden_units",
            "activation",
            "seed",
        },
        lambda prior, z: stats.norm.cdf(standard(prior, z)[0]),
        log_prob,
        nodes=_square(14, 561) if size == 2 else None,
        weights=18,
    )


def _square(reach: float, points: int) -> tuple[Array, Array]:
    line = np.linspace(-reach, reach, points)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    return grid, np.full(len(grid), (line[1] - line[0]) ** 2)


# The sphere and the simplex.


def _on_sphere(_: Any, z: Array) -> Array:
    size = z.shape[-1]
    return stats.beta.cdf((z + 1) / 2, (size - 1) / 2, (size - 1) / 2)


def _sphere_density(_: Any, z: Array) -> Array:
    half = z.shape[-1] / 2
    log_area = np.log(2) + half * np.log(np.pi) - special.gammaln(half)
    return np.full(len(z), -log_area)


def _relaxed(prior: Any, z: Array) -> Array:
    """Differences of two Gumbel numbers are logistic."""
    logs = np.log(z.reshape(len(z), *prior.event_shape))
    differences = prior.temperature * (logs[..., :-1] - logs[..., -1:])
    return stats.logistic.cdf(differences).reshape(len(z), -1)


def _relaxed_density(prior: Any, z: Array) -> Array:
    logs, t = np.log(z.reshape(len(z), *prior.event_shape)), prior.temperature
    count = logs.shape[-1]
    elements = (
        special.gammaln(count)
        + (count - 1) * np.log(t)
        - (t + 1) * logs.sum(-1)
        - count * special.logsumexp(-t * logs, axis=-1)
    )
    return elements.reshape(len(z), -1).sum(-1)


def _simplex() -> tuple[Array, Array]:
    """Three classes, from a grid over log(z_1 / z_3) and log(z_2 / z_3)."""
    grid, area = _square(40, 401)
    z = special.softmax(np.pad(grid, ((0, 0), (0, 1))), axis=-1)
    return z, area * z.prod(-1)


PRIORS = {
    "standard normal": PriorCase(
        lambda **kwargs: StandardNormal((2, 3), **kwargs),
        "normal",
        {"event_shape"},
        _columns([stats.norm.cdf] * 6),
        lambda _, z: stats.norm.logpdf(z).sum(-1),
    ),
    "normal": PriorCase(
        lambda **kwargs: _scattered(Normal((2, 3), **kwargs), 0),
        "normal",
        {"event_shape"},
        **_with(_learned),
        weights=2,
    ),
    "gaussian mixture": PriorCase(
        lambda **kwargs: _scattered(GaussianMixture(2, 4, seed=5, **kwargs), 1),
        "uniform",
        {"event_shape", "num_components", "seed"},
        **_with(_mixture),
        nodes=_square(10, 801),
        weights=3,
    ),
    "gaussian mixture of images": PriorCase(
        lambda **kwargs: _scattered(GaussianMixture((3, 2), 4, seed=5, **kwargs), 1),
        "uniform",
        {"event_shape", "num_components", "seed"},
        **_with(_mixture),
        weights=3,
    ),
    "vamp": PriorCase(
        _vamp,
        "uniform",
        {
            "encoder",
            "num_pseudo_inputs",
            "data_shape",
            "event_shape",
            "initializer",
            "constraint",
        },
        **_with(_posteriors),
        nodes=_square(10, 801),
        weights=1,
    ),
    "masked autoregressive flow": _flow("masked_autoregressive"),
    "masked autoregressive flow of five": _flow("masked_autoregressive", 5),
    "coupling flow": _flow("coupling"),
    "coupling flow of five": _flow("coupling", 5),
    "uniform sphere": PriorCase(
        lambda **kwargs: UniformSphere(4, **kwargs),
        "normal",
        {"event_shape"},
        _on_sphere,
        _sphere_density,
    ),
    "relaxed uniform": PriorCase(
        lambda **kwargs: RelaxedUniform(3, temperature=0.7, **kwargs),
        "uniform",
        {"event_shape", "temperature"},
        _relaxed,
        _relaxed_density,
        nodes=_simplex(),
    ),
    "relaxed uniform of two": PriorCase(
        lambda **kwargs: RelaxedUniform((2, 4), temperature=1.5, **kwargs),
        "uniform",
        {"event_shape", "temperature"},
        _relaxed,
        _relaxed_density,
    ),
    "fixed diag": _fixed("diag", "normal", _normal([1, -2], [0.5, 2])),
    "fixed tril": _fixed(
        "tril",
        "normal",
        _normal([1, 2], [1, np.sqrt(13)]),
        stats.multivariate_normal([1, 2], ROOT @ ROOT.T).logpdf,
    ),
    "fixed tril without loc": _fixed(
        "tril without loc",
        "normal",
        _normal([0, 0], [1, np.sqrt(13)]),
        stats.multivariate_normal([0, 0], ROOT @ ROOT.T).logpdf,
    ),
    "fixed full covariance": _fixed(
        "full covariance",
        "normal",
        _normal([1, 2], np.sqrt([2, 3])),
        stats.multivariate_normal([1, 2], [[2, 0.5], [0.5, 3]]).logpdf,
    ),
    "fixed sample": _fixed("sample", "normal", _normal(np.ones(6), 2)),
    "fixed normals": _fixed("normals", "normal", _normal([0, 1], [1, 0.3])),
    "fixed laplace": _fixed("laplace", "uniform", LAPLACES),
    "fixed sample of laplace": _fixed(
        "sample of laplace", "uniform", 3 * [stats.laplace(1, 2)]
    ),
    "fixed log-normal": _fixed(
        "log-normal",
        "uniform",
        [stats.lognorm(0.5, scale=np.exp(loc)) for loc in (1, 2)],
    ),
}
