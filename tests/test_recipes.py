"""Recipes: the combination that each paper is, and that it trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.training import binary

import tfvae
from tfvae import objectives, recipes, schedules
from tfvae.objectives import ELBO, Reconstruction

SIZE = 64

# The arguments of each recipe, and what its objective must then be.
RECIPES = {
    "vae": ({}, ELBO()),
    "beta_vae": ({"beta": 3.0}, ELBO(beta=3.0)),
    "warm_up_vae": ({"num_steps": 9}, ELBO(beta=schedules.Linear(9))),
    "cyclical_vae": (
        {"period": 5, "num_cycles": 3, "rise": 0.25},
        ELBO(beta=schedules.Cyclical(5, 3, 0.25)),
    ),
    "free_nats_vae": ({"free_nats": 0.5}, ELBO(free_nats=0.5)),
    "capacity_vae": (
        {"capacity": 2.0, "num_steps": 9, "weight": 20.0},
        Reconstruction(
            penalties=[objectives.Capacity(20.0, schedules.Linear(9, 0.0, 2.0))]
        ),
    ),
    "geco_vae": (
        {"target": -3.0, "rate": 0.02},
        ELBO(penalties=[objectives.GECO(-3.0, 0.02)]),
    ),
    "iwae": (
        {"num_samples": 3, "gradient": "dreg"},
        objectives.ImportanceWeighted(3, "dreg"),
    ),
    "miwae": (
        {"num_groups": 2, "num_samples": 3},
        objectives.MultiplyImportanceWeighted(2, 3),
    ),
    "piwae": (
        {"num_groups": 2, "num_samples": 3},
        objectives.PartiallyImportanceWeighted(2, 3),
    ),
    "ciwae": (
        {"beta": 0.25, "num_samples": 3},
        objectives.CombinedImportanceWeighted(0.25, 3),
    ),
    "renyi_vae": ({"alpha": 0.25, "num_samples": 3}, objectives.Renyi(0.25, 3)),
    "beta_tc_vae": (
        {"beta": 5.0, "estimator": "weighted", "dataset_size": 70},
        ELBO(penalties=[objectives.TotalCorrelation(4.0, "weighted", 70)]),
    ),
    "dip_vae": (
        {"kind": "II", "off_diagonal": 4.0, "diagonal": 2.0},
        ELBO(penalties=[objectives.DIP(1.0, "II", 4.0, 2.0)]),
    ),
    "info_vae": (
        {"alpha": 0.25, "scale": 11.0, "kernel": "imq"},
        ELBO(
            beta=0.75,
            penalties=[objectives.MaximumMeanDiscrepancy(10.25, "imq")],
        ),
    ),
    "wae": (
        {"weight": 7.0, "kernel": "rbf"},
        Reconstruction(penalties=[objectives.MaximumMeanDiscrepancy(7.0, "rbf")]),
    ),
    "vamp_vae": ({"num_pseudo_inputs": 4}, ELBO()),
    "sigma_vae": ({}, ELBO()),
}


def parts(name: str) -> tuple[keras.Model, keras.Model]:
    scale = {"scale": "optimal"} if name == "sigma_vae" else {}
    family = tfvae.layers.Normal if scale else tfvae.layers.Bernoulli

    def stack(size: int, head: keras.layers.Layer) -> keras.Model:
        hidden = keras.layers.Dense(8, activation="tanh")
        return keras.Sequential([keras.Input((size,)), hidden, head])

    return stack(6, tfvae.layers.Normal(2)), stack(2, family(6, **scale))


def config(objective: objectives.Objective) -> str:
    """Without the names that Keras counts up."""
    text = str(keras.saving.serialize_keras_object(objective))
    names = [objective.name, *(p.name for p in getattr(objective, "penalties", ()))]
    for name in names:
        text = text.replace(f"'name': '{name}'", "")
    return text


def test_every_recipe_is_listed_here() -> None:
    assert set(RECIPES) == set(recipes.__all__)


def made(name: str) -> tfvae.VAE:
    return getattr(recipes, name)(
        *parts(name),
        **RECIPES[name][0],
        seed=3,
        optimizer=keras.optimizers.Adam(0.01),
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_its_combination(name) -> None:
    model = made(name)
    assert config(model.objective) == config(RECIPES[name][1])
    assert model.seed == 3


# One with a plain objective, one whose objective has penalties, one with several
# draws, and those that are more than an objective. tests/objectives trains the others.
@pytest.mark.parametrize("name", ["vae", "info_vae", "iwae", "vamp_vae", "sigma_vae"])
def test_a_recipe_trains(name) -> None:
    keras.utils.set_random_seed(0)
    model, x = made(name), binary(SIZE)
    if name == "vamp_vae":
        assert model.prior_layer.num_pseudo_inputs == 4
        model.prior_layer.adapt(x, seed=0)
    history = model.fit(x, batch_size=16, epochs=25, verbose=0).history
    assert np.all(np.isfinite(history["loss"]))
    assert history["reconstruction"][-1] > history["reconstruction"][0]


def test_the_defaults_are_those_of_the_functions() -> None:
    prior = tfvae.priors.Normal(2)
    model = recipes.vae(*parts("vae"), prior=prior, jit_compile=True)
    assert model.prior_layer is prior
    assert model.jit_compile is True
    assert recipes.iwae(*parts("iwae")).objective.num_samples == 50


RISING = tfvae.schedules.Linear(10, 1.0, 5.0)


def test_weights_of_recipes_take_schedules() -> None:
    step = tf.constant(10, tf.int64)
    tc = recipes.beta_tc_vae(*parts("vae"), beta=RISING).objective.penalties[0]
    assert float(tc.weight(step)) == 4.0
    info = recipes.info_vae(*parts("vae"), alpha=0.25, scale=RISING).objective
    assert float(info.penalties[0].weight(step)) == 4.25
    dip = recipes.dip_vae(*parts("vae"), off_diagonal=RISING).objective.penalties[0]
    assert dip.off_diagonal is RISING
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(tc)
    )
    assert again.weight.get_config() == tc.weight.get_config()
    assert float(again.weight(step)) == 4.0


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("info_vae", {"alpha": 1.5}, "`alpha` must be at most 1. Received: 1.5"),
        ("info_vae", {"scale": 0.5}, "`scale` must be at least 1 - alpha = 1"),
        ("beta_tc_vae", {"beta": 0.5}, "`beta` must be at least 1. Received: 0.5"),
        ("dip_vae", {"diagonal": -1.0}, "`diagonal` must not be negative"),
        ("ciwae", {"beta": RISING}, "`beta` must be at most 1"),
        ("vamp_vae", {"prior": None}, "vamp_vae.. takes no `prior`"),
        ("vae", {"objective": ELBO()}, "Each recipe brings its own `objective`"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(name, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(recipes, name)(*parts(name), **arguments)


def test_the_scale_must_be_one_that_is_fitted() -> None:
    with pytest.raises(ValueError, match='scale="optimal"'):
        recipes.sigma_vae(*parts("vae"))
