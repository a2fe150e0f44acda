"""Closed-form divergences against the formula of full covariances in NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats
from support.imports import imported_again
from tensorflow_probability import distributions as tfd

from tfvae import distributions, layers, priors
from tfvae.distributions import closed_form_kl

SIZE = 3


def kl(q_mean, q_covariance, p_mean, p_covariance):
    """KL between Gaussians of any batch shape, from traces and determinants."""
    precision = np.linalg.inv(p_covariance)
    gap = p_mean - q_mean
    return 0.5 * (
        np.trace(precision @ q_covariance, axis1=-2, axis2=-1)
        + np.einsum("...i,...ij,...j->...", gap, precision, gap)
        - SIZE
        + np.linalg.slogdet(p_covariance)[1]
        - np.linalg.slogdet(q_covariance)[1]
    )


def numbers(batch: tuple[int, ...], seed: int):
    rng = np.random.default_rng(seed)
    loc = rng.normal(size=(*batch, SIZE))
    scale = rng.uniform(0.5, 2, size=(*batch, SIZE))
    lower = np.tril(rng.normal(size=(*batch, SIZE, SIZE)), -1)
    lower += scale[..., None] * np.eye(SIZE)
    return loc, scale, lower


def elements(loc, scale, _):
    return tfd.Independent(tfd.Normal(loc, scale), 1), scale[..., None] * np.eye(SIZE)


def our_elements(loc, scale, _):
    p = tfd.Independent(distributions.Normal(loc, scale), 1)
    return p, scale[..., None] * np.eye(SIZE)


def one_scale(loc, _, __):
    """One number for all elements, as a shared scale is."""
    shared = np.float64(0.7)
    return tfd.Independent(tfd.Normal(loc, shared), 1), shared * np.eye(SIZE)


def diagonal(loc, scale, _):
    return tfd.MultivariateNormalDiag(loc, scale), scale[..., None] * np.eye(SIZE)


def lower(loc, _, lower):
    return tfd.MultivariateNormalTriL(loc, lower), lower


def our_lower(loc, _, lower):
    return distributions.MultivariateNormalTriL(loc, lower), lower


def full_covariance(loc, _, lower):
    scale = tf.linalg.LinearOperatorFullMatrix(lower)
    return tfd.MultivariateNormalLinearOperator(loc, scale), lower


def repeated(loc, scale, _):
    """One scalar normal for all elements: a prior without a batch."""
    base = tfd.Normal(loc[0], scale[0])
    return tfd.Sample(base, SIZE), scale[0] * np.eye(SIZE)


POSTERIORS = [
    *(elements, our_elements, one_scale),
    *(diagonal, lower, our_lower, full_covariance),
]


def name(value) -> str:
    return getattr(value, "__name__", "batch" if value else "one")


ONE = list(itertools.product(POSTERIORS, [*POSTERIORS, repeated], [()]))
MANY = list(itertools.product(POSTERIORS, POSTERIORS, [(4,)]))


@pytest.mark.parametrize(("posterior", "prior", "batch"), ONE + MANY, ids=name)
def test_every_pair_of_gaussians(posterior, prior, batch) -> None:
    """The posterior has a batch; the prior has none, or the same one."""
    q_numbers, p_numbers = numbers((4,), 70), numbers(batch, 71)
    (q, q_scale), (p, p_scale) = posterior(*q_numbers), prior(*p_numbers)
    p_mean = np.full(SIZE, p_numbers[0][0]) if prior is repeated else p_numbers[0]
    expected = kl(
        q_numbers[0],
        q_scale @ np.swapaxes(q_scale, -1, -2),
        p_mean,
        p_scale @ np.swapaxes(p_scale, -1, -2),
    )
    actual = closed_form_kl(q, p)
    assert actual is not None
    assert actual.shape == (4,)
    np.testing.assert_allclose(actual, expected, rtol=1e-10)
    np.testing.assert_allclose(tfd.kl_divergence(q, p), expected, rtol=1e-10)
    np.testing.assert_allclose(closed_form_kl(q, q), np.zeros(4), atol=1e-12)


@pytest.mark.parametrize("prior", [*POSTERIORS, repeated])
def test_a_low_rank_posterior(prior) -> None:
    rng = np.random.default_rng(78)
    loc, scale, _ = numbers((4,), 78)
    factor = rng.normal(size=(4, SIZE, 2))
    covariance = scale[..., None] ** 2 * np.eye(SIZE)
    covariance += factor @ np.swapaxes(factor, -1, -2)
    q = distributions.MultivariateNormalLowRank(loc, scale, factor)
    one = numbers((), 79)
    p, p_scale = prior(*one)
    p_mean = np.full(SIZE, one[0][0]) if prior is repeated else one[0]
    expected = kl(loc, covariance, p_mean, p_scale @ p_scale.T)
    np.testing.assert_allclose(closed_form_kl(q, p), expected, rtol=1e-10)
    shared = distributions.MultivariateNormalLowRank(loc, scale[0], factor[0])
    expected = kl(loc, covariance[0], p_mean, p_scale @ p_scale.T)
    np.testing.assert_allclose(closed_form_kl(shared, p), expected, rtol=1e-10)


@pytest.mark.parametrize("posterior", [elements, our_elements, diagonal, lower])
@pytest.mark.parametrize("prior", [our_elements, diagonal, our_lower, full_covariance])
def test_in_single_precision_none_is_negative(posterior, prior) -> None:
    """But for rounding: Gaussians that are nearly, or exactly, the same."""
    loc, scale, _ = (np.repeat(part, 200, 0) for part in numbers((1,), 80))
    factors = 1 + 1e-3 * np.random.default_rng(81).normal(size=(2, 200, SIZE))
    factors[:, :100] = 1

    def gaussian(make, loc, scale):
        parts = loc, scale, scale[..., None] * np.eye(SIZE)
        return make(*(part.astype(np.float32) for part in parts))[0]

    q = gaussian(posterior, *(factors * [loc, scale]))
    value = closed_form_kl(q, gaussian(prior, loc, scale))
    assert value.dtype == tf.float32
    assert np.all(value > -2e-6)


def test_the_formula_is_the_integral() -> None:
    """The oracle itself, in one dimension: E_q[log q - log p]."""
    q, p = stats.norm(0.3, 0.5), stats.norm(-1, 2)
    expected, _ = integrate.quad(
        lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), -6, 6, epsabs=1e-12
    )
    one, two = tfd.Normal([0.3], [0.5]), tfd.MultivariateNormalDiag([-1.0], [2.0])
    np.testing.assert_allclose(
        closed_form_kl(tfd.Independent(one, 1), two), expected, rtol=1e-6
    )


@pytest.mark.parametrize("layer", [layers.Normal, layers.MultivariateNormalTriL])
def test_layers_against_priors(layer) -> None:
    """What a model meets: a layer's q against the public priors, in float32."""
    rng = np.random.default_rng(72)
    head = layer(SIZE, projection=None)
    width = {layers.Normal: 6, layers.MultivariateNormalTriL: 9}[layer]
    q = head(rng.normal(size=(4, width)).astype(np.float32))
    mean, deviation = q.mean().numpy(), q.stddev().numpy()
    fixed = priors.Fixed(tfd.MultivariateNormalDiag([1.0, 0, 2], [1.0, 2, 3]))
    for prior, loc, scale in (
        (priors.StandardNormal(SIZE), np.zeros(SIZE), np.ones(SIZE)),
        (fixed, np.array([1, 0, 2]), np.array([1, 2, 3])),
    ):
        if layer is layers.Normal:
            covariance = deviation[..., None] ** 2 * np.eye(SIZE)
        else:
            covariance = q.covariance().numpy()
        expected = kl(mean, covariance, loc, np.diag(scale**2))
        actual = closed_form_kl(q, prior.distribution)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_events_of_several_axes() -> None:
    loc, scale = np.full((4, 2, 3), 0.5), np.full((4, 2, 3), 2.0)
    q = tfd.Independent(tfd.Normal(loc, scale), 2)
    expected = 6 * (0.5 * (4 + 0.25 - 1) - np.log(2))
    one = np.float64(1)
    for p in (
        tfd.Sample(tfd.Normal(0 * one, one), [2, 3]),
        tfd.Independent(tfd.Normal(np.zeros((2, 3)), np.ones((2, 3))), 2),
    ):
        np.testing.assert_allclose(closed_form_kl(q, p), np.full(4, expected))


@pytest.mark.parametrize(
    "p",
    [
        tfd.Independent(tfd.Laplace([0.0] * SIZE, 1.0), 1),
        tfd.Sample(tfd.Logistic(0.0, 1.0), SIZE),
        tfd.MixtureSameFamily(
            tfd.Categorical(logits=[0.0, 0.0]),
            tfd.MultivariateNormalDiag([[0.0] * SIZE, [1.0] * SIZE]),
        ),
    ],
    ids=["laplace", "logistic", "mixture"],
)
def test_none_where_no_closed_form_is_registered(p) -> None:
    loc, scale, lower = (part.astype(np.float32) for part in numbers((4,), 73))
    for q in (
        tfd.Independent(tfd.Normal(loc, scale), 1),
        tfd.MultivariateNormalDiag(loc, scale),
        distributions.MultivariateNormalTriL(loc, lower),
    ):
        assert closed_form_kl(q, p) is None


def test_the_registrations_survive_a_second_import() -> None:
    with imported_again("tfvae.distributions.kl"):
        q, p = elements(*numbers((4,), 74))[0], lower(*numbers((), 75))[0]
        assert closed_form_kl(q, p).shape == (4,)


def test_gradients_reach_both_sides() -> None:
    loc, scale, lower_q = (tf.constant(part) for part in numbers((4,), 76))
    mean, deviation, _ = (tf.constant(part) for part in numbers((), 77))
    with tf.GradientTape() as tape:
        sources = [loc, scale, lower_q, mean, deviation]
        tape.watch(sources)
        p = tfd.Independent(tfd.Normal(mean, deviation), 1)
        one = closed_form_kl(tfd.MultivariateNormalDiag(loc, scale), p)
        two = closed_form_kl(tfd.MultivariateNormalTriL(loc, lower_q), p)
    for gradient in tape.gradient([one, two], sources):
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient)
