"""What a step computes: losses, weights, logs, gradients, noise, regularisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import LearnedNormal, assert_same_weights, binary, values_of

import tfvae
from tfvae.objectives import ELBO

# With this posterior z is its mean but for 1e-6, so that NumPy knows what a step sees.
CERTAIN = 1e-6


def certain_vae(**compile_arguments) -> tfvae.VAE:
    vae = small_vae(posterior=tfvae.layers.Normal(3, scale=CERTAIN))
    vae.compile(**compile_arguments)
    return vae


def stack(size: int, *layers: keras.layers.Layer) -> keras.Sequential:
    return keras.Sequential([keras.Input((size,)), *layers])


def expected_logs(vae: tfvae.VAE, x, weights, batch_size: int) -> dict[str, float]:
    """Keras's loss, and means over the weighted examples."""
    oracle = Oracle(vae)
    reconstruction = oracle.log_likelihood(x, oracle.posterior(x)[0])
    kl = oracle.kl(x)
    loss = weights * (kl - reconstruction)
    batches = [loss[i : i + batch_size] for i in range(0, len(x), batch_size)]
    return {
        "loss": sum(batch.mean() * len(batch) for batch in batches) / len(x),
        "elbo": np.average(reconstruction - kl, weights=weights),
        "reconstruction": np.average(reconstruction, weights=weights),
        "kl": np.average(kl, weights=weights),
    }


WEIGHTS = {
    "none": None,
    "some": np.random.default_rng(1).random(21) * 3,
    "zeros": np.array([0.0, 1.0, 5.0] * 7),
    "a batch of zeros": np.repeat([0.0, 2.0], [8, 13]),
    "boolean": np.array([True, False, True] * 7),
}


@pytest.mark.parametrize("batch_size", [8, 21])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_logs_are_means_over_weighted_examples(weights, batch_size) -> None:
    vae, x, w = certain_vae(), binary(21), WEIGHTS[weights]
    logs = vae.evaluate(
        x, sample_weight=w, batch_size=batch_size, return_dict=True, verbose=0
    )
    expected = expected_logs(vae, x, np.ones(21) if w is None else 1.0 * w, batch_size)
    assert logs.keys() == expected.keys()
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=2e-6, abs=1e-5)
    assert logs["elbo"] == pytest.approx(logs["reconstruction"] - logs["kl"], rel=1e-6)


def test_training_logs_are_means_over_weighted_examples() -> None:
    vae, x = certain_vae(optimizer=keras.optimizers.SGD(0.0)), binary(21)
    w = WEIGHTS["some"]
    history = vae.fit(x, sample_weight=w, batch_size=8, verbose=0).history
    for name, value in expected_logs(vae, x, w, 8).items():
        assert history[name][0] == pytest.approx(value, rel=2e-6, abs=1e-5)


def test_a_weight_of_two_is_a_gradient_twice_as_long() -> None:
    x = binary(16)
    plain, double, none = models = [
        certain_vae(optimizer=keras.optimizers.SGD(0.01)) for _ in range(3)
    ]
    start = plain.get_weights()
    for vae, weight in zip(models, (1.0, 2.0, 0.0), strict=True):
        vae.set_weights(start)
        vae.fit(x, batch_size=16, sample_weight=np.full(16, weight), verbose=0)
    for zero, one, two, still in zip(
        start, *(vae.get_weights() for vae in models), strict=True
    ):
        np.testing.assert_allclose(two - zero, 2 * (one - zero), atol=1e-5)
        np.testing.assert_array_equal(still, zero)
    assert none is not double


def test_validation_during_fit_is_the_evaluation() -> None:
    vae, x, held = small_vae(), binary(30), binary(13, seed=1)
    vae.compile()
    w = np.random.default_rng(2).random(13)
    history = vae.fit(x, validation_data=(held, None, w), verbose=0).history
    logs = vae.evaluate(held, sample_weight=w, return_dict=True, verbose=0)
    assert {f"val_{name}": [value] for name, value in logs.items()}.items() <= (
        history.items()
    )
    # Evaluation repeats its draws, whatever was drawn in between.
    vae.sample(3)
    assert vae.evaluate(held, sample_weight=w, return_dict=True, verbose=0) == logs
    # And draws anew for each batch.
    same = np.repeat(held[:1], 40, axis=0)
    values = [
        vae.evaluate(same[: 4 * n], batch_size=4, verbose=0)[0] for n in range(1, 11)
    ]
    assert len(set(np.round(values, 5))) > 5


@pytest.mark.usefixtures("float64")
def test_gradients_are_those_of_finite_differences() -> None:
    vae = tfvae.VAE(
        stack(4, keras.layers.Dense(5, "tanh"), tfvae.layers.Normal(2)),
        stack(
            2,
            keras.layers.Dense(5, "tanh", kernel_regularizer="l2"),
            tfvae.layers.Normal(4, scale="shared"),
        ),
        prior=LearnedNormal(2),
        seed=0,
    )
    x = np.random.normal(size=(7, 4))
    w = np.random.default_rng(3).random(7)
    rate = keras.optimizers.SGD(1.0)
    vae.compile(rate, ELBO(num_samples=3, beta=0.7))

    def step(learning_rate: float) -> float:
        """The loss at the weights before the first step of a run, with its noise."""
        rate.learning_rate = learning_rate
        rate.iterations.assign(0)
        vae.noise.state.assign([0, 0, 0])
        vae.reset_metrics()
        return vae.train_on_batch(x, sample_weight=w, return_dict=True)["loss"]

    variables = vae.trainable_variables
    before = values_of_variables(variables)
    step(1.0)
    gradients = [
        a - b for a, b in zip(before, values_of_variables(variables), strict=True)
    ]
    for variable, value, gradient in zip(variables, before, gradients, strict=True):
        for index in {(0,) * value.ndim, tuple(s - 1 for s in value.shape)}:
            for v, b in zip(variables, before, strict=True):
                v.assign(b)
            losses = []
            for sign in (1, -1):
                moved = value.copy()
                moved[index] += sign * 1e-5
                variable.assign(moved)
                losses.append(step(0.0))
            expected = (losses[0] - losses[1]) / 2e-5
            assert gradient[index] == pytest.approx(expected, rel=1e-6, abs=1e-8)


def values_of_variables(variables) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_no_two_steps_share_their_noise() -> None:
    """Neither within an accumulation that an epoch cuts, nor after compiling again."""
    vae = small_vae()
    seeds = []
    original = vae._step_seed
    vae._step_seed = lambda training: seeds.append(original(training)) or seeds[-1]
    for _ in range(2):
        optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=4)
        vae.compile(optimizer, run_eagerly=True)
        vae.fit(binary(12), batch_size=4, epochs=4, verbose=0)
        assert int(optimizer.iterations) == 3
    vae.evaluate(binary(8), batch_size=4, verbose=0)
    vae.evaluate(binary(8), batch_size=4, verbose=0)
    keys = [tuple(seed.numpy()) for seed in seeds]
    # 24 steps; the two evaluations share the draws of their two batches.
    assert len(keys) == 28
    assert len(set(keys)) == 26


def test_the_streams_of_a_seed_are_apart() -> None:
    vae = small_vae(seed=3)
    assert not np.array_equal(vae.sample(50), vae.sample(50, seed=3))
    firsts = [small_vae(seed=s).noise.for_call().numpy() for s in (1, 2**31 + 1, 2**40)]
    assert len({tuple(first) for first in firsts}) == 3


def test_regularisers_are_part_of_the_loss_alone() -> None:
    keras.utils.set_random_seed(1)
    l1 = keras.regularizers.L1(2.0)
    vae = tfvae.VAE(
        stack(6, keras.layers.Dense(8, kernel_regularizer="l2"), _certain()),
        stack(3, tfvae.layers.Bernoulli(6, kernel_regularizer=l1)),
    )
    vae.compile(keras.optimizers.SGD(0.0))
    x = binary(21)
    first, last = vae.encoder.weights[0], vae.decoder.weights[0]
    penalty = 0.01 * np.sum(np.square(first)) + 2 * np.sum(np.abs(last))
    for logs in (
        vae.evaluate(x, batch_size=8, return_dict=True, verbose=0),
        {k: v[0] for k, v in vae.fit(x, batch_size=8, verbose=0).history.items()},
    ):
        assert logs["loss"] == pytest.approx(penalty - logs["elbo"], rel=1e-5)
        assert penalty > 1


def _certain() -> tfvae.layers.Normal:
    return tfvae.layers.Normal(3, scale=CERTAIN)


def test_dropout_is_on_in_training_alone() -> None:
    vae = tfvae.VAE(
        stack(6, keras.layers.Dropout(0.5, seed=1), _certain()),
        stack(3, keras.layers.Dropout(0.5, seed=2), tfvae.layers.Bernoulli(6)),
        seed=0,
    )
    vae.compile(keras.optimizers.SGD(0.0))
    x = binary(64)
    evaluated = vae.evaluate(x, return_dict=True, verbose=0)
    trained = [
        vae.fit(x, verbose=0, shuffle=False).history["elbo"][0] for _ in range(2)
    ]
    assert len({evaluated["elbo"], *trained}) == 3
    assert vae.evaluate(x, return_dict=True, verbose=0) == evaluated
    assert float(np.mean(vae.elbo(x))) == pytest.approx(evaluated["elbo"], abs=1e-3)
    np.testing.assert_array_equal(vae.reconstruct(x), vae.reconstruct(x))
    calls = [vae(x, training=True).mean() for _ in range(2)]
    assert np.abs(calls[0] - calls[1]).max() > 1e-3
    assert np.abs(vae(x).mean() - vae.reconstruct(x)).max() < 1e-4


@pytest.mark.parametrize(
    ("frozen", "when"),
    [("encoder", "before"), ("encoder", "after"), ("decoder", "before")],
)
def test_frozen_parts_stay_as_they_are(frozen, when) -> None:
    vae, x = small_vae(prior=LearnedNormal(3)), binary(32)
    parts = {name: getattr(vae, name) for name in ("encoder", "decoder", "prior_layer")}
    if when == "after":
        vae.compile("adam")
        vae.fit(x, verbose=0)
    parts[frozen].trainable = False
    vae.compile("adam")
    before = {name: values_of(part) for name, part in parts.items()}
    vae.fit(x, epochs=2, verbose=0)
    for name, part in parts.items():
        moved = [
            np.abs(a - b).max()
            for a, b in zip(before[name], values_of(part), strict=True)
        ]
        assert (max(moved) == 0) if name == frozen else (min(moved) > 0)


def test_a_step_is_traced_once(monkeypatch) -> None:
    vae, traced = small_vae(), []
    step = type(vae).train_step

    def counting(self, data):
        traced.append(data)
        return step(self, data)

    monkeypatch.setattr(type(vae), "train_step", counting)
    vae.compile("adam")
    vae.fit(binary(24), batch_size=8, epochs=2, verbose=0)
    assert len(traced) == 1


def test_a_trainable_prior_learns() -> None:
    vae, x = small_vae(prior=LearnedNormal(3)), binary(64)
    vae.encoder.trainable = vae.decoder.trainable = False
    vae.compile(keras.optimizers.Adam(0.05), steps_per_execution=100)
    before = vae.evaluate(x, verbose=0, return_dict=True)["kl"]
    vae.fit(tf.data.Dataset.from_tensors(x).repeat(300), verbose=0)
    # The best normal prior has the moments of the aggregate posterior.
    loc, scale = Oracle(vae).posterior(x)
    found = vae.prior_layer.get_weights()
    np.testing.assert_allclose(found[0], loc.mean(0), atol=0.02)
    variance = (scale**2 + loc**2).mean(0) - loc.mean(0) ** 2
    np.testing.assert_allclose(np.exp(found[1]), np.sqrt(variance), rtol=0.02)
    assert vae.evaluate(x, verbose=0, return_dict=True)["kl"] < before


def test_a_refused_fit_leaves_everything_untouched() -> None:
    vae, x = small_vae(), binary(40)
    vae.compile("adam")
    vae.fit(x, verbose=0)
    before = small_vae()
    before.set_weights(vae.get_weights())
    x[39, 5] = np.nan
    for arguments in ({"x": x}, {"x": x[:39], "validation_data": x}):
        with pytest.raises(ValueError, match=r"no NaN or infinity.* nan at \[39, 5\]"):
            vae.fit(**arguments, batch_size=8, verbose=0)
    assert_same_weights(vae, before)
    assert int(vae.optimizer.iterations) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "mse"}, "compile.. takes no `loss`: the `objective` is what"),
        ({"metrics": ["mse"]}, "compile.. takes no `metrics`"),
        ({"loss_weights": [1], "weighted_metrics": []}, "`loss_weights`, `weighted_m"),
        ({"objective": "elbo"}, "`objective` must be .* Received: 'elbo'"),
        ({"objective": ELBO}, "`objective` must be a tfvae.objectives.Objective"),
        ({"optimizer": "no such"}, "no such"),
    ],
)
def test_compile_refuses_what_has_no_meaning(arguments, message) -> None:
    vae = small_vae()
    with pytest.raises(ValueError, match=message):
        vae.compile(**arguments)
    with pytest.raises(ValueError, match="call `compile"):
        vae.fit(binary(5), verbose=0)
    with pytest.raises(ValueError, match="call `compile"):
        vae.evaluate(binary(5), verbose=0)
