"""Draws from the true posterior, against the closed form and against quadrature."""

import numpy as np
import pytest
from support.linear import Linear
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae.evidence import posterior


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("widen", [1.0, 0.3])
def test_moments_are_those_of_the_closed_form(widen) -> None:
    linear = Linear(2, 4, prior=True)
    linear.set_posterior(widen=widen, shift=0.5 * (1 - widen))
    x = linear.marginal.rvs(3)
    found = posterior(linear.vae, x, num_samples=4000, num_burnin=300, seed=0)
    assert found.samples.shape == (4000, 3, 2)
    deviation = np.sqrt(np.diag(linear.covariance))
    error = deviation / np.sqrt(found.effective_sample_size)
    distance = found.samples.mean(axis=0) - linear.posterior_mean(x)
    assert (np.abs(distance) < 4.5 * error).all()
    for n in range(3):
        covariance = np.cov(found.samples[:, n].T) / np.outer(deviation, deviation)
        expected = linear.covariance / np.outer(deviation, deviation)
        least = found.effective_sample_size[n].min()
        np.testing.assert_allclose(covariance, expected, atol=6 / np.sqrt(least))
    assert found.r_hat.max() < 1.02
    assert found.effective_sample_size.min() > 400
    assert (np.abs(found.acceptance - 0.8) < 0.15).all()
    assert found.divergences.max() < 0.01
    for field in ("acceptance", "divergences"):
        assert getattr(found, field).shape == (3,)


@pytest.mark.usefixtures("float64")
def test_moments_are_those_of_the_integral() -> None:
    vae, x = small_vae(posterior=tfvae.layers.Normal(1)), binary(3)
    oracle = Oracle(vae)
    found = posterior(vae, x, num_samples=3000, num_burnin=300, seed=0)

    def moment(power: int) -> np.ndarray:
        def function(x: np.ndarray, z: np.ndarray) -> np.ndarray:
            return np.exp(oracle.log_likelihood(x, z)) * z[..., 0] ** power

        evidence = np.exp(oracle.log_marginal(x))
        return oracle.integral(function, x, under="prior") / evidence

    mean = moment(1)
    deviation = np.sqrt(moment(2) - mean**2)
    draws = found.samples[..., 0]
    error = deviation / np.sqrt(found.effective_sample_size[:, 0])
    assert (np.abs(draws.mean(axis=0) - mean) < 4.5 * error).all()
    assert (np.abs(draws.std(axis=0) / deviation - 1) < 0.1).all()


@pytest.mark.filterwarnings("ignore:`r_hat` exceeds:UserWarning")
def test_shapes_seeds_and_dtypes() -> None:
    vae, x = small_vae(), binary(2)
    one, two, other = (posterior(vae, x, 35, 5, seed=s).samples for s in (1, 1, 2))
    assert (one.shape, one.dtype) == ((35, 2, 3), np.float32)
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0


def test_chains_that_do_not_agree_are_not_to_be_believed() -> None:
    vae, x = small_vae(), binary(6)
    with pytest.warns(UserWarning, match="longer `num_burnin`") as warned:
        found = posterior(vae, x, 16, 1, num_chains=2, seed=0)
    number = int((found.r_hat > 1.05).any(axis=1).sum())
    assert number > 0
    assert f"`r_hat` exceeds 1.05 for {number} of 6 examples" in str(warned[0].message)


def test_wrong_arguments() -> None:
    vae, x = small_vae(), binary(2)
    for name in ("num_samples", "num_burnin", "num_chains"):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            posterior(vae, x, **{name: 0})
    with pytest.raises(ValueError, match="`num_chains` must be at least 2"):
        posterior(vae, x, num_chains=1)
    with pytest.raises(ValueError, match="`num_samples` must be at least 32 for 4"):
        posterior(vae, x, num_samples=31)
    sphere = small_vae(posterior=tfvae.layers.VonMisesFisher(3))
    with pytest.raises(ValueError, match="`posterior` needs latents that take all"):
        posterior(sphere, x)
