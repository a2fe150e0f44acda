"""What model.json says of the values of x and z, for each kind of layer."""

import numpy as np
import pytest

import tfvae
from tfvae.export.values import values_of


@pytest.mark.parametrize(
    ("layer", "lowest", "highest", "left_out", "whole", "joint"),
    [
        (tfvae.layers.Normal(3), None, None, [False, False], False, None),
        (tfvae.layers.Bernoulli((4, 4)), 0, 1, [False, False], True, None),
        (tfvae.layers.Binomial(3, 16), 0, 16, [False, False], True, None),
        (tfvae.layers.Poisson(3), 0, None, [False, False], True, None),
        (tfvae.layers.Categorical(3, 5), 0, 4, [False, False], True, None),
        (tfvae.layers.DiscretizedLogistic(3), 0, 255, [False, False], True, None),
        (tfvae.layers.ContinuousBernoulli(3), 0, 1, [False, False], False, None),
        (tfvae.layers.Beta(3), 0, 1, [True, True], False, None),
        (tfvae.layers.Gamma(3), 0, None, [True, False], False, None),
        (tfvae.layers.LogNormal(3), 0, None, [True, False], False, None),
        (tfvae.layers.VonMisesFisher(3), -1, 1, [False, False], False, "sphere"),
        (tfvae.layers.OneHotCategorical(3), 0, 1, [False, False], True, "one_hot"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_a_layer(layer, lowest, highest, left_out, whole, joint) -> None:
    (found,) = values_of(layer)
    assert found["layer"] == type(layer).__name__
    assert found["size"] == np.prod(layer.event_shape)
    assert (found["lowest"], found["highest"]) == (lowest, highest)
    assert (found["open"], found["whole"], found["joint"]) == (left_out, whole, joint)


def test_values_of_a_table() -> None:
    table = tfvae.layers.Table(
        {"age": tfvae.layers.Normal(2), "visits": tfvae.layers.Binomial(1, 12)}
    )
    age, visits = values_of(table)
    assert (age["name"], age["size"], age["lowest"]) == ("age", 2, None)
    assert (visits["name"], visits["size"], visits["highest"]) == ("visits", 1, 12)
