"""The same training in every mode of Keras: compiled, eager, in half precision."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.small import small_vae
from support.training import assert_same_weights, binary

import tfvae
from tfvae.objectives import ELBO

X = binary(70)


def trained(epochs: int = 2, **options) -> tuple[tfvae.VAE, dict[str, list[float]]]:
    """From the same start, the same steps."""
    keras.utils.set_random_seed(3)
    vae = small_vae(seed=5)
    vae.compile(keras.optimizers.SGD(0.01), ELBO(num_samples=2), **options)
    history = vae.fit(X, batch_size=16, epochs=epochs, validation_data=X, verbose=0)
    return vae, history.history


@pytest.fixture(scope="module")
def plain():
    return trained()


def test_runs_repeat_bit_for_bit(plain) -> None:
    vae, history = trained()
    assert history == plain[1]
    assert_same_weights(vae, plain[0])


SCRIPT = """
import json, sys
import numpy as np
sys.path.insert(0, "tests")
from test_modes import trained, X

vae, history = trained()
weights = [w.astype(float).tolist() for w in vae.get_weights()]
print(json.dumps([history, weights, vae.log_prob(X, 10).numpy().tolist()]))
"""


def test_another_process_repeats_bit_for_bit() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    history, weights, log_prob = json.loads(run.stdout.splitlines()[-1])
    vae, expected = trained()
    assert history == expected
    for a, b in zip(weights, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(log_prob, vae.log_prob(X, 10))


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": True},
        {"steps_per_execution": 3},
        {"jit_compile": True, "steps_per_execution": 2},
    ],
    ids=str,
)
def test_modes_agree_but_for_rounding(plain, options) -> None:
    vae, history = trained(**options)
    assert history.keys() == plain[1].keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, plain[1][name], rtol=1e-5)
    assert_same_weights(vae, plain[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("policy", "likelihood"),
    [
        ("mixed_float16", "Bernoulli"),
        ("mixed_float16", "Normal"),
        ("mixed_bfloat16", "ContinuousBernoulli"),
        ("float64", "Bernoulli"),
    ],
)
def test_precisions(policy, likelihood) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        layer = getattr(tfvae.layers, likelihood)(6)
        vae = small_vae(likelihood=layer)
    finally:
        keras.config.set_dtype_policy("float32")
    vae.compile(keras.optimizers.Adam(0.02))
    scaled = isinstance(vae.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    history = vae.fit(X, batch_size=35, epochs=10, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < history[0] - 0.1
    # Loss scaling starts high and may skip the steps that overflow.
    assert 18 <= int(vae.optimizer.iterations) <= 20
    dtype = "float64" if policy == "float64" else "float32"
    assert {weight.dtype for weight in vae.trainable_weights} == {dtype}
    assert vae.encode(X).dtype == vae.prior.dtype == vae.elbo(X).dtype == dtype
    assert vae.sample(2).dtype == vae.reconstruct(X).dtype == dtype
    assert np.isfinite(vae.evaluate(X, verbose=0)).all()
    assert np.isfinite(vae(X).mean()).all()
    assert vae.predict(X, verbose=0).shape == X.shape


def test_half_precision_is_near_full_precision() -> None:
    keras.utils.set_random_seed(0)
    full = small_vae()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = small_vae()
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    one, two = (vae.elbo(X, 20, seed=1) for vae in (half, full))
    np.testing.assert_allclose(one, two, atol=0.02)
    assert np.abs(one - two).max() > 0
