"""Graphs of the estimators: made once for a model, and never out of date."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.linear import Linear
from support.small import small_vae
from support.training import binary

import tfvae
from tfvae.evidence import annealed, exact, gap, importance, posterior

ESTIMATORS = {
    "annealed": lambda vae, x: (
        annealed(vae, x, 5, 2, seed=0, latents=np.zeros((len(x), 1))).upper
    ),
    "exact": exact,
    "gap": lambda vae, x: gap(vae, x, 40, 5, seed=0, log_prob=np.zeros(len(x))).elbo,
    "importance": lambda vae, x: importance(vae, x, 100, seed=0).log_prob,
    "posterior": lambda vae, x: posterior(vae, x, 16, 5, 2, seed=0).samples,
}
pytestmark = pytest.mark.filterwarnings("ignore:`(pareto_k|r_hat)` exceeds:UserWarning")


def one_latent() -> tfvae.VAE:
    return small_vae(posterior=tfvae.layers.Normal(1))


def tracings(vae: tfvae.VAE) -> dict[str, int]:
    """How often each graph was traced."""
    counts = {}
    for (build, *arguments), built in vae._built_for_evidence.items():
        for name, part in [("", built), *getattr(built, "__dict__", {}).items()]:
            if isinstance(part, tf.types.experimental.PolymorphicFunction):
                key = f"{build.__qualname__} {arguments} {name}"
                counts[key] = part.experimental_get_tracing_count()
    return counts


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_second_call_traces_nothing(name) -> None:
    vae, x = one_latent(), binary(3)
    first = ESTIMATORS[name](vae, x)
    counts = tracings(vae)
    assert min(counts.values()) > 0
    np.testing.assert_array_equal(ESTIMATORS[name](vae, x), first)
    assert tracings(vae) == counts


@pytest.mark.parametrize("name", ESTIMATORS)
def test_results_follow_the_weights(name) -> None:
    vae, fresh, x = one_latent(), one_latent(), binary(3)
    before = ESTIMATORS[name](vae, x)
    changed = [0.5 * weight + 0.1 for weight in vae.get_weights()]
    vae.set_weights(changed)
    fresh.set_weights(changed)
    found, expected = (ESTIMATORS[name](model, x) for model in (vae, fresh))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(found - before).max() > 1e-3


@pytest.mark.usefixtures("float64")
def test_the_density_of_new_weights_is_that_of_scipy() -> None:
    linear = Linear(1, 2, noise=0.5)
    x = linear.marginal.rvs(3)
    importance(linear.vae, x, 100, seed=0)
    linear.w, linear.b = 2 * linear.w, linear.b + 1
    linear.vae.decoder.set_weights([linear.w.T, linear.b])
    linear.set_posterior()
    found = importance(linear.vae, x, 100, seed=0).log_prob
    np.testing.assert_allclose(found, linear.marginal.logpdf(x), rtol=1e-9)


def test_a_model_can_be_saved_and_copied_after_use(tmp_path) -> None:
    vae, x = one_latent(), binary(3)
    vae.compile("adam")
    vae.fit(x, verbose=0)
    some = {name: ESTIMATORS[name] for name in ("exact", "importance")}
    expected = {name: estimate(vae, x) for name, estimate in some.items()}
    number = len(vae.weights)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    copy = keras.models.clone_model(vae)
    copy.set_weights(vae.get_weights())
    for other in (loaded, copy):
        assert len(other.weights) == len(vae.weights) == number
        for name, estimate in some.items():
            np.testing.assert_allclose(estimate(other, x), expected[name], rtol=1e-6)
    vae.fit(x, verbose=0)


def test_a_model_is_freed_after_use() -> None:
    vae, x = one_latent(), binary(3)
    importance(vae, x, 30, seed=0)
    exact(vae, x)
    freed = weakref.ref(vae)
    del vae
    keras.backend.clear_session()
    gc.collect()
    assert freed() is None
