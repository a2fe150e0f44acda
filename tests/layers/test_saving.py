"""Layers in `.keras` files: every constructor argument, and equal outputs."""

import inspect

import keras
import numpy as np
import pytest
from support.layer_cases import CASES, CLASSES, names

from tfvae.layers import DistributionLayer

every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))

# Values that are nowhere the default.
ARGUMENTS = {
    "projection": None,
    "kernel_initializer": keras.initializers.RandomNormal(stddev=0.5, seed=1),
    "bias_initializer": keras.initializers.Constant(0.25),
    "kernel_regularizer": keras.regularizers.L2(0.125),
    "name": "head",
    "dtype": "mixed_float16",
    "trainable": False,
}


def constructor_arguments(cls: type) -> set[str]:
    """The names that a constructor and those above it take, Keras's own left out."""
    return {
        name
        for base in cls.__mro__
        if issubclass(base, DistributionLayer) and "__init__" in vars(base)
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }


def assert_equal_outputs(one, two, head, features) -> None:
    parameters = head.parameters(one(features))
    assert parameters.keys() == head.parameters(two(features)).keys()
    for name, value in head.parameters(two(features)).items():
        np.testing.assert_array_equal(value, parameters[name])


@every_class
def test_the_config_holds_every_argument(case) -> None:
    layer = case.layer(3, **ARGUMENTS)
    config = layer.get_config()
    assert constructor_arguments(case.cls) <= config.keys()
    again = case.cls.from_config(config)
    for name in constructor_arguments(case.cls) | {"name", "trainable"}:
        one, two = getattr(layer, name), getattr(again, name)
        if isinstance(one, DistributionLayer):
            assert type(one) is type(two)
            one, two = one.get_config(), two.get_config()
        elif isinstance(one, dict):  # of layers
            one, two = ([(k, v.get_config()) for k, v in d.items()] for d in (one, two))
        if isinstance(one, (keras.Initializer, keras.Regularizer)):
            assert type(one) is type(two)
            one, two = one.get_config(), two.get_config()
        assert one == two
    assert again.dtype_policy == layer.dtype_policy
    assert again.get_config() == config


@every_class
def test_every_argument_has_a_value_here_that_is_not_its_default(case) -> None:
    """Otherwise a config that drops it would not be noticed."""
    defaults = inspect.signature(case.cls.__init__).parameters
    given = {
        name
        for other in CASES
        if other.cls is case.cls
        for name, value in other.arguments.items()
        if value is not defaults[name].default and value != defaults[name].default
    }
    wanted = constructor_arguments(case.cls) - {*ARGUMENTS, *case.shape_arguments}
    assert wanted <= given


@every_class
@pytest.mark.parametrize("projection", ["dense", None])
def test_a_file_gives_the_same_outputs(case, projection, tmp_path) -> None:
    event = case.event()
    width = 7 if projection else sum(case.oracle(event).sizes.values())
    arguments = ARGUMENTS | {"projection": projection, "trainable": True}
    head = case.layer(event, **arguments)
    model = keras.Sequential([keras.Input((width,)), head])
    # Move every weight away from where it starts.
    rng = np.random.default_rng(50)
    model.set_weights([w + rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path, compile=False, safe_mode=True)
    again = loaded.layers[-1]
    assert type(again) is case.cls
    assert again.get_config() == head.get_config()
    assert again.event_shape == event
    features = rng.normal(size=(4, width)).astype(np.float32)
    assert_equal_outputs(model, loaded, head, features)
    assert len(loaded.losses) == len(model.losses) == (1 if projection else 0)


@every_class
def test_initialisers_and_regularisers_reach_the_projection(case) -> None:
    layer = case.layer(3, **ARGUMENTS | {"projection": "dense", "trainable": True})
    layer.build((None, 200))
    kernel, bias = layer.weights[-2:]
    assert 0.4 < np.std(kernel) < 0.6
    np.testing.assert_array_equal(bias, np.full(bias.shape, 0.25, np.float32))
    penalty = 0.125 * np.square(kernel.numpy().astype(float)).sum()
    np.testing.assert_allclose(layer.losses[0], penalty, rtol=1e-5)


@every_class
def test_a_clone_has_the_same_arguments(case) -> None:
    model = keras.Sequential([keras.Input((7,)), case.layer(3, name="head")])
    clone = keras.models.clone_model(model)
    assert clone.layers[-1].get_config() == model.layers[-1].get_config()
    assert clone.layers[-1] is not model.layers[-1]
    clone.set_weights(model.get_weights())
    features = np.ones((2, 7), np.float32)
    assert_equal_outputs(model, clone, model.layers[-1], features)
