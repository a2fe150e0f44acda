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


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda dtype: tfvae.layers.Normal(2, scale=1e-50, dtype=dtype), "scale"),
        (lambda dtype: tfvae.layers.Laplace(2, scale=1e300, dtype=dtype), "scale"),
        (lambda dtype: tfvae.layers.LogNormal(2, scale=1e-39, dtype=dtype), "scale"),
        (lambda dtype: tfvae.layers.StudentT(2, df=2.00000001, dtype=dtype), "df"),
        (
            lambda dtype: tfvae.layers.RelaxedOneHotCategorical(
                2, temperature=1e-50, dtype=dtype
            ),
            "temperature",
        ),
        (
            lambda dtype: tfvae.priors.RelaxedUniform(2, 1e-50, dtype=dtype),
            "temperature",
        ),
    ],
)
def test_numbers_that_only_double_precision_has(make, argument) -> None:
    message = rf"`{argument}` must be a finite number greater than \d in float32\. Rec"
    for dtype in ("float32", "mixed_float16"):
        with refused(message):
            make(dtype)
    assert getattr(make("float64"), argument)


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


@pytest.mark.parametrize(
    "make",
    [
        tfvae.layers.OneHotCategorical,
        lambda shape: tfvae.layers.RelaxedOneHotCategorical(shape, temperature=1.0),
    ],
)
@pytest.mark.parametrize("shape", [1, (3, 1)])
def test_one_class_is_none(make, shape) -> None:
    with refused(r"`event_shape` of \w+ must end in at least two classes\. Received: "):
        make(shape)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, 2**31, True, (1, 2)])
def test_seeds_of_weights(seed) -> None:
    message = (
        r"`seed` must be a non-negative integer below 2\*\*31 or None\. Received: "
    )
    for cls in (tfvae.layers.InverseAutoregressiveFlow, tfvae.layers.CouplingFlow):
        with refused(message):
            cls(2, seed=seed)
        assert cls(2, hidden_units=(2,), seed=np.int64(2**31 - 1)).seed == 2**31 - 1


@pytest.mark.parametrize("shape", [5, None, "5", (-1,), (1.5,), (None,)])
def test_sample_shapes(shape) -> None:
    layer = tfvae.layers.Normal(2)
    q = layer(np.ones((3, 2)))
    with refused(r"`sample_shape` must be a sequence of non-negative .* Received: "):
        layer.sample_and_log_prob(q, shape)
    for good in ((2,), [2], np.array([2]), (np.int64(2),)):
        assert layer.sample_and_log_prob(q, good)[0].shape == (2, 3, 2)


@every_class
def test_noise_of_another_shape(case) -> None:
    layer = case.layer(3)
    q = layer(np.ones((2, 4), np.float32))
    shape = (2, *layer.noise_shape)
    for wrong in (shape[1:], (3, *shape[1:]), (*shape[:-1], shape[-1] + 1)):
        with refused(
            r"`noise` must have the shape \[\.\.\., 2.*\]\. Received the shape"
        ):
            layer.transform(q, np.full(wrong, 0.5))
    assert layer.transform(q, np.full((5, *shape), 0.5))[0].shape[:2] == (5, 2)


def test_the_base_class_is_an_interface() -> None:
    with pytest.raises(TypeError, match="abstract"):
        DistributionLayer(3)
