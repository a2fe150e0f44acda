"""Fixed priors: what they save, what they refuse, what they never make from a file."""

import json
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from support.prior_cases import FIXED
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.priors import Fixed

every_distribution = pytest.mark.parametrize("make", FIXED.values(), ids=FIXED.keys())


def saved(distribution: tfd.Distribution) -> dict:
    """The config after it was in a file."""
    return json.loads(json.dumps(Fixed(distribution).get_config()))


@every_distribution
def test_a_distribution_comes_back_from_json(make) -> None:
    p = make()
    q = Fixed.from_config(saved(p)).distribution
    assert type(q).__name__ == type(p).__name__
    assert type(q).__module__ == type(p).__module__
    assert q.name == p.name
    assert q.dtype == p.dtype
    assert q.event_shape == p.event_shape
    x = tf.identity(p.sample(5, seed=1))  # a new tensor, which no bijector remembers
    np.testing.assert_array_equal(q.log_prob(x), make().log_prob(x))
    seed = [1, 2]  # one number alone would be a stateful seed
    np.testing.assert_array_equal(q.sample(5, seed=seed), p.sample(5, seed=seed))


@every_distribution
def test_the_distribution_is_the_one_that_was_given(make) -> None:
    p = make()
    prior = Fixed(p)
    assert prior.distribution is p
    assert prior.event_shape == tuple(p.event_shape)
    assert prior.weights == []


NO_NOISE = {
    "dirichlet",
    "von mises-fisher",
    "relaxed classes",
    "mixture",
    "transformed",
}


@every_distribution
def test_noise_is_none_where_no_function_of_it_is_known(make, request) -> None:
    prior = Fixed(make())
    known = request.node.callspec.id not in NO_NOISE
    assert prior.noise in (("normal", "uniform") if known else (None,))


ours = tfvae.distributions
ONES = np.ones(3, np.float32)
COUNTS = {
    "deterministic": lambda: tfd.Deterministic(ONES),
    "finite": lambda: tfd.FiniteDiscrete([0.0, 1.0], probs=np.full((3, 2), 0.5)),
    "masked": lambda: tfd.Masked(tfd.Poisson(ONES), True),
    "quantized": lambda: tfd.QuantizedDistribution(tfd.Normal(ONES, 1.0)),
    "our Poisson": lambda: ours.Poisson(ONES),
    "our zero-inflated Poisson": lambda: ours.ZeroInflatedPoisson(ONES, ONES),
    "our discretized logistic": lambda: ours.DiscretizedLogistic(ONES, ONES),
}


@pytest.mark.parametrize("make", COUNTS.values(), ids=COUNTS.keys())
def test_masses_are_no_density_over_real_numbers(make) -> None:
    assert Fixed(tfd.Independent(make(), 1)).measure == "counting"


def test_other_measures() -> None:
    relaxed = ours.RelaxedOneHotCategorical(0.5, logits=ONES)
    assert Fixed(relaxed).measure == "simplex"
    parts = [tfd.Sample(tfd.Poisson(rate), 3) for rate in (1.0, 2.0)]
    two = tfd.Mixture(tfd.Categorical(probs=[0.5, 0.5]), parts)
    assert Fixed(two).measure == "counting"
    assert Fixed(tfd.Sample(tfd.Laplace(0.0, 1.0), 3)).measure == "lebesgue"
    real, counts = tfd.Sample(tfd.Normal(0.0, 1.0), 2), tfd.Sample(tfd.Poisson(1.0), 1)
    assert Fixed(ours.Columns([real, counts])).measure == "mixed"
    assert Fixed(ours.Columns([real, real])).measure == "lebesgue"


def test_numbers_survive_to_the_last_bit() -> None:
    scale = np.random.default_rng(81).uniform(0.1, 3, 50).astype(np.float32)
    p = tfd.MultivariateNormalDiag(np.zeros(50, np.float32), scale)
    q = Fixed.from_config(saved(p)).distribution
    np.testing.assert_array_equal(q.stddev(), p.stddev())


def test_arguments_that_are_not_the_default() -> None:
    p = tfd.Independent(
        tfd.Normal([0.0, 1.0], 2.0, validate_args=True, allow_nan_stats=False),
        reinterpreted_batch_ndims=1,
        validate_args=True,
        name="mine",
    )
    q = Fixed.from_config(saved(p)).distribution
    assert q.name == "mine"
    assert q.validate_args
    assert q.distribution.validate_args
    assert not q.distribution.allow_nan_stats


@pytest.mark.parametrize("value", [None, "normal", 1.0, tfb.Exp(), tfd.Normal])
def test_what_is_no_distribution(value) -> None:
    with pytest.raises(ValueError, match=r"`distribution` must be a tfd\.Distribution"):
        Fixed(value)


class Normal(tfd.Normal):
    """A class of somebody else, of the name of one of TensorFlow Probability."""


class Strange(tfd.Normal):
    """A class of somebody else."""

    extra: ClassVar[int] = 1


class StrangeBijector(tfb.Exp):
    """A bijector of somebody else."""


def transformed(bijector: tfb.Bijector) -> tfd.Distribution:
    return tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0]), bijector
    )


REFUSED = {
    "variable": (
        lambda: tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]), [1.0, 1.0]),
        r"`distribution\.loc` holds a variable.* trainable prior",
    ),
    "variable inside": (
        lambda: tfd.Independent(tfd.Laplace([0.0, 1.0], tf.Variable(1.0)), 1),
        r"`distribution\.distribution\.scale` holds a variable",
    ),
    "variable in a bijector": (
        lambda: transformed(tfb.Chain([tfb.Exp(), tfb.Shift(tf.Variable([0.0, 0.0]))])),
        r"`distribution\.bijector\.bijectors\[1\]\.shift` holds a variable",
    ),
    "transformed variable": (
        lambda: tfd.MultivariateNormalDiag(
            [0.0, 0.0], tfp.util.TransformedVariable([1.0, 1.0], tfb.Exp())
        ),
        r"`distribution\.scale_diag` holds a TransformedVariable",
    ),
    "Keras variable": (
        lambda: tfd.Sample(tfd.Normal(0.0, keras.Variable(1.0)), 2),
        r"`distribution\.distribution\.scale` holds a",
    ),
    "function": (
        lambda: transformed(tfb.Inline(forward_fn=tf.exp, forward_min_event_ndims=0)),
        r"`distribution\.bijector\.forward_fn` holds a function, which cannot be saved",
    ),
    "namesake": (
        lambda: tfd.Independent(Normal([0.0, 1.0], 1.0), 1),
        r"`distribution\.distribution` holds a Normal, which cannot be saved",
    ),
    "foreign class": (
        lambda: tfd.Independent(Strange([0.0, 1.0], 1.0), 1),
        r"`distribution\.distribution` holds a Strange, which cannot be saved",
    ),
    "foreign bijector": (
        lambda: transformed(StrangeBijector()),
        r"`distribution\.bijector` holds a StrangeBijector",
    ),
    "batch": (
        lambda: tfd.Normal(np.zeros((3, 2), "f"), 1.0),
        r"`distribution` must have the batch shape \[\]; .*tfd\.Independent.*\[3, 2\]",
    ),
    "batch of vectors": (
        lambda: tfd.MultivariateNormalDiag(np.zeros((3, 2), "f"), [1.0, 1.0]),
        r"`distribution` must have the batch shape \[\]; .*tfd\.Independent.*\[3\]",
    ),
    "scalar": (
        lambda: tfd.Normal(0.0, 1.0),
        r"`distribution` must have at least one event axis; .*tfd\.Sample",
    ),
    "joint": (
        lambda: tfd.JointDistributionSequential(
            [tfd.Sample(tfd.Normal(0.0, 1.0), 2), tfd.Sample(tfd.Normal(0.0, 1.0), 3)]
        ),
        r"`distribution` must be over one tensor",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_and_how_it_is_named(make, message) -> None:
    distribution = make()
    with pytest.raises(ValueError, match=message):
        Fixed(distribution)


DOCTORED = {
    "other library": {"library": "os", "class": "system"},
    "other module": {"library": "tensorflow", "class": "Module"},
    "function of the library": {"library": "tfd", "class": "kl_divergence"},
    "decorator of the library": {"library": "tfd", "class": "RegisterKL"},
    "module of the library": {"library": "tfd", "class": "__builtins__"},
    "private name": {"library": "tfvae", "class": "__loader__"},
    "unknown class": {"library": "tfb", "class": "NoSuchBijector"},
    "no name": {"library": None, "class": None},
    "a list": {"library": ["tfd"], "class": "Normal"},
    "other parameters": {"parameters": {"command": "true"}},
    "parameters that are none": {"parameters": None},
    "no parameters": {"parameters": {}},
}


@pytest.mark.parametrize("change", DOCTORED.values(), ids=DOCTORED.keys())
def test_a_doctored_file_makes_nothing(change) -> None:
    config = saved(tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0]))
    config["distribution"] |= change
    with pytest.raises(ValueError, match=r"fixed prior (was saved with|is damaged)"):
        Fixed.from_config(config)
    inside = saved(tfd.Sample(tfd.Normal(0.0, 1.0), 2))
    inside["distribution"]["parameters"]["distribution"] |= change
    with pytest.raises(ValueError, match=r"fixed prior (was saved with|is damaged)"):
        Fixed.from_config(inside)


def test_a_foreign_class_is_named() -> None:
    config = saved(tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0]))
    config["distribution"] |= {"library": "os", "class": "system"}
    with pytest.raises(ValueError, match="'system' of 'os', which is no distribution"):
        Fixed.from_config(config)


@pytest.mark.parametrize("damage", [None, 3, "normal", {}, {"tensor": [1.0]}])
def test_a_damaged_config(damage) -> None:
    with pytest.raises(ValueError, match=r"prior is damaged|`distribution` must"):
        Fixed.from_config({"distribution": damage})
