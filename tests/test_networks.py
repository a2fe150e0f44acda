"""The plain networks: shapes for every size, and no probability."""

import keras
import numpy as np
import pytest

from tfvae import networks


def test_mlp_is_the_formula():
    model = networks.mlp((2, 3), (5, 4), "tanh")
    x = np.random.default_rng(0).normal(size=(7, 2, 3)).astype("float32")
    w1, b1, w2, b2 = model.get_weights()
    expected = np.tanh(np.tanh(x.reshape(7, 6) @ w1 + b1) @ w2 + b2)
    np.testing.assert_allclose(model(x), expected, atol=1e-6)


def test_mlp_without_layers_is_the_flattened_input():
    x = np.arange(12, dtype="float32").reshape(2, 6)
    np.testing.assert_array_equal(networks.mlp((6,), ())(x), x)
    np.testing.assert_array_equal(networks.mlp((3, 2), ())(x.reshape(2, 3, 2)), x)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (7, 10), (1, 1), (5, 31)])
@pytest.mark.parametrize("filters", [(4,), (4, 6), (4, 6, 8)])
def test_convolutions_fit_every_image(size, filters):
    images = np.zeros((2, *size, 3), "float32")
    encoder = networks.conv((*size, 3), filters, (5,))
    decoder = networks.conv_transpose((5,), size, filters[::-1], (6,))
    assert encoder(images).shape == (2, 5)
    assert decoder(encoder(images)).shape == (2, *size, filters[0])
    assert encoder.output_shape == (None, 5)


def test_kernels_start_glorot_uniform():
    kernel = networks.mlp((300,), (200,)).get_weights()[0]
    limit = np.sqrt(6 / 500)
    assert 0.95 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.std() - limit / np.sqrt(3)) < 0.02 * limit


@pytest.mark.parametrize(
    "model",
    [
        networks.mlp((8, 8, 1), (6, 5), "relu", name="a"),
        networks.conv((9, 8, 1), (3, 4), (5,), "elu", kernel_size=3, name="b"),
        networks.conv_transpose((4,), (9, 8), (3, 2), (5,), kernel_size=6, name="c"),
    ],
)
def test_models_come_back_from_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.name == model.name
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:]))
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: networks.mlp((0,)), "input_shape"),
        (lambda: networks.mlp(7), "input_shape"),
        (lambda: networks.mlp((4,), (5, -1)), "hidden"),
        (lambda: networks.mlp((4,), "200"), "hidden"),
        (lambda: networks.conv((8, 8)), "input_shape"),
        (lambda: networks.conv((8, 8, 1), (0,)), "filters"),
        (lambda: networks.conv_transpose((4,), (8, 8, 1)), "size"),
        (lambda: networks.conv_transpose((4,), (8, 8), ()), "filters"),
    ],
)
def test_errors_name_the_argument(make, argument):
    with pytest.raises(ValueError, match=f"`{argument}`.*Received"):
        make()
