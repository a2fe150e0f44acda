"""Laplace, log-normal and Student's t: wide spreads, tails, the ends of floats."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support.cases.robust import CASES
from support.comparison import assert_exact
from support.layer_cases import from_raw, names, standard, values

import tfvae

every_case = pytest.mark.parametrize("case", CASES, ids=names(CASES))
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def raw_numbers(case, batch: int, size: int, rng, spread: float):
    """As wide as asked for, whatever finite differences would stand."""
    width = sum(case.oracle(size).sizes.values())
    return rng.normal(0, spread, (batch, width))


def check(case, raw, x, size: int, dtype: str) -> None:
    x = np.asarray(x, dtype)
    _, q, p, family = from_raw(case, raw, size, dtype)
    expected = family.log_prob(x.astype(np.float64), p)
    assert_exact(q.log_prob(x), expected, dtype)


@every_case
@both_dtypes
@pytest.mark.parametrize("spread", [3.0, 10.0])
def test_wide_spreads(case, dtype, spread) -> None:
    rng = np.random.default_rng(0)
    raw, other = (raw_numbers(case, 300, 2, rng, spread) for _ in range(2))
    for parameters in (raw, other):
        _, _, p, family = from_raw(case, parameters, 2, dtype)
        x = values(family, p, rng)
        if case.cls is tfvae.layers.LogNormal:
            x = np.clip(x, 1e-35, 1e35)
        check(case, raw, x, 2, dtype)


@every_case
@both_dtypes
def test_far_from_the_location(case, dtype) -> None:
    """Residuals of 1e-30 to 1e30 scales, and the location itself."""
    rng = np.random.default_rng(1)
    size = np.logspace(-30, 30, 61)
    x = size if case.cls is tfvae.layers.LogNormal else np.r_[size, -size, 0.0]
    check(case, raw_numbers(case, len(x), 1, rng, 1.0), x[:, None], 1, dtype)


@pytest.mark.parametrize("df", [2.0001, 3, 100, 1e5, 1e7])
@both_dtypes
def test_large_and_small_degrees_of_freedom(df, dtype) -> None:
    layer = tfvae.layers.StudentT(1, df=df, projection=None, dtype=dtype)
    rng = np.random.default_rng(2)
    raw = rng.normal(size=(500, 2)).astype(dtype)
    noise = rng.random((500, 1, 2)).astype(dtype)
    noise[:2, 0] = [[2.0**-24, 0.5], [1 - 2.0**-24, 0.25]]
    q = layer(raw)
    x, log_q = layer.transform(q, noise)
    wide = np.float64(noise)
    number = np.float64(np.dtype(dtype).type(df))
    radius = np.sqrt(number * np.expm1(-2 / number * np.log(wide[..., 0])))
    p = {name: np.float64(value) for name, value in layer.parameters(q).items()}
    expected = p["loc"] + p["scale"] * radius * np.cos(2 * np.pi * wide[..., 1])
    np.testing.assert_allclose(x, expected, rtol=3e-6, atol=1e-5)
    assert_exact(q.log_prob(x), log_q, "float32")


@pytest.mark.parametrize("df", [2.5, 5.0, 1e5])
def test_draws_of_student_t_in_single_precision_have_its_tails(df) -> None:
    """Counts beyond quantiles far out, against their expectation."""
    layer = tfvae.layers.StudentT(1, df=df, scale=1.0, projection=None)
    draws = 2_000_000
    x, _ = layer.sample_and_log_prob(layer(np.zeros((1, 1), "f")), (draws,), seed=1)
    for tail in (1e-2, 1e-3, 1e-4, 1e-5):
        count = np.sum(np.abs(x) > stats.t.isf(tail / 2, df))
        assert abs(count - tail * draws) < 5 * np.sqrt(tail * draws)


def test_draws_of_laplace_are_symmetric_to_the_last_bit() -> None:
    layer = tfvae.layers.Laplace(1, scale=1.0, projection=None)
    q = layer(np.zeros((1, 1), "f"))
    u = np.float32([2.0**-24, 0.1, 0.25, 0.5 - 2.0**-24, 0.5]).reshape(-1, 1, 1)
    lower, upper = (layer.transform(q, noise) for noise in (u, 1 - u))
    np.testing.assert_allclose(lower[0], -upper[0].numpy(), rtol=2e-6)
    np.testing.assert_allclose(lower[0][0], np.log(2.0**-23), rtol=1e-6)
    assert lower[0][-1] == 0


@both_dtypes
def test_log_normal_draws_stay_inside_the_range_of_floats(dtype) -> None:
    layer = tfvae.layers.LogNormal(1, projection=None, dtype=dtype)
    raw = np.array([[-1e4, 0], [1e4, 0], [0, 1e4], [-1e5, 1e5]], dtype)
    q = layer(raw)
    for number in (-5.0, -0.01, 0.01, 5.0):
        x, log_q = layer.transform(q, np.full((4, 1), number, dtype))
        assert np.all(np.isfinite(np.square(x)))
        assert not np.any(layer.unsupported(x))
        np.testing.assert_allclose(log_q, q.log_prob(x), rtol=1e-5)
    location = layer.location(q).numpy()
    assert np.all(np.isfinite(location))
    largest = np.finfo(dtype).max
    assert np.all(location <= np.sqrt(largest))
    assert location[1] > np.sqrt(largest) / 1e3
    assert not np.any(layer.unsupported(np.array([[largest]])))


def test_log_normals_refuse_what_arithmetic_takes_for_zero() -> None:
    layer = tfvae.layers.LogNormal(2)
    x = np.array([[1e-45, 1.2e-38], [0, 1e-39]])
    np.testing.assert_array_equal(layer.unsupported(x), [[True, False], [True, True]])
    np.testing.assert_array_equal(
        layer.unsupported(np.array([[True, False]])), [[False, True]]
    )


@every_case
def test_the_density_of_a_draw_moves_with_the_raw_numbers(case) -> None:
    """Gradients where scales are small, by steps that are small as well."""
    rng = np.random.default_rng(3)
    for raw in raw_numbers(case, 10, 1, rng, 2.0):
        layer, _, p, family = from_raw(case, raw[None], 1)
        noise = standard(layer, (1,), rng)
        flat = noise.reshape(1, -1)
        own = {name: value for name, value in p.items() if layer.is_shared(name)}

        def draw(numbers, family=family, own=own, flat=flat):
            parameters = family.constrain(numbers[None]) | own
            x = family.draw(flat, parameters)
            return np.array([x[0, 0], family.log_prob(x, parameters)[0]])

        features = tf.constant(raw[None])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(features)
            x, log_q = layer.transform(layer(features), noise)
        for i, result in enumerate((x, log_q)):
            gradient = tape.gradient(result, features, unconnected_gradients="zero")[0]
            for j in range(raw.size):
                step = 1e-5 * np.eye(raw.size)[j]
                slope = (draw(raw + step) - draw(raw - step))[i] / 2e-5
                np.testing.assert_allclose(gradient[j], slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("df", [0, 2, -1.0, np.nan, np.inf, True, None])
def test_numbers_of_degrees_of_freedom(df) -> None:
    message = r"`df` must be a finite number greater than 2\. Received: "
    with pytest.raises(ValueError, match=message):
        tfvae.layers.StudentT(3, df=df)


@pytest.mark.parametrize("layer", ["Laplace", "LogNormal", "StudentT"])
def test_names_of_options(layer) -> None:
    cls = getattr(tfvae.layers, layer)
    with pytest.raises(ValueError, match=r"`scale` must be one of .* Received: 'any'"):
        cls(3, scale="any")
    with pytest.raises(ValueError, match=r"`scale` must be a finite number greater"):
        cls(3, scale=0.0)
    with pytest.raises(ValueError, match=r"`df` must be one of 'shared', 'element"):
        tfvae.layers.StudentT(3, df="global")


def test_shared_numbers_are_learned() -> None:
    """Degrees of freedom and scale of five thousand numbers with four and 0.5."""
    rng = np.random.default_rng(4)
    x = (0.5 * rng.standard_t(4, (5000, 1))).astype(np.float32)
    layer = tfvae.layers.StudentT(1, scale="shared")
    constant, optimizer = tf.zeros((1, 1)), keras.optimizers.Adam(0.05)
    layer.build(constant.shape)
    for _ in range(150):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(constant).log_prob(x))
        weights = layer.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
    p = layer.parameters(layer(constant))
    assert 3.4 < p["df"] < 4.7
    assert 0.46 < p["scale"] < 0.54
