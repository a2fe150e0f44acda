"""A linear-Gaussian VAE is probabilistic PCA, whose likelihood has a closed form.

With a linear decoder and one noise scale p(x) = N(b, W W^T + s^2 I). Its maximum is
known (Tipping and Bishop, 1999), and the ELBO attains it: the true posterior is a
normal whose mean is linear in x and whose covariance is the same for every x.

scikit-learn scales the covariance by n / (n - 1), so that `PCA.score` lies under the
true maximum, by less than p / (4 (n - 1)^2): 2e-4 nats for the tables here.
"""

import keras
import numpy as np
import pytest
import scipy.stats
import sklearn.datasets
import sklearn.decomposition
import tensorflow as tf

import tfvae

SAMPLES = 2000

POSTERIORS = {
    "full": tfvae.layers.MultivariateNormalTriL,
    "diagonal": tfvae.layers.Normal,
}


def table(name: str) -> np.ndarray:
    """A table of scikit-learn, each column standardised."""
    x = getattr(sklearn.datasets, f"load_{name}")().data
    x = x[:, x.std(axis=0) > 0]
    return (x - x.mean(axis=0)) / x.std(axis=0)


def fitted(x: np.ndarray, size: int, posterior: str, steps: int) -> tfvae.VAE:
    """Full batches, and a rate that falls to zero so that the noise averages out."""
    width = x.shape[1]
    encoder = keras.Sequential([keras.Input((width,)), POSTERIORS[posterior](size)])
    decoder = keras.Sequential(
        [keras.Input((size,)), tfvae.layers.Normal(width, scale="shared")]
    )
    vae = tfvae.VAE(encoder, decoder, seed=0)
    rate = keras.optimizers.schedules.CosineDecay(0.02, decay_steps=steps)
    vae.compile(keras.optimizers.Adam(rate), jit_compile=True, steps_per_execution=100)
    batches = tf.data.Dataset.from_tensors(x.astype("float32")).repeat(steps)
    vae.fit(batches, verbose=0)
    return vae


def marginal(vae: tfvae.VAE) -> scipy.stats.rv_continuous:
    """The density p(x) that the weights stand for."""
    raw_scale, kernel, bias = (w.astype(float) for w in vae.decoder.get_weights())
    scale = np.logaddexp(0, raw_scale) + 1e-6
    covariance = kernel.T @ kernel + scale**2 * np.eye(len(bias))
    return scipy.stats.multivariate_normal(bias, covariance)


def maximum(x: np.ndarray, size: int) -> float:
    """The highest mean log-likelihood of any N(b, W W^T + s^2 I)."""
    n, p = x.shape
    values = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2 / n
    noise = values[size:].sum() / (p - size)
    log_determinant = np.log(values[:size]).sum() + (p - size) * np.log(noise)
    return -0.5 * (p * np.log(2 * np.pi) + log_determinant + p)


@pytest.mark.parametrize(("name", "size"), [("wine", 2), ("breast_cancer", 5)])
def test_scikit_learn_scores_just_under_the_maximum(name, size) -> None:
    x = table(name)
    n, p = x.shape
    score = sklearn.decomposition.PCA(size).fit(x).score(x)
    below = maximum(x, size) - score
    # Exactly the cost of the factor n / (n - 1).
    assert below == pytest.approx(p / 2 * (np.log(n / (n - 1)) - 1 / n), rel=1e-6)
    assert 0 < below < p / 4 / (n - 1) ** 2


def check(name: str, size: int, posterior: str, steps: int) -> None:
    x = table(name)
    vae = fitted(x, size, posterior, steps)
    score = sklearn.decomposition.PCA(size).fit(x).score(x)
    closed_form = marginal(vae).logpdf(x)

    # No model of this family is better than the maximum, and this one is there.
    best = maximum(x, size)
    assert best - 0.005 < closed_form.mean() < best + 1e-5
    terms = vae.terms(x, 200, seed=3)
    elbo = vae.elbo(x, SAMPLES, seed=1).numpy()
    error = terms.log_likelihood.numpy().std(axis=0) / np.sqrt(SAMPLES)
    mean_error = np.sqrt((error**2).sum()) / len(x)
    assert abs(elbo.mean() - score) < 0.02
    # The gap of each example is KL(q || p(z|x)), which is not negative.
    assert (elbo < closed_form + 5 * error).all()
    assert elbo.mean() < closed_form.mean() + 4 * mean_error

    log_prob = vae.log_prob(x, SAMPLES, seed=2).numpy()
    weights = np.exp(terms.log_weights.numpy() - closed_form)
    error = weights.std(axis=0) / np.sqrt(SAMPLES)
    mean_error = np.sqrt((error**2).sum()) / len(x)
    # 1e-5 of a nat is float32.
    bound = 1e-5 * np.maximum(1, np.abs(closed_form))
    assert (np.abs(log_prob - closed_form) < 5 * error + bound).all()
    assert abs((log_prob - closed_form).mean()) < 4 * mean_error + bound.mean()


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
@pytest.mark.parametrize("size", [2, 5])
def test_full_posteriors_reach_probabilistic_pca(name, size) -> None:
    check(name, size, "full", steps=2500)


@pytest.mark.parametrize(("name", "size"), [("wine", 5)])
def test_diagonal_posteriors_reach_it_too(name, size) -> None:
    # W is known but for a rotation, and one of them makes the posterior diagonal.
    check(name, size, "diagonal", steps=2500)


@pytest.mark.slow
@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("iris", 1),
        ("iris", 3),
        ("diabetes", 2),
        ("diabetes", 8),
        ("digits", 5),
        ("wine", 10),
        ("breast_cancer", 10),
    ],
)
def test_other_tables_and_sizes(name, size, posterior) -> None:
    check(name, size, posterior, steps=6000)
