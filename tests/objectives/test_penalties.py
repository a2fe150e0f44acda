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
from tensorflow_probability import distributions as tfd

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
from tfvae.schedules import Linear


def value(penalty: Penalty, terms, step=0, size=None, training=False) -> np.ndarray:
    seed = tf.constant([5, 6])
    context = Context(tf.constant(step, tf.int64), size, training, seed)
    return np.asarray(penalty.value(terms, context), float)


def training_context() -> Context:
    return Context(tf.constant(0, tf.int64), 40, True, tf.constant([5, 6]))


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


def total_correlation(z, loc, scale, w) -> float:
    """That of draws [S, M, D] from normals [M, D] with the weights [M, M]."""
    values = []
    for s, i in itertools.product(range(len(z)), range(len(loc))):
        density = scipy.stats.norm.pdf(z[s, i], loc, scale)  # [M, D]
        together = np.log(w[i] @ density.prod(-1))
        alone = np.log(w[i] @ density).sum()
        values.append(together - alone)
    return np.mean(values)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_total_correlation_is_that_of_numpy(estimator, num_samples) -> None:
    vae, x = small_vae(), binary(5)
    loc, scale = Oracle(vae).posterior(x)
    terms = vae.terms(x, num_samples, seed=1)
    z = terms.z.numpy().astype(float)
    w = weights(estimator, 5, 40)
    penalty = TotalCorrelation(2.0, estimator)
    found = value(penalty, terms, size=40)
    expected = 2 * total_correlation(z, loc, scale, w)
    # The logarithms that make it up are of size one.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
    other = TotalCorrelation(2.0, estimator, dataset_size=40)
    np.testing.assert_array_equal(value(other, terms, size=99), found)


def test_latents_with_several_axes_count_by_their_elements() -> None:
    x, q = binary(5), tfvae.layers.Normal((1, 3))
    encoder = keras.Sequential([keras.Input(x.shape[1:]), q])
    likelihood = tfvae.layers.Bernoulli(x.shape[1:])
    decoder = keras.Sequential(
        [keras.Input((1, 3)), keras.layers.Flatten(), likelihood]
    )
    vae = tfvae.VAE(encoder, decoder)
    terms, q = vae.terms(x, 2, seed=1), vae.encode(x)
    z, loc, scale = (
        np.asarray(value, float).reshape(*lead, 3)
        for value, lead in ((terms.z, (2, 5)), (q.mean(), (5,)), (q.stddev(), (5,)))
    )
    expected = total_correlation(z, loc, scale, weights("stratified", 5, 40))
    found = value(TotalCorrelation(), terms, size=40)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


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
    with pytest.raises(ValueError, match="`dataset_size` must be given to Total"):
        vae.fit(data, verbose=0)
    counted = tf.data.Dataset.from_tensor_slices(binary(16)).batch(8, True)
    vae.fit(counted, verbose=0)
    assert vae._run.dataset_size == 16


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
    rising = Linear(10, 0.0, 5.0)
    found = value(DIP(1.0, kind, rising, diagonal=3.0), terms, step=10)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # By default as in the experiments of the paper.
    factor = {"I": 10, "II": 1}[kind]
    expected += 5 * (factor - 3 / 5) * ((np.diag(covariance) - 1) ** 2).sum()
    found = value(DIP(1.0, kind, off_diagonal=5.0), terms)
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
    vae.fit(np.tile(x, (150, 1)), batch_size=32, verbose=0)
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
    vae.fit(np.tile(x, (400, 1)), batch_size=32, verbose=0)
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
        (DIP, {"off_diagonal": -10.0}, "`off_diagonal` must not be negative"),
        (DIP, {"diagonal": Linear(10, 1.0, -1.0)}, "`diagonal` must not be negative"),
        (GECO, {"target": float("nan")}, "`target` must be a finite number"),
        (GECO, {"target": -1.0, "momentum": 1.0}, "`momentum` must be at least 0"),
        (Capacity, {"weight": -1.0}, "`weight` must not be negative"),
    ],
)
def test_penalties_that_mean_nothing_are_refused(cls, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**arguments)


@pytest.mark.parametrize(
    "penalty", [MaximumMeanDiscrepancy(), TotalCorrelation(), GECO(-1.0)]
)
def test_a_score_gradient_does_not_go_through_draws(penalty) -> None:
    with pytest.raises(ValueError, match=f"which {type(penalty).__name__} in `penalt"):
        ELBO(2, gradient="score", penalties=[penalty])


def test_a_score_gradient_needs_a_kl_in_closed_form() -> None:
    laplace = tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1)
    vae = small_vae(prior=laplace)
    vae.compile(objective=ELBO(2, gradient="score", penalties=[Capacity()]))
    with pytest.raises(ValueError, match="Capacity takes the KL of the draws, for"):
        vae.fit(binary(8), verbose=0)


@pytest.mark.parametrize("penalty", [Capacity(2.0, 0.3), DIP(1.0, "I"), DIP(1.0, "II")])
def test_penalties_without_paths_have_their_whole_gradient(penalty) -> None:
    vae, x = small_vae(), binary(9)
    variables = [v.value for v in vae.encoder.trainable_variables]
    found = []
    for pathwise in (True, False):
        with tf.GradientTape() as tape:
            terms = vae.terms(x, 2, seed=1, training=True, pathwise=pathwise)
            loss = penalty.value(terms, training_context())
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        found.append(np.concatenate([np.ravel(g) for g in gradients]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-5)
    assert np.abs(found[0]).max() > 1e-2


# What examples count for.


def weighted(vae, x, weight, num_samples=1, rows=None):
    """Terms with weights, of some of the rows, at the draws of all of them."""
    terms = vae.terms(x, num_samples, seed=1)
    keep = slice(rows)
    q = vae.encoder(x[keep], training=False)
    weight = None if weight is None else tf.constant(weight[keep], tf.float32)
    z, log_q = terms.z[:, keep], terms.log_posterior[:, keep]
    return vae.terms_at(x[keep], q, z, log_q, sample_weight=weight)


@pytest.mark.parametrize(
    "penalty",
    [
        Capacity(2.0, 0.3),
        DIP(1.0, "I"),
        DIP(1.0, "II"),
        TotalCorrelation(1.0, "weighted", 40),
    ],
)
def test_an_example_without_weight_does_not_count(penalty) -> None:
    vae, x = small_vae(), binary(7)
    weight = np.array([1, 2, 0.5, 1, 3, 0, 0])
    found = value(penalty, weighted(vae, x, weight))
    expected = value(penalty, weighted(vae, x, weight, rows=5))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    without = value(penalty, weighted(vae, x, None))
    assert abs(without / found - 1) > 1e-4


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_the_weighted_total_correlation_is_that_of_numpy(estimator) -> None:
    vae, x = small_vae(), binary(5)
    weight = np.array([1, 2, 0.5, 1, 3])
    loc, scale = Oracle(vae).posterior(x)
    terms = weighted(vae, x, weight)
    z = terms.z.numpy()[0].astype(float)
    share = weight / weight.sum()
    w = weights(estimator, 5, 40) * share * 5
    density = scipy.stats.norm.pdf(z[:, None], loc, scale)  # [B, M, D]
    together = np.log(np.einsum("bm,bm->b", w, density.prod(-1)))
    alone = np.log(np.einsum("bm,bmd->bd", w, density)).sum(-1)
    found = value(TotalCorrelation(1.0, estimator, 40), terms)
    np.testing.assert_allclose(found, share @ (together - alone), rtol=2e-5)


def test_the_weighted_discrepancy_is_that_of_numpy() -> None:
    vae, x = small_vae(), binary(7)
    weight = np.array([1, 2, 0.5, 1, 3, 0, 0.7])
    terms = weighted(vae, x, weight)
    z = terms.z.numpy()[0].astype(float)
    w = terms.prior.sample((1, 7), seed=tf.constant([5, 6])).numpy()[0].astype(float)

    def kernel(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / (2 * 0.7**2))

    pairs = np.outer(weight, weight) * ~np.eye(7, dtype=bool)
    expected = (pairs * kernel(z, z)).sum() / pairs.sum()
    expected += kernel(w, w)[~np.eye(7, dtype=bool)].mean()
    expected -= 2 * (weight @ kernel(z, w).mean(1)) / weight.sum()
    found = value(MaximumMeanDiscrepancy(1.0, "rbf", 0.7), terms)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_multiplier_follows_the_weighted_mean() -> None:
    geco = GECO(-2.0, rate=0.1, momentum=0.0)
    vae, x = small_vae(), binary(5)
    weight = np.array([1, 2, 0.5, 0, 3])
    terms = weighted(vae, x, weight)
    value(geco, terms, training=True)
    missing = -2.0 - np.average(terms.reconstruction.numpy(), weights=weight)
    assert float(geco.multiplier) == pytest.approx(np.exp(0.1 * missing), rel=1e-5)
    value(geco, weighted(vae, x, 0 * weight), training=True)
    assert float(geco.multiplier) == pytest.approx(np.exp(0.1 * missing), rel=1e-5)


@pytest.mark.parametrize(
    "penalty",
    [
        Capacity(),
        DIP(kind="II"),
        GECO(-1.0),
        MaximumMeanDiscrepancy(),
        TotalCorrelation(1.0, "weighted", 40),
        TotalCorrelation(1.0, "stratified", 40),
    ],
)
@pytest.mark.parametrize("size", [0, 4])
def test_nothing_to_count_has_a_gradient_that_is_a_number(penalty, size) -> None:
    vae, x = small_vae(), binary(size)
    weight = tf.zeros([size]) if size else None
    with tf.GradientTape() as tape:
        q = vae.encoder(x, training=True)
        z, log_q = vae.posterior_layer.sample_and_log_prob(q, (2,), tf.constant([1, 2]))
        terms = vae.terms_at(x, q, z, log_q, True, weight)
        found = penalty.value(terms, training_context())
        loss = tf.reduce_sum(found)
    gradients = tape.gradient(loss, [v.value for v in vae.encoder.trainable_variables])
    assert np.all(np.isfinite(found))
    for gradient in gradients:
        assert gradient is None or np.all(np.isfinite(gradient))
    if isinstance(penalty, GECO):
        assert np.isfinite(float(penalty.multiplier))


def test_the_draws_of_a_prior_train_it_where_they_carry_a_gradient() -> None:
    x = binary(40)
    found = {}
    for prior in (tfvae.priors.Normal(3), tfvae.priors.GaussianMixture(3, 2)):
        vae = small_vae(prior=prior)
        with tf.GradientTape() as tape:
            terms = vae.terms(x, 1, seed=1, training=True)
            loss = MaximumMeanDiscrepancy().value(terms, training_context())
        variables = [v.value for v in prior.trainable_variables]
        found[type(prior)] = tape.gradient(loss, variables)
    assert all(np.abs(g).max() > 1e-4 for g in found[tfvae.priors.Normal])
    assert found[tfvae.priors.GaussianMixture] == [None] * 3


def test_the_bound_is_reported_without_the_penalty() -> None:
    vae, x = small_vae(), binary(20)
    vae.compile(objective=ELBO(penalties=[Capacity(100.0, 50.0)]))
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    assert logs["elbo"] == pytest.approx(logs["reconstruction"] - logs["kl"], rel=1e-6)
    expected = 100 * abs(logs["kl"] - 50) - logs["elbo"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
