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
def test_few_examples_at_once_have_the_same_draws(monkeypatch) -> None:
    vae, x = small_vae(), binary(300)
    whole = importance(vae, x, 100, seed=3)
    # So many samples that their weights are not copied together for a whole block.
    monkeypatch.setattr("tfvae.evidence.importance_sampling._WEIGHTS_AT_ONCE", 250)
    parts = importance(vae, x, 100, seed=3)
    np.testing.assert_allclose(parts.log_prob, vae.log_prob(x, 100, seed=3), rtol=1e-5)
    for field in ("log_prob", "elbo", "standard_error", "pareto_k"):
        one, other = getattr(whole, field), getattr(parts, field)
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(("size", "limit"), [(100, 0.5), (1000, 2 / 3), (10_000, 0.7)])
def test_few_samples_bear_lighter_tails_alone(size, limit) -> None:
    # q is narrower than p(z|x), so that the k of its weights is 1 - 0.65^2 = 0.58.
    linear = Linear(1, 2)
    linear.set_posterior(widen=0.65)
    x = np.repeat(linear.marginal.rvs(1)[None], 50, axis=0)
    with pytest.warns(UserWarning, match=rf"`pareto_k` exceeds {limit:.2g} for \d+ of"):
        found = importance(linear.vae, x, size, seed=0)
    assert found.pareto_k_limit == pytest.approx(limit)
    np.testing.assert_array_equal(found.unreliable, found.pareto_k > limit)


def test_too_few_samples_for_a_tail_are_warned_of() -> None:
    linear = Linear()
    x = linear.marginal.rvs(3)
    match = r"`pareto_k` needs at least 21 draws and has 20.*Take more samples"
    with pytest.warns(UserWarning, match=match) as records:
        found = importance(linear.vae, x, 20, seed=0)
    assert [record.filename for record in records] == [__file__]
    assert np.isnan(found.pareto_k).all()
    assert not found.unreliable.any()
    # Equal weights have no tail either, and nothing is wrong with them.
    importance(linear.vae, x, 21, seed=0)


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


@UNTRAINED
def test_a_numpy_integer_is_a_number_of_samples() -> None:
    vae, x = small_vae(), binary(3)
    first = importance(vae, x, np.int64(50), seed=0).log_prob
    np.testing.assert_array_equal(importance(vae, x, 50, seed=0).log_prob, first)
    for method in (vae.elbo, vae.log_prob):
        np.testing.assert_array_equal(
            method(x, np.int64(50), seed=0), method(x, 50, seed=0)
        )
