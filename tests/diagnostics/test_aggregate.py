"""The aggregate posterior: double loops by hand, quadrature, closed forms."""

import keras
import numpy as np
import pytest
from diagnostics.by_hand import data_of, raw_scale, vae_of
from scipy import integrate, stats
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.diagnostics import aggregate, aggregate_kl, encoding, surgery
from tfvae.diagnostics.factorised import elements


@pytest.fixture
def _small_blocks(monkeypatch) -> None:
    """Several batches of examples and several blocks of draws."""
    monkeypatch.setattr(encoding, "BATCH", 3)
    monkeypatch.setattr(aggregate, "_NUMBERS_PER_BLOCK", 20)


def parameters(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    return generator.normal(size=(n, size)), generator.uniform(0.2, 1.5, (n, size))


def drawn(vae: tfvae.VAE, x: np.ndarray, num_samples: int) -> np.ndarray:
    """The draws of seed 1, [S, N, D]."""
    parts = encoding.draws(vae, encoding.posteriors(vae, x), num_samples, 1)
    return np.concatenate([part.numpy() for part in parts], axis=1).astype(float)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("num_samples", [1, 2])
def test_surgery_is_a_double_loop(num_samples) -> None:
    loc, scale = parameters(7, 2)
    x, vae = data_of(loc, scale), vae_of(2)
    z = drawn(vae, x, num_samples)
    assert z.shape == (num_samples, 7, 2)
    information, correlation, dimensions, kl = [], [], [], []
    for draws in z:
        for n, at in enumerate(draws):
            own = stats.norm.logpdf(at, loc[n], scale[n])
            elements = np.zeros((7, 2))
            for m in range(7):
                for j in range(2):
                    elements[m, j] = stats.norm.pdf(at[j], loc[m, j], scale[m, j])
            joint = np.log(np.mean(elements.prod(axis=1)))
            marginals = np.log(elements.mean(axis=0))
            prior = stats.norm.logpdf(at)
            information.append(own.sum() - joint)
            correlation.append(joint - marginals.sum())
            dimensions.append(marginals - prior)
            kl.append(own.sum() - prior.sum())

    result = surgery(vae, x, num_samples, seed=1)
    close = {"rel": 1e-5, "abs": 1e-5}
    assert result.mutual_information == pytest.approx(np.mean(information), **close)
    assert result.total_correlation == pytest.approx(np.mean(correlation), **close)
    by_dimension = np.mean(dimensions, axis=0)
    assert result.dimension_wise_kl == pytest.approx(by_dimension, **close)
    assert result.marginal_kl == pytest.approx(by_dimension.sum(), **close)
    assert result.kl == pytest.approx(np.mean(kl), **close)

    divergence = aggregate_kl(vae, x, num_samples, seed=1)
    assert divergence.kl == pytest.approx(result.aggregate_kl, **close)
    by_example = np.sum(dimensions, axis=1) + correlation
    by_example = by_example.reshape(num_samples, 7).mean(axis=0)
    error = np.std(by_example, ddof=1) / np.sqrt(7)
    assert divergence.standard_error == pytest.approx(error, **close)


def test_the_parts_add_up() -> None:
    loc, scale = parameters(300, 5)
    result = surgery(vae_of(5), data_of(3 * loc, scale), seed=0)
    total = (
        result.mutual_information
        + result.total_correlation
        + result.dimension_wise_kl.sum()
    )
    assert total == pytest.approx(result.kl, rel=1e-12)
    assert result.dimension_wise_kl.dtype == np.float64


def test_one_dimension_is_a_quadrature() -> None:
    loc = np.array([[-1.5], [0.0], [0.3], [2.0]])
    scale = np.array([[0.4], [0.7], [1.2], [0.3]])

    def each(z: float) -> np.ndarray:
        return stats.norm.logpdf(z, loc[:, 0], scale[:, 0])

    def moment(function, power: int) -> float:
        """E over examples and z ~ q(z|x_n) of function(n, z) ** power."""

        def integrand(z: float) -> float:
            values = np.array([function(n, z) for n in range(4)])
            return float(np.mean(np.exp(each(z)) * values**power))

        return integrate.quad(integrand, -12, 12, limit=200, points=[-1.5, 0, 2])[0]

    def log_aggregate(z: float) -> float:
        return float(np.log(np.mean(np.exp(each(z)))))

    def known(n: int, z: float) -> float:
        return each(z)[n] - log_aggregate(z)

    def missed(n: int, z: float) -> float:
        return log_aggregate(z) - stats.norm.logpdf(z)

    samples = 5000
    result = surgery(vae_of(1), data_of(loc, scale), samples, seed=3)
    found = aggregate_kl(vae_of(1), data_of(loc, scale), samples, seed=3)
    for value, function in [
        (result.mutual_information, known),
        (result.marginal_kl, missed),
        (found.kl, missed),
    ]:
        mean = moment(function, 1)
        error = np.sqrt((moment(function, 2) - mean**2) / (4 * samples))
        assert value == pytest.approx(mean, abs=4 * error)
        assert error < 0.02
    assert result.total_correlation == pytest.approx(0, abs=1e-6)


def test_gaussian_data_have_closed_forms() -> None:
    # Means N(0, C), whitened so that their covariance is C exactly; scale 1/2.
    n, covariance = 1500, np.array([[1.0, 0.6], [0.6, 0.75]])
    means = np.random.default_rng(0).normal(size=(n, 2))
    means -= means.mean(axis=0)
    means = np.linalg.solve(np.linalg.cholesky(np.cov(means.T, ddof=0)), means.T).T
    means = means @ np.linalg.cholesky(covariance).T
    result = surgery(vae_of(2), data_of(means, 0.5), num_samples=2, seed=0)

    total = covariance + 0.25 * np.eye(2)
    determinant, variances = np.linalg.det(total), np.diag(total)
    information = 0.5 * np.log(determinant / 0.25**2)
    correlation = 0.5 * np.log(variances.prod() / determinant)
    dimensions = 0.5 * (variances - 1 - np.log(variances))
    assert result.mutual_information == pytest.approx(information, abs=0.05)
    assert result.total_correlation == pytest.approx(correlation, abs=0.05)
    assert result.dimension_wise_kl == pytest.approx(dimensions, abs=0.05)


def test_posteriors_apart_know_log_n_and_equal_ones_nothing() -> None:
    apart = data_of(np.arange(5.0)[:, None], 0.01)
    result = surgery(vae_of(1), apart, seed=0)
    assert result.mutual_information == pytest.approx(np.log(5), abs=1e-5)
    equal = surgery(vae_of(2), data_of(np.zeros((9, 2)), 1.0), seed=0)
    assert equal.mutual_information == pytest.approx(0, abs=1e-5)
    assert equal.total_correlation == pytest.approx(0, abs=1e-5)
    assert equal.dimension_wise_kl == pytest.approx(np.zeros(2), abs=1e-5)


def learned(size: int) -> tfvae.priors.Normal:
    prior = tfvae.priors.Normal(size)
    prior.set_weights([np.array([0.5, -1.0]), raw_scale(np.array([0.7, 2.0]))])
    return prior


PRIORS = {
    "learned": learned,
    "diagonal": lambda _: tfd.MultivariateNormalDiag([0.5, -1.0], [0.7, 2.0]),
    "independent": lambda _: tfd.Independent(tfd.Normal([0.5, -1.0], [0.7, 2.0]), 1),
}


@pytest.mark.parametrize("name", PRIORS)
def test_the_forms_of_a_factorised_prior(name) -> None:
    loc, scale = parameters(6, 2)
    x, vae = data_of(loc, scale), vae_of(2, prior=PRIORS[name](2))
    z = drawn(vae, x, 1)[0]
    own = stats.norm.logpdf(z, loc, scale).sum(1)
    prior = stats.norm.logpdf(z, [0.5, -1.0], [0.7, 2.0]).sum(1)
    assert surgery(vae, x, seed=1).kl == pytest.approx((own - prior).mean(), rel=1e-5)


def test_a_prior_of_alike_elements() -> None:
    loc, scale = parameters(6, 2)
    prior = tfd.Sample(tfd.Laplace(0.0, 1.0), 2)
    x, vae = data_of(loc, scale), vae_of(2, prior=prior)
    z = drawn(vae, x, 1)[0]
    kl = stats.norm.logpdf(z, loc, scale).sum(1) - stats.laplace.logpdf(z).sum(1)
    assert surgery(vae, x, seed=1).kl == pytest.approx(kl.mean(), rel=1e-5)


def test_latents_of_several_axes() -> None:
    loc, scale = parameters(8, 6)
    x = data_of(loc, scale)
    flat = surgery(vae_of(6), x, seed=0)
    table = tfvae.layers.Normal((2, 3), projection=None)
    result = surgery(vae_of(6, table), x, seed=0)
    assert result.dimension_wise_kl.shape == (2, 3)
    by_row = result.dimension_wise_kl.reshape(-1)
    assert by_row == pytest.approx(flat.dimension_wise_kl, rel=1e-6)
    assert result.mutual_information == pytest.approx(flat.mutual_information)


def test_any_posterior_and_prior_have_an_aggregate_kl() -> None:
    posterior = tfvae.layers.MultivariateNormalTriL(2, projection=None)
    prior = tfvae.priors.GaussianMixture(2, 3)
    vae = vae_of(2, posterior, prior)
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    q, z = vae.encode(x), drawn(vae, x, 3).reshape(-1, 2)
    covariance = q.covariance().numpy().astype(float)
    densities = [
        stats.multivariate_normal(q.mean()[n].numpy(), covariance[n]).pdf(z)
        for n in range(6)
    ]
    logits, centres, raw = (weight.astype(float) for weight in prior.get_weights())
    scales = np.logaddexp(0, raw) + 1e-6
    shares = np.exp(logits) / np.exp(logits).sum()
    parts = stats.norm.pdf(z[:, None], centres, scales).prod(-1)
    log_ratio = np.log(np.mean(densities, axis=0)) - np.log(parts @ shares)
    result = aggregate_kl(vae, x, 3, seed=1)
    assert result.kl == pytest.approx(log_ratio.mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("posterior", "prior", "role"),
    [
        (tfvae.layers.MultivariateNormalTriL, None, "posterior"),
        (tfvae.layers.InverseAutoregressiveFlow, None, "posterior"),
        (tfvae.layers.Normal, lambda: tfvae.priors.GaussianMixture(3, 2), "prior"),
        (
            tfvae.layers.Normal,
            lambda: tfd.MultivariateNormalTriL(np.zeros(3, "f"), np.eye(3, dtype="f")),
            "prior",
        ),
    ],
)
def test_what_has_no_independent_elements_is_named(posterior, prior, role) -> None:
    encoder = keras.Sequential([keras.Input((4,)), posterior(3)])
    decoder = keras.Sequential([keras.Input((3,)), tfvae.layers.Normal(4)])
    vae = tfvae.VAE(encoder, decoder, prior and prior())
    x = np.ones((5, 4), "float32")
    with pytest.raises(ValueError, match=rf"surgery\(\).* {role} .*aggregate_kl"):
        surgery(vae, x)
    assert np.isfinite(aggregate_kl(vae, x, seed=0).kl)


def test_vectors_that_are_independent_are_no_elements() -> None:
    for p in (
        tfd.Independent(tfd.MultivariateNormalDiag(np.zeros((3, 2))), 1),
        tfd.Sample(tfd.MultivariateNormalDiag(np.zeros(2)), 3),
        tfd.Sample(tfd.Normal([0.0, 1.0], 1.0), 3),
    ):
        with pytest.raises(ValueError, match="no independent elements"):
            elements(p)


@pytest.mark.usefixtures("_small_blocks")
def test_batches_share_no_draw() -> None:
    z = drawn(vae_of(2), data_of(np.zeros((6, 2)), 1.0), 2)
    assert len(np.unique(z)) == z.size


def test_a_seed_repeats_the_draws_and_none_goes_on() -> None:
    x, vae = data_of(*parameters(6, 2)), vae_of(2)
    assert surgery(vae, x, seed=4).kl == surgery(vae, x, seed=4).kl
    assert surgery(vae, x).kl != surgery(vae, x).kl


def test_a_single_example() -> None:
    x, vae = data_of(*parameters(1, 2)), vae_of(2)
    assert surgery(vae, x).mutual_information == pytest.approx(0, abs=1e-6)
    assert np.isnan(aggregate_kl(vae, x).standard_error)


@pytest.mark.parametrize("function", [surgery, aggregate_kl])
def test_wrong_arguments(function) -> None:
    x, vae = data_of(*parameters(6, 2)), vae_of(2)
    with pytest.raises(ValueError, match=r"`x` must have the shape \[batch, 4\]"):
        function(vae, x[:, :3])
    with pytest.raises(ValueError, match=r"`x` must hold finite numbers.*\[4, 0\]"):
        function(vae, np.where(np.eye(6, 4, k=-4) > 0, np.nan, x))
    with pytest.raises(ValueError, match="`num_samples` must be a positive integer"):
        function(vae, x, num_samples=0)
    with pytest.raises(ValueError, match="`seed` must be"):
        function(vae, x, seed=-1)
