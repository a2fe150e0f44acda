"""Noise of numbered draws, and the passes that it is made in."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from scipy import stats
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae import _passes
from tfvae.evidence import _model, importance
from tfvae.evidence._draws import noise_of_draws

SEED = (3, 4)
CASES = [
    ("normal", (3,), "float32"),
    ("normal", (2, 2), "float64"),
    ("uniform", (5,), "float32"),
    ("uniform", (1,), "float64"),
]


def noise(case, first, count, size, seed=SEED) -> tf.Tensor:
    kind, shape, dtype = case
    return noise_of_draws(kind, shape, tf.constant(seed), (first, count), size, dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_draw_depends_on_its_number_alone(case) -> None:
    whole = noise(case, 0, 20, 256).numpy()
    assert whole.shape == (20, 256, *case[1])
    assert whole.dtype == case[2]
    for first, count, size in [(0, 1, 1), (0, 20, 2), (7, 5, 3), (19, 1, 100)]:
        found = noise(case, first, count, size)
        # Eight logarithms at once are not to the last digit those of one.
        expected = whole[first : first + count, :size]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        if case[0] == "uniform":
            np.testing.assert_array_equal(found, expected)
    assert np.abs(noise(case, 0, 20, 256, (3, 5)) - whole).min() > 0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_graph_makes_the_same_noise(case) -> None:
    def made(first, count, size):
        return noise(case, first, count, size)

    numbers = [tf.TensorSpec([], tf.int32)] * 3
    dynamic = tf.function(made, input_signature=numbers, autograph=False)
    for arguments in [(0, 4, 1), (7, 5, 3), (2, 3, 256), (2, 0, 5), (2, 3, 0)]:
        expected = made(*arguments)
        np.testing.assert_allclose(dynamic(*arguments), expected, rtol=1e-6, atol=1e-6)

    @tf.function(jit_compile=True, autograph=False)
    def compiled(first):
        return made(first, 5, 3)

    np.testing.assert_allclose(compiled(7), made(7, 5, 3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_noise_has_its_distribution_and_no_draw_is_like_another(case) -> None:
    cdf = {"normal": stats.norm.cdf, "uniform": stats.uniform.cdf}[case[0]]
    found = noise(case, 0, 60, 256).numpy()
    assert stats.kstest(found.ravel(), cdf).pvalue > 1e-4
    # Float32 has so few numbers that some occur twice.
    if case[2] == "float64":
        assert len(np.unique(found)) == found.size
    for rows in (found.reshape(60, -1), found.swapaxes(0, 1).reshape(256, -1)):
        correlation = np.corrcoef(rows) - np.eye(len(rows))
        assert np.abs(correlation).max() < 6 / np.sqrt(rows.shape[1])


@pytest.mark.usefixtures("float64")
@pytest.mark.filterwarnings("ignore:`pareto_k` exceeds:UserWarning")
@pytest.mark.parametrize("size", [1, 5, 260])
def test_results_do_not_depend_on_the_budget(monkeypatch, size) -> None:
    x, weights, found = binary(size), small_vae().get_weights(), {}
    for budget in (1, 10_000, 10**9):
        monkeypatch.setattr(_model, "_NUMBERS_PER_PASS", budget)
        vae = small_vae()
        vae.set_weights(weights)
        results = [
            vae.log_prob(x, 33, seed=2).numpy(),
            vae.elbo(x, 33, seed=2).numpy(),
            importance(vae, x, 33, seed=2).log_prob,
        ]
        np.testing.assert_allclose(results[0], results[2], rtol=1e-12)
        found[budget] = np.stack(results)
    np.testing.assert_allclose(found[1], found[10**9], rtol=1e-12)
    np.testing.assert_allclose(found[10_000], found[10**9], rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_the_estimate_is_that_of_numpy_at_the_draws() -> None:
    vae, x = small_vae(), binary(9)
    oracle, layer = Oracle(vae), vae.posterior_layer
    seed = tfvae._math.fold_in(tf.constant([6, 0]), 0)
    shape = layer.noise_shape
    made = noise_of_draws(layer.noise, shape, seed, (0, 3000), 9, "float64")
    z, _ = layer.transform(vae.encode(x), made)
    log_weights = oracle.log_weights(x, z.numpy())
    expected = scipy.special.logsumexp(log_weights, axis=0) - np.log(3000)
    np.testing.assert_allclose(vae.log_prob(x, 3000, seed=6), expected, rtol=1e-9)


def wide_vae() -> tfvae.VAE:
    """A model of 6 values whose decoder has a layer of 40 * 50 units."""
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(40),
            keras.layers.RepeatVector(50),
            keras.layers.GlobalAveragePooling1D(),
            tfvae.layers.Bernoulli(6),
        ]
    )
    encoder = keras.Sequential([keras.Input((6,)), tfvae.layers.Normal(3)])
    return tfvae.VAE(encoder, decoder, seed=0)


@pytest.mark.parametrize(("size", "num_samples"), [(1, 5000), (100, 70), (300, 3)])
def test_passes_are_as_large_as_the_budget_allows(
    monkeypatch, size, num_samples
) -> None:
    passes, terms_at = [], tfvae.VAE.terms_at

    def record(vae, x, q, z, *arguments, **options):
        passes.append(z.shape[:2].as_list())
        return terms_at(vae, x, q, z, *arguments, **options)

    monkeypatch.setattr(tfvae.VAE, "terms_at", record)
    monkeypatch.setattr(_model, "_NUMBERS_PER_PASS", 400_000)
    vae, x = wide_vae(), tf.constant(binary(size))
    found = _passes.log_prob(vae, x, num_samples, tf.constant([1, 0]))
    assert found.shape == (size,)
    rows = np.prod(passes, axis=1)
    # Each draw of each example is made once, and a pass has one of each at least.
    assert rows.sum() == size * num_samples
    assert rows.max() <= max(400_000 / 2000, min(size, 256))
    assert len(passes) <= 2 * np.ceil(size * num_samples / 200)
