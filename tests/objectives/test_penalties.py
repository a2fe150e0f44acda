"""Penalties against NumPy, enumeration and distances that are known."""

import itertools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae.objectives import (
    DIP,
    ELBO,
    GECO,
    Capacity,
    Context,
    MaximumMeanDiscrepancy,
    Penalty,
    Reconstruction,
    TotalCorrelation,
)


def value(penalty: Penalty, terms, step=0, size=None, training=False) -> np.ndarray:
    seed = tf.constant([5, 6])
    context = Context(tf.constant(step, tf.int64), size, training, seed)
    return np.asarray(penalty.value(terms, context), float)


# Total correlation.


def weights(estimator: str, batch: int, size: int) -> np.ndarray:
    """What each posterior of the batch counts for at the draw of each example."""
    if estimator == "weighted":
        return np.full((batch, batch), 1 / (batch * size))
    w = np.full((batch, batch), 1 / (batch - 1))
    for i in range(batch):
        w[i, (i + 1) % batch] = 1 / (batch - 1) - 1 / size
        w[i, i] = 1 / size
    return w


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_total_correlation_is_that_of_numpy(estimator, num_samples) -> None:
    vae, x = small_vae(), binary(5)
    loc, scale = Oracle(vae).posterior(x)
    terms = vae.terms(x, num_samples, seed=1)
    z = terms.z.numpy().astype(float)
    w = weights(estimator, 5, 40)
    expected = []
    for s, i in itertools.product(range(num_samples), range(5)):
        density = scipy.stats.norm.pdf(z[s, i], loc, scale)  # [M, D]
        together = np.log(w[i] @ density.prod(-1))
        alone = np.log(w[i] @ density).sum()
        expected.append(together - alone)
    penalty = TotalCorrelation(2.0, estimator)
    found = value(penalty, terms, size=40)
    # The logarithms that make it up are of size one.
    np.testing.assert_allclose(found, 2 * np.mean(expected), rtol=1e-5, atol=2e-6)
    other = TotalCorrelation(2.0, estimator, dataset_size=40)
    np.testing.assert_array_equal(value(other, terms, size=99), found)


def test_stratified_densities_are_unbiased_over_all_batches() -> None:
    """The estimate of q(z), by the definition: a mean over ordered batches."""
    size, batch = 5, 3
    density = np.random.default_rng(0).random(size)  # q(z|x_n) at the draw of x_0
    penalty = TotalCorrelation(dataset_size=size)
    w = np.exp(penalty._log_weights(tf.constant(batch), size, tf.float64))
    estimates = [
        w[0] @ density[[0, *others]]
        for others in itertools.permutations(range(1, size), batch - 1)
    ]
    np.testing.assert_allclose(np.mean(estimates), density.mean(), rtol=1e-7)


def test_an_unknown_number_of_examples_is_asked_for() -> None:
    vae = small_vae()
    vae.compile(objective=ELBO(penalties=[TotalCorrelation()]))
    data = tf.data.Dataset.from_tensor_slices(binary(16)).batch(8)
    with pytest.raises(ValueError, match="Pass `dataset_size`"):
        vae.fit(data, verbose=0)


def test_elements_that_are_not_independent_are_refused() -> None:
    vae = small_vae(posterior=tfvae.layers.MultivariateNormalTriL(3))
    vae.compile(objective=ELBO(penalties=[TotalCorrelation()]))
    with pytest.raises(ValueError, match="elements are independent given x"):
        vae.fit(binary(16), verbose=0)


# Maximum mean discrepancy.


def kernel_mean(kernel: str, a, b, length_scale: float, pairs: bool) -> float:
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    double = 2 * length_scale**2
    k = np.exp(-squared / double) if kernel == "rbf" else double / (double + squared)
    if pairs:
        return k[~np.eye(len(a), dtype=bool)].mean()
    return k.mean()


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
@pytest.mark.parametrize("length_scale", [None, 0.7])
def test_the_discrepancy_is_that_of_numpy(kernel, length_scale) -> None:
    vae, x = small_vae(), binary(7)
    terms = vae.terms(x, 1, seed=1)
    z = terms.z.numpy()[0].astype(float)
    w = terms.prior.sample((1, 7), seed=tf.constant([5, 6])).numpy()[0].astype(float)
    scale = length_scale or np.sqrt(3)
    expected = (
        kernel_mean(kernel, z, z, scale, True)
        + kernel_mean(kernel, w, w, scale, True)
        - 2 * kernel_mean(kernel, z, w, scale, False)
    )
    found = value(MaximumMeanDiscrepancy(1.0, kernel, length_scale), terms)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_discrepancy_of_normals_has_its_closed_form() -> None:
    """With z ~ N(m, s^2) and the "rbf" kernel all three means are integrals."""
    m, s, size = 0.8, 0.5, 4000
    posterior = tfvae.layers.Normal(1, scale=s)
    vae = small_vae(posterior=posterior)
    kernel, _ = vae.encoder.get_weights()[-2:]
    vae.encoder.set_weights(
        [*vae.encoder.get_weights()[:-2], 0 * kernel, np.array([m], "float32")]
    )
    terms = vae.terms(np.repeat(binary(1), size, axis=0), 1, seed=1)

    def mean_kernel(variance: float, distance: float) -> float:
        total = 1 + variance
        return np.exp(-(distance**2) / (2 * total)) / np.sqrt(total)

    expected = mean_kernel(2 * s**2, 0) + mean_kernel(2, 0)
    expected -= 2 * mean_kernel(1 + s**2, m)
    found = value(MaximumMeanDiscrepancy(1.0, "rbf", 1.0), terms)
    assert abs(found - expected) < 0.015
    assert expected > 0.15


# Covariances.


@pytest.mark.parametrize("kind", ["I", "II"])
@pytest.mark.parametrize(
    "posterior", [tfvae.layers.Normal, tfvae.layers.MultivariateNormalTriL]
)
def test_dip_is_that_of_numpy(kind, posterior) -> None:
    vae, x = small_vae(posterior=posterior(3)), binary(7)
    terms = vae.terms(x, 1, seed=1)
    covariance = np.cov(vae.encode(x).mean().numpy().astype(float).T, bias=True)
    if kind == "II":
        q = terms.posterior
        if posterior is tfvae.layers.Normal:
            parts = np.stack([np.diag(v) for v in q.stddev().numpy() ** 2.0])
        else:
            scale = q.scale_tril.numpy().astype(float)
            parts = scale @ np.swapaxes(scale, -1, -2)
        covariance = covariance + parts.mean(0)
    outside = covariance[~np.eye(3, dtype=bool)]
    expected = 5 * (outside**2).sum() + 3 * ((np.diag(covariance) - 1) ** 2).sum()
    found = value(DIP(1.0, kind, off_diagonal=5.0, diagonal=3.0), terms)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_dip_needs_a_mean() -> None:
    flow = tfvae.layers.CouplingFlow(3, hidden_units=(4,), context_units=2)
    vae = small_vae(posterior=flow)
    vae.compile(objective=ELBO(penalties=[DIP()]))
    with pytest.raises(ValueError, match="DIP needs a posterior over vectors whose"):
        vae.fit(binary(8), verbose=0)


# Targets.


def test_the_capacity_follows_its_schedule() -> None:
    vae, x = small_vae(), binary(7)
    kl = Oracle(vae).kl(x).mean()
    penalty = Capacity(100.0, tfvae.schedules.Linear(10, 0.0, 4.0))
    terms = vae.terms(x, 1, seed=1)
    for step, target in ((0, 0.0), (5, 2.0), (50, 4.0)):
        found = value(penalty, terms, step)
        np.testing.assert_allclose(found, 100 * abs(kl - target), rtol=1e-5)


def test_the_kl_is_held_at_its_capacity() -> None:
    keras.utils.set_random_seed(0)
    vae, x = small_vae(), binary(64)
    objective = Reconstruction(penalties=[Capacity(50.0, 0.7)])
    vae.compile(keras.optimizers.Adam(0.01), objective)
    vae.fit(x, epochs=150, verbose=0)
    assert vae.evaluate(x, verbose=0, return_dict=True)["kl"] == pytest.approx(
        0.7, abs=0.1
    )


def test_the_multiplier_is_that_of_the_paper() -> None:
    geco = GECO(-2.0, rate=0.1, momentum=0.5)
    vae, x = small_vae(), binary(7)
    terms = vae.terms(x, 1, seed=1)
    missing = -2.0 - terms.reconstruction.numpy().astype(float)
    average, multiplier = 0.0, 1.0
    for step in range(1, 4):
        np.testing.assert_allclose(float(geco.multiplier), multiplier, rtol=1e-5)
        expected = (multiplier - 1) * missing
        found = value(geco, terms, training=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        average = 0.5 * average + 0.5 * missing.mean()
        multiplier *= np.exp(0.1 * average / (1 - 0.5**step))
    before = float(geco.multiplier)
    value(geco, terms, training=False)
    assert float(geco.multiplier) == before


def test_the_reconstruction_reaches_its_target() -> None:
    keras.utils.set_random_seed(0)
    vae, x = small_vae(), binary(64)
    objective = ELBO(penalties=[GECO(-2.0, rate=0.02, momentum=0.9)])
    vae.compile(keras.optimizers.Adam(0.02), objective)
    vae.fit(x, epochs=400, verbose=0)
    found = vae.terms(x, 200, seed=0).reconstruction.numpy().mean()
    assert found == pytest.approx(-2.0, abs=0.15)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (TotalCorrelation, {"estimator": "mss"}, "`estimator` must be one of"),
        (TotalCorrelation, {"dataset_size": 0}, "`dataset_size` must be a positive"),
        (MaximumMeanDiscrepancy, {"kernel": "linear"}, "`kernel` must be one of"),
        (MaximumMeanDiscrepancy, {"length_scale": 0.0}, "`length_scale` must be"),
        (DIP, {"kind": "III"}, "`kind` must be one of 'I', 'II'"),
        (GECO, {"target": float("nan")}, "`target` must be a finite number"),
        (GECO, {"target": -1.0, "momentum": 1.0}, "`momentum` must be at least 0"),
        (Capacity, {"weight": -1.0}, "`weight` must not be negative"),
    ],
)
def test_penalties_that_mean_nothing_are_refused(cls, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**arguments)


def test_a_score_gradient_does_not_go_through_draws() -> None:
    with pytest.raises(ValueError, match="which MaximumMeanDiscrepancy in `penalties`"):
        ELBO(2, gradient="score", penalties=[MaximumMeanDiscrepancy()])
    ELBO(2, gradient="score", penalties=[Capacity()])


def test_the_bound_is_reported_without_the_penalty() -> None:
    vae, x = small_vae(), binary(20)
    vae.compile(objective=ELBO(penalties=[Capacity(100.0, 50.0)]))
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    assert logs["elbo"] == pytest.approx(logs["reconstruction"] - logs["kl"], rel=1e-6)
    expected = 100 * abs(logs["kl"] - 50) - logs["elbo"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
