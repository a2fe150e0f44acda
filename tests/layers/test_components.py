"""Draws from mixtures: which component, and what it draws."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import tfvae
from tfvae.layers.components import draw_component, noise_size, select


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("lead", [(), (5,), (4, 5)])
@pytest.mark.parametrize("inner", [(), (2,), (2, 6)])
def test_the_first_component_whose_cumulative_weight_exceeds_it(
    batch, lead, inner
) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(*batch, 4))
    values = rng.normal(size=(*batch, 4, *inner))
    uniform = rng.random((*lead, *batch))
    chosen = select(tf.constant(logits), {"value": tf.constant(values)}, uniform)
    reached = np.cumsum(special.softmax(logits, axis=-1), axis=-1)
    actual = chosen["value"]
    assert actual.shape == (*lead, *batch, *inner)
    for index in np.ndindex(uniform.shape):
        place = index[len(lead) :]
        k = int(np.searchsorted(reached[place], uniform[index], side="right"))
        np.testing.assert_array_equal(actual[index], values[(*place, k)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_components_without_weight_are_never_chosen(dtype) -> None:
    """Neither by the smallest nor by the largest uniform number."""
    digits = {"float32": 24, "float64": 53}[dtype]
    ends = tf.constant([2.0**-digits, 0.5, 1 - 2.0**-digits], dtype)
    logits = tf.constant([-1e5, 0.0, -1e5, 1.0, -1e5], dtype)
    names = {"name": tf.range(5)}
    np.testing.assert_array_equal(select(logits, names, ends)["name"], [1, 3, 3])
    many = tf.constant(np.random.default_rng(1).normal(size=500), dtype)
    names = {"name": tf.range(500)}
    np.testing.assert_array_equal(select(many, names, ends[2])["name"], 499)


@pytest.mark.parametrize(
    "layer",
    [tfvae.layers.Normal((2, 1)), tfvae.layers.ContinuousBernoulli((2, 1))],
    ids=["normal noise", "uniform noise"],
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_draws_have_the_frequencies_and_the_shapes_of_components(
    layer, jit_compile
) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(3, 4)).astype("float32")
    names = list(layer._raw_shapes())
    raw = {n: rng.normal(size=(3, 4, 2, 1)).astype("float32") for n in names}
    parameters = layer._constrain({n: tf.constant(value) for n, value in raw.items()})
    assert noise_size(layer) == (5 if layer.noise == "normal" else 3)
    noise = rng.uniform(size=(4000, 3, noise_size(layer))).astype("float32")
    draw = tf.function(
        lambda noise: draw_component(layer, tf.constant(logits), parameters, noise),
        jit_compile=jit_compile,
        autograph=False,
    )
    x = draw(noise)
    assert x.shape == (4000, 3, 2, 1)
    weights = special.softmax(logits.astype(float), axis=-1)
    q = layer._distribution(**parameters).distribution
    for b, i in np.ndindex(3, 2):
        points = np.asarray(x[:, b, i, 0], np.float64)
        below = np.stack([q.cdf(tf.reshape(x[:, b, i], (-1, 1, 1, 1, 1)))])[0]
        mixed = below[:, b, :, i, 0] @ weights[b]
        assert len(np.unique(points)) > 3900
        assert stats.kstest(mixed, "uniform").pvalue > 1e-4
