"""The importance-weighted estimate against closed forms, and its warnings."""

import numpy as np
import pytest
import scipy.special
from support.linear import Linear
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae.evidence import importance

UNTRAINED = pytest.mark.filterwarnings("ignore:`pareto_k` exceeds:UserWarning")


@UNTRAINED
def test_it_is_the_estimate_of_the_model() -> None:
    vae, x = small_vae(), binary(300)
    found = importance(vae, x, 70, seed=3)
    np.testing.assert_allclose(found.log_prob, vae.log_prob(x, 70, seed=3), rtol=1e-5)
    # Jensen: the log of a mean is above the mean of logs, here of the same weights.
    assert (found.log_prob > found.elbo).all()
    bound = vae.elbo(x, 70, seed=4).numpy()
    assert abs((found.elbo - bound).mean()) < 5 * np.std(found.elbo - bound) / 300**0.5
    for field in (
        "elbo",
        "reconstruction",
        "standard_error",
        "effective_sample_size",
        "pareto_k",
    ):
        value = getattr(found, field)
        assert (value.shape, value.dtype) == ((300,), np.float64)
        assert np.isfinite(value).all()


@pytest.mark.usefixtures("float64")
def test_the_exact_posterior_has_equal_weights() -> None:
    linear = Linear()
    x = linear.marginal.rvs(20)
    for jackknife in (False, True):
        found = importance(linear.vae, x, 100, seed=0, jackknife=jackknife)
        exact = linear.marginal.logpdf(x)
        np.testing.assert_allclose(found.log_prob, exact, rtol=1e-9)
        np.testing.assert_allclose(found.elbo, exact, rtol=1e-9)
        np.testing.assert_allclose(found.effective_sample_size, 100)
        assert found.standard_error.max() < 1e-9


def test_rounding_is_no_heavy_tail() -> None:
    # In float32 the equal weights differ by rounding, and no warning may come.
    linear = Linear(latents=3, width=30, noise=0.1)
    x = linear.marginal.rvs(200)
    found = importance(linear.vae, x, 1000, seed=0)
    assert found.standard_error.max() < 1e-4


@pytest.mark.usefixtures("float64")
def test_standard_errors_are_calibrated() -> None:
    linear = Linear(full=False)
    linear.set_posterior(widen=1.6)
    # The same example many times is many independent estimates.
    x = np.repeat(linear.marginal.rvs(1, random_state=0)[None], 2000, axis=0)
    found = importance(linear.vae, x, 1000, seed=1)
    z = (found.log_prob - linear.marginal.logpdf(x[0])) / found.standard_error
    assert abs(z.mean()) < 4 / np.sqrt(2000) + 0.05
    assert 0.9 < z.std() < 1.1
    assert found.pareto_k.max() < 0.7


@UNTRAINED
@pytest.mark.usefixtures("float64")
def test_the_jackknife_has_less_bias() -> None:
    linear = Linear(full=False)
    linear.set_posterior(widen=2.5)
    x = np.repeat(linear.marginal.rvs(1, random_state=0)[None], 4000, axis=0)
    expected = linear.marginal.logpdf(x[0])
    plain = importance(linear.vae, x, 30, seed=1).log_prob - expected
    corrected = (
        importance(linear.vae, x, 30, seed=1, jackknife=True).log_prob - expected
    )
    error = plain.std() / np.sqrt(len(x))
    assert plain.mean() < -5 * error
    assert abs(corrected.mean()) < 0.4 * abs(plain.mean())


def test_a_narrow_posterior_is_warned_of() -> None:
    linear = Linear()
    linear.set_posterior(widen=0.4)
    x = linear.marginal.rvs(5)
    match = r"exceeds 0\.7 for \d of 5 examples.*evidence\.annealed"
    with pytest.warns(UserWarning, match=match) as records:
        found = importance(linear.vae, x, 2000, seed=0)
    assert len(records) == 1
    assert records[0].filename == __file__
    # 1 / moments of the weights: q is narrower by this in each direction.
    assert (found.pareto_k > 0.7).any()


@UNTRAINED
def test_many_samples_take_few_examples_at_once(monkeypatch) -> None:
    vae, x = small_vae(), binary(7)
    whole = importance(vae, x, 100, seed=0)
    monkeypatch.setattr("tfvae.evidence.importance_sampling._WEIGHTS_AT_ONCE", 250)
    parts = importance(vae, x, 100, seed=0)
    error = np.hypot(whole.standard_error, parts.standard_error)
    assert (np.abs(whole.log_prob - parts.log_prob) < 5 * error).all()


def test_all_events_of_a_bernoulli_sum_to_one() -> None:
    vae = small_vae(posterior=tfvae.layers.Normal(2, scale=1.0))
    # The weights are then p(x|z), which are bounded.
    vae.encoder.set_weights([np.zeros_like(w) for w in vae.encoder.get_weights()])
    events = np.array(np.meshgrid(*[[0.0, 1.0]] * 6)).reshape(6, -1).T
    with np.errstate(all="raise"):
        found = importance(vae, events, 20_000, seed=0)
    total = np.exp(scipy.special.logsumexp(found.log_prob))
    error = np.sqrt(np.sum((np.exp(found.log_prob) * found.standard_error) ** 2))
    assert abs(total - 1) < 5 * error < 0.5


def test_wrong_arguments() -> None:
    vae, x = small_vae(), binary(3)
    for number in (1, 0, 2.5):
        with pytest.raises(ValueError, match="`num_samples` must be"):
            importance(vae, x, number)
    with pytest.raises(ValueError, match="`x` must lie in the support"):
        importance(vae, x + 0.5, 10)
    with pytest.raises(ValueError, match="`x` must"):
        importance(vae, x * np.nan, 10)
