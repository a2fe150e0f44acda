"""Annealed bounds against closed forms and quadrature."""

import numpy as np
import pytest
from support.linear import Linear
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae.evidence import annealed, simulate


def test_simulated_data_are_draws_of_the_joint() -> None:
    linear = Linear(2, 3, prior=True)
    x, z = simulate(linear.vae, 20_000, seed=0)
    assert (x.shape, z.shape) == ((20_000, 3), (20_000, 2))
    error = 5 / np.sqrt(20_000)
    assert (np.abs(z.mean(axis=0) - linear.m) < error * linear.r).all()
    noise = (x - z @ linear.w.T - linear.b) / linear.s
    assert np.abs(noise.mean(axis=0)).max() < error
    np.testing.assert_allclose(np.cov(noise.T), np.eye(3), atol=0.05)
    again, _ = simulate(linear.vae, 20_000, seed=0)
    np.testing.assert_array_equal(again, x)


def check(found, expected: np.ndarray, width: float) -> None:
    """Each bound is near, and their means lie on both sides."""
    for value, error in (
        (found.log_prob, found.standard_error),
        (found.upper, found.upper_standard_error),
    ):
        assert (value.shape, value.dtype) == (expected.shape, np.float64)
        assert (np.abs(value - expected) < 6 * error + 0.02).all()
    count = np.sqrt(len(expected))
    below, above = found.log_prob - expected, found.upper - expected
    assert below.mean() < 3 * below.std() / count
    assert above.mean() > -3 * above.std() / count
    assert (above - below).mean() < width
    assert ((found.acceptance > 0.6) & (found.acceptance < 0.99)).all()


@pytest.mark.usefixtures("float64")
def test_the_bounds_meet_at_the_closed_form() -> None:
    linear = Linear(3, 5, prior=True)
    # The posterior sets scales alone: a wrong mean does not matter.
    linear.set_posterior(widen=2.0, shift=1.0)
    x, z = simulate(linear.vae, 40, seed=1)
    found = annealed(linear.vae, x, num_steps=150, seed=0, latents=z)
    check(found, linear.marginal.logpdf(x), width=0.2)


@pytest.mark.usefixtures("float64")
def test_the_bounds_meet_at_the_integral() -> None:
    vae = small_vae(posterior=tfvae.layers.Normal(1))
    x, z = simulate(vae, 40, seed=1)
    found = annealed(vae, x, num_steps=100, seed=0, latents=z)
    check(found, Oracle(vae).log_marginal(x), width=0.1)


def test_weights_are_unbiased_with_any_number_of_steps() -> None:
    # With one step they are importance weights from the prior, the mean of which is p.
    linear = Linear(1, 2, noise=1.0)
    x = np.repeat(linear.marginal.rvs(1, random_state=0)[None], 200, axis=0)
    expected = np.exp(linear.marginal.logpdf(x[0]))
    for num_steps in (1, 3):
        found = annealed(linear.vae, x, num_steps, num_chains=50, seed=0)
        estimates = np.exp(found.log_prob)
        error = estimates.std() / np.sqrt(200)
        assert abs(estimates.mean() - expected) < 4 * error < 0.2 * expected
        assert found.upper is None
        assert found.upper_standard_error is None


def test_more_steps_come_closer() -> None:
    linear = Linear(3, 6, noise=0.2)
    x, z = simulate(linear.vae, 20, seed=0)
    widths = []
    for num_steps in (5, 20, 80):
        found = annealed(linear.vae, x, num_steps, seed=0, latents=z)
        widths.append((found.upper - found.log_prob).mean())
    assert widths[0] > 2 * widths[1] > 4 * widths[2] > 0


def test_seeds_and_examples() -> None:
    linear = Linear()
    x = linear.marginal.rvs(5)
    one, two, other = (
        annealed(linear.vae, x, 10, 2, seed=seed).log_prob for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).min() > 0


def test_flows_have_posteriors_without_deviations() -> None:
    vae = small_vae(posterior=tfvae.layers.InverseAutoregressiveFlow(2))
    found = annealed(vae, binary(3), num_steps=5, num_chains=2)
    assert np.isfinite(found.log_prob).all()


def test_wrong_arguments() -> None:
    vae, x = small_vae(), binary(3)
    for name in ("num_steps", "num_chains", "num_leapfrog_steps"):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            annealed(vae, x, **{name: 0})
    with pytest.raises(ValueError, match="`num_chains` must be at least 2"):
        annealed(vae, x, num_chains=1)
    for latents in (np.zeros((3, 2)), np.zeros((2, 3)), np.full((3, 3), np.nan)):
        with pytest.raises(ValueError, match=r"`latents` must be finite.*\[3, 3\]"):
            annealed(vae, x, latents=latents)
    with pytest.raises(ValueError, match="`num_examples`"):
        simulate(vae, 0)
    sphere = small_vae(posterior=tfvae.layers.VonMisesFisher(3))
    with pytest.raises(ValueError, match="`annealed` needs latents that take all real"):
        annealed(sphere, x)
