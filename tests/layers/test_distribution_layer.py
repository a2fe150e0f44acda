"""`distribution_layer`: which layer a model ends in."""

import keras
import numpy as np
import pytest

import tfvae
from tfvae.layers import distribution_layer


class Subclassed(keras.Model):
    """An encoder that ends in the layers that it is given."""

    def __init__(self, *heads: keras.layers.Layer) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(3)
        self.heads = list(heads)

    def call(self, x):
        return self.heads[-1](self.hidden(x))


def sequential(*layers: keras.layers.Layer) -> keras.Sequential:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), *layers])


def functional(head: keras.layers.Layer) -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, head(keras.layers.Dense(3)(inputs)))


def functional_with_a_late_side_branch(head: keras.layers.Layer) -> keras.Model:
    """The layer that ends the model was not the last one to be called."""
    inputs = keras.Input((4,))
    first = keras.layers.Dense(3)(inputs)
    second = keras.layers.Dense(3)(first)
    return keras.Model(inputs, head(keras.layers.Add()([second, first])))


MODELS = {
    "layer": lambda head: head,
    "sequential": sequential,
    "unbuilt": lambda head: keras.Sequential([keras.layers.Dense(3), head]),
    "functional": functional,
    "branches": functional_with_a_late_side_branch,
    "subclassed": Subclassed,
    "sequential in sequential": lambda head: keras.Sequential(
        [keras.layers.Dense(4), sequential(head)]
    ),
    "functional in functional": lambda head: functional(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), head])
    ),
    "sequential in subclassed": lambda head: Subclassed(
        keras.Sequential([keras.layers.Dense(2), head])
    ),
    "functional in sequential": lambda head: keras.Sequential([functional(head)]),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_it_finds_the_layer(make) -> None:
    head = tfvae.layers.Normal(2)
    model = make(head)
    assert distribution_layer("encoder", model) is head
    features = np.ones((5, 4 if model is not head else 3), np.float32)
    assert model(features).event_shape == (2,)
    assert distribution_layer("encoder", model) is head


@pytest.mark.parametrize("value", [None, "encoder", 3, np.ones(3), lambda x: x])
def test_what_is_no_model(value) -> None:
    message = r"`encoder` must be a Keras model that ends in a layer of tfvae\.layers\."
    with pytest.raises(ValueError, match=message + " Received: "):
        distribution_layer("encoder", value)


def test_a_model_that_ends_in_another_layer() -> None:
    message = r"`decoder` must end in a distribution layer such as tfvae\.layers\.Norm"
    for model in (
        sequential(),
        functional(keras.layers.Dense(2, name="last")),
        Subclassed(keras.layers.Dense(2)),
        keras.Sequential(),
        keras.Sequential([tfvae.layers.Normal(2), keras.layers.Dense(2)]),
    ):
        with pytest.raises(ValueError, match=message):
            distribution_layer("decoder", model)


def test_the_last_layer_is_named() -> None:
    with pytest.raises(ValueError, match=r"Its last layer is <Dense name=last"):
        distribution_layer("decoder", functional(keras.layers.Dense(2, name="last")))


def test_a_subclassed_model_with_two_of_them() -> None:
    model = Subclassed(
        tfvae.layers.Normal(2, name="one"), tfvae.layers.Normal(2, name="two")
    )
    message = r"`encoder` is a subclassed model with several .*\(one, two\)"
    with pytest.raises(ValueError, match=message):
        distribution_layer("encoder", model)
