"""Every bad argument and every bad shape gets one clear sentence."""

import numpy as np
import pytest
from support.layer_cases import CLASSES, names

import tfvae
from tfvae.layers import DistributionLayer

every_class = pytest.mark.parametrize("case", CLASSES, ids=names(CLASSES))


def refused(message: str):
    return pytest.raises(ValueError, match=message)


@every_class
@pytest.mark.parametrize(
    "shape", [0, -1, 1.5, True, "28", None, (), [], (2, 0), (2, 1.5), (None, 2), {2: 3}]
)
def test_event_shape(case, shape) -> None:
    with refused(r"`event_shape` must be a positive integer.* Received: "):
        case.layer(shape)


@every_class
def test_event_shapes_that_mean_the_same(case) -> None:
    for shape in (3, [3], (3,), np.int64(3), (np.int32(3),)):
        layer = case.layer(shape)
        assert layer.event_shape == (3,)
        assert type(layer.event_shape[0]) is int


@every_class
@pytest.mark.parametrize("projection", ["conv", "", True, 0, "Dense"])
def test_projection(case, projection) -> None:
    message = r"`projection` must be one of 'dense', None\. Received: "
    with refused(message):
        case.layer(3, projection=projection)


@every_class
@pytest.mark.parametrize(
    "argument", ["kernel_initializer", "bias_initializer", "kernel_regularizer"]
)
def test_initialisers_and_regularisers(case, argument) -> None:
    with refused("no_such_thing"):
        case.layer(3, **{argument: "no_such_thing"})


@every_class
def test_unknown_arguments(case) -> None:
    with pytest.raises((TypeError, ValueError), match="no_such_argument"):
        case.layer(3, no_such_argument=1)


@pytest.mark.parametrize("scale", [0, -1.0, np.nan, np.inf, True, None, (1.0,)])
def test_scale_numbers(scale) -> None:
    with refused(r"`scale` must be a finite number greater than 0\. Received: "):
        tfvae.layers.Normal(3, scale=scale)


@pytest.mark.parametrize("scale", ["global", "", "0.5"])
def test_scale_names(scale) -> None:
    message = r"`scale` must be one of 'elementwise', 'shared', 'optimal'\. Received: "
    with refused(message + repr(scale)):
        tfvae.layers.Normal(3, scale=scale)


@pytest.mark.parametrize("total_count", [0, -1, 16.0, True, "16", None])
def test_total_count(total_count) -> None:
    with refused(r"`total_count` must be a positive integer\. Received: "):
        tfvae.layers.Binomial(3, total_count)


def test_total_count_has_an_end() -> None:
    with refused(r"`total_count` must be at most 65535\. Received: 65536\."):
        tfvae.layers.Binomial(3, 65_536)
    assert tfvae.layers.Binomial(3, np.int64(65_535)).total_count == 65_535


@pytest.mark.parametrize("shape", [(2, 2), (1, 1, 3)])
def test_a_full_covariance_has_one_axis(shape) -> None:
    with refused(r"`event_shape` of MultivariateNormalTriL must have one axis\. Rec"):
        tfvae.layers.MultivariateNormalTriL(shape)


@every_class
@pytest.mark.parametrize("shape", [(3, 4, 5, 7), (3, 5, 4, 2, 7), (3, 2, 7)])
def test_features_that_are_neither_flat_nor_an_image(case, shape) -> None:
    layer = case.layer(case.event())
    if shape[1:-1] == layer._lead():  # features for each of several positions
        layer(np.ones(shape, np.float32))
        return
    message = r"takes features of the shape \[batch, features\].* Received the shape "
    with refused(message + r"\[3, "):
        layer(np.ones(shape, np.float32))


@every_class
def test_features_without_a_batch(case) -> None:
    with pytest.raises(ValueError, match=r"Received the shape \[7\]"):
        case.layer(3)(np.ones(7, np.float32))


@every_class
def test_features_whose_last_axis_is_unknown(case) -> None:
    layer = case.layer(3)
    with refused(r"needs the last axis of its features to be known\. Received"):
        layer.build((None, None))


@every_class
def test_raw_parameters_of_the_wrong_number(case) -> None:
    layer = case.layer(3, projection=None)
    expected = sum(case.oracle(3).sizes.values())
    assert layer.num_parameters == expected
    message = rf"projection=None\) takes {expected} raw parameters in the last axis"
    with refused(message + r".* Received the shape \[2, 5\]"):
        layer(np.ones((2, 5), np.float32))


@every_class
def test_features_that_change_after_the_layer_is_built(case) -> None:
    layer = case.layer(3)
    layer(np.ones((2, 4), np.float32))
    with refused("expected axis -1 of input shape to have value 4"):
        layer(np.ones((2, 5), np.float32))
    with refused("expected ndim=2, found ndim=3"):
        layer(np.ones((2, 3, 4), np.float32))


def test_the_base_class_is_an_interface() -> None:
    with pytest.raises(TypeError, match="abstract"):
        DistributionLayer(3)
