"""Likelihoods with data of their type, posteriors and priors, and which to combine."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfvae
from tfvae import layers, priors

__all__ = [
    "LIKELIHOODS",
    "POSTERIORS",
    "PRIORS",
    "Combination",
    "each_name_once",
    "full",
    "pairwise",
]

WIDTH = 4
EXAMPLES = 96


def _signal() -> np.ndarray:
    """Numbers in (-1, 1) that depend on two hidden ones: [N, WIDTH]."""
    rng = np.random.default_rng(100)
    hidden = rng.normal(size=(EXAMPLES, 2))
    return np.tanh(hidden @ rng.normal(size=(2, WIDTH)))


def _reals() -> np.ndarray:
    noise = np.random.default_rng(101).normal(0, 0.3, (EXAMPLES, WIDTH))
    return 2 * _signal() + noise


def _binary() -> np.ndarray:
    return (_signal() > 0).astype(float)


def _shares() -> np.ndarray:
    return 0.5 + 0.45 * _signal()


def _counts() -> np.ndarray:
    return np.random.default_rng(102).poisson(np.exp(1 + 1.5 * _signal()))


def _up_to(largest: int) -> Callable[[], np.ndarray]:
    def data() -> np.ndarray:
        return np.round((1 + _signal()) / 2 * largest)

    return data


def _one_hot() -> np.ndarray:
    return np.eye(WIDTH)[_signal().argmax(axis=-1)]


def _mixed() -> np.ndarray:
    real, binary, classes = _reals()[:, :2], _binary()[:, 2:3], _up_to(2)()[:, 3:]
    return np.concatenate([real, binary, classes], axis=-1)


def _directions() -> np.ndarray:
    x = _reals()
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _simplex() -> np.ndarray:
    x = np.exp(_signal())
    return x / x.sum(axis=-1, keepdims=True)


def _table() -> keras.layers.Layer:
    return layers.Table(
        {
            "size": layers.Normal(2),
            "ill": layers.Bernoulli(1),
            "kind": layers.Categorical(1, num_classes=3),
        }
    )


Data = Callable[[], np.ndarray]

LIKELIHOODS: dict[str, tuple[Callable[[], Any], Data]] = {
    "normal": (lambda: layers.Normal(WIDTH), _reals),
    "normal optimal": (lambda: layers.Normal(WIDTH, scale="optimal"), _reals),
    "tril": (lambda: layers.MultivariateNormalTriL(WIDTH), _reals),
    "low rank": (lambda: layers.MultivariateNormalLowRank(WIDTH, rank=2), _reals),
    "laplace": (lambda: layers.Laplace(WIDTH), _reals),
    "student-t": (lambda: layers.StudentT(WIDTH), _reals),
    "mixture": (lambda: layers.Mixture(layers.Normal(WIDTH), 3), _reals),
    "log-normal": (lambda: layers.LogNormal(WIDTH), lambda: np.exp(_reals())),
    "gamma": (lambda: layers.Gamma(WIDTH), lambda: np.exp(_signal())),
    "beta": (lambda: layers.Beta(WIDTH), _shares),
    "continuous bernoulli": (lambda: layers.ContinuousBernoulli(WIDTH), _shares),
    "bernoulli": (lambda: layers.Bernoulli(WIDTH), _binary),
    "binomial": (lambda: layers.Binomial(WIDTH, total_count=8), _up_to(8)),
    "categorical": (lambda: layers.Categorical(WIDTH, num_classes=5), _up_to(4)),
    "one-hot": (lambda: layers.OneHotCategorical(WIDTH), _one_hot),
    "relaxed one-hot": (
        lambda: layers.RelaxedOneHotCategorical(WIDTH, temperature=0.7),
        _simplex,
    ),
    "poisson": (lambda: layers.Poisson(WIDTH), _counts),
    "negative binomial": (lambda: layers.NegativeBinomial(WIDTH), _counts),
    "zero-inflated poisson": (lambda: layers.ZeroInflatedPoisson(WIDTH), _counts),
    "zero-inflated negative binomial": (
        lambda: layers.ZeroInflatedNegativeBinomial(WIDTH, library_size="observed"),
        _counts,
    ),
    "discretized logistic": (lambda: layers.DiscretizedLogistic(WIDTH), _up_to(255)),
    "discretized logistic mixture": (
        lambda: layers.DiscretizedLogisticMixture(WIDTH, num_components=2),
        _up_to(255),
    ),
    "von mises-fisher": (lambda: layers.VonMisesFisher(WIDTH), _directions),
    "table": (_table, _mixed),
}

POSTERIORS: dict[str, Callable[[], Any]] = {
    "normal": lambda: layers.Normal(2),
    "tril": lambda: layers.MultivariateNormalTriL(2),
    "low rank": lambda: layers.MultivariateNormalLowRank(2, rank=1),
    "student-t": lambda: layers.StudentT(2),
    "inverse autoregressive flow": lambda: layers.InverseAutoregressiveFlow(
        2, hidden_units=(8,), context_units=4, seed=0
    ),
    "coupling flow": lambda: layers.CouplingFlow(
        2, hidden_units=(8,), context_units=4, seed=0
    ),
    "householder flow": lambda: layers.HouseholderFlow(2, num_reflections=2),
    "gamma": lambda: layers.Gamma(2),
    "von mises-fisher": lambda: layers.VonMisesFisher(3),
    "relaxed one-hot": lambda: layers.RelaxedOneHotCategorical(3, temperature=0.7),
}

RARE_POSTERIORS: dict[str, Callable[[], Any]] = {
    "laplace": lambda: layers.Laplace(1),
    "log-normal": lambda: layers.LogNormal(2),
    "beta": lambda: layers.Beta(2),
    "continuous bernoulli": lambda: layers.ContinuousBernoulli(2),
    "table": lambda: layers.Table({"a": layers.Normal(1), "b": layers.Laplace(1)}),
}
"""Those of which the small set has one combination each, and not every pair."""

PRIORS: dict[str, Callable[[Any, int], Any]] = {
    "standard normal": lambda encoder, size: priors.StandardNormal(size),
    "normal": lambda encoder, size: priors.Normal(size),
    "gaussian mixture": lambda encoder, size: priors.GaussianMixture(size, 3, seed=0),
    "vamp": lambda encoder, size: priors.VampPrior(encoder, 5),
    "autoregressive flow": lambda encoder, size: priors.Flow(
        size, num_flows=2, hidden_units=(8,), seed=0
    ),
    "coupling flow": lambda encoder, size: priors.Flow(
        size, "coupling", num_flows=2, hidden_units=(8,), seed=0
    ),
    "uniform sphere": lambda encoder, size: priors.UniformSphere(size),
    "relaxed uniform": lambda encoder, size: priors.RelaxedUniform(size, 0.5),
}

_ONLY_FOR = {"uniform sphere": "von mises-fisher", "relaxed uniform": "relaxed one-hot"}
"""Priors over something else than real numbers, and the posterior each is for."""

_SPECIAL = {posterior: posterior for posterior in _ONLY_FOR.values()}

_IMPOSSIBLE = [("laplace", "coupling flow")]
"""A posterior of one latent, and a prior that needs two."""


@dataclasses.dataclass(frozen=True)
class Combination:
    """Names of a likelihood, a posterior and a prior."""

    likelihood: str
    posterior: str
    prior: str

    def __str__(self) -> str:
        return f"{self.likelihood} | {self.posterior} | {self.prior}"

    def data(self) -> np.ndarray:
        return LIKELIHOODS[self.likelihood][1]().astype("float32")

    def model(self) -> tfvae.VAE:
        """A small model, with data of about unit size going into its encoder."""
        keras.utils.set_random_seed(0)
        likelihood = LIKELIHOODS[self.likelihood][0]()
        posterior = (POSTERIORS | RARE_POSTERIORS)[self.posterior]()
        encoder = keras.Sequential(
            [
                keras.Input(likelihood.event_shape),
                keras.layers.Rescaling(1 / np.std(self.data())),
                keras.layers.Dense(8, activation="tanh"),
                posterior,
            ]
        )
        decoder = keras.Sequential(
            [
                keras.Input(posterior.event_shape),
                keras.layers.Dense(8, activation="tanh"),
                likelihood,
            ]
        )
        prior = PRIORS[self.prior](encoder, posterior.event_shape[0])
        return tfvae.VAE(encoder, decoder, prior, seed=0)


def full() -> list[Combination]:
    """Every combination in which prior and posterior are over the same thing."""
    pairs = [
        (posterior, prior)
        for posterior, prior in itertools.product(POSTERIORS | RARE_POSTERIORS, PRIORS)
        if prior == "vamp" or _ONLY_FOR.get(prior) == _SPECIAL.get(posterior)
    ]
    return [
        Combination(likelihood, *pair)
        for likelihood in LIKELIHOODS
        for pair in pairs
        if pair not in _IMPOSSIBLE
    ]


@functools.cache
def pairwise() -> tuple[Combination, ...]:
    """Every posterior with every prior that it can meet, over likelihoods in turn.

    A likelihood sees of both no more than draws of z. A rare posterior is in one.
    """
    rare = zip(RARE_POSTERIORS, LIKELIHOODS, PRIORS, strict=False)
    chosen = [Combination(one, two, three) for two, one, three in rare]
    pairs = {(one.posterior, one.prior): None for one in full()}
    pairs = [pair for pair in pairs if pair[0] in POSTERIORS]
    turns = itertools.cycle(LIKELIHOODS)
    return (*chosen, *(Combination(next(turns), *pair) for pair in pairs))


def each_name_once() -> tuple[Combination, ...]:
    """Some of `pairwise` that hold every name of every part, chosen greedily."""

    def names(one: Combination) -> set[tuple[str, str]]:
        return set(dataclasses.asdict(one).items())

    chosen, missing = [], {name for one in pairwise() for name in names(one)}
    while missing:
        chosen.append(max(pairwise(), key=lambda one: len(missing & names(one))))
        missing -= names(chosen[-1])
    return tuple(chosen)
