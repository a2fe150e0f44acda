"""Objectives: values against NumPy, schedules, two losses, state, files, errors."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import LearnedNormal, TwoLosses, assert_same_weights, binary
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae import objectives
from tfvae.objectives import ELBO, Context, Estimate, Objective

SCHEDULE = keras.optimizers.schedules.PolynomialDecay(0.25, 4, 1.25)

# Every public objective and penalty, with no argument at its default.
PENALTIES = {
    objectives.Capacity: {"weight": 2.0, "capacity": 3.0, "name": "o"},
    objectives.DIP: {"weight": 2.0, "kind": "II", "off_diagonal": 5.0, "diagonal": 3.0},
    objectives.GECO: {"target": -3.0, "rate": 0.01, "momentum": 0.5, "weight": 2.0},
    objectives.MaximumMeanDiscrepancy: {
        "weight": 2.0,
        "kernel": "rbf",
        "length_scale": 0.7,
    },
    objectives.TotalCorrelation: {
        "weight": 2.0,
        "estimator": "weighted",
        "dataset_size": 60,
    },
}
BOUND = {"gradient": "dreg", "penalties": [objectives.DIP()], "name": "o"}
ARGUMENTS = {
    ELBO: {
        "num_samples": 3,
        "beta": 0.5,
        "kl": "analytic",
        "free_nats": 0.1,
        **BOUND,
        "gradient": "score",
    },
    objectives.ImportanceWeighted: {"num_samples": 3, **BOUND},
    objectives.MultiplyImportanceWeighted: {
        "num_groups": 2,
        "num_samples": 3,
        **BOUND,
    },
    objectives.PartiallyImportanceWeighted: {
        "num_groups": 2,
        "num_samples": 3,
        **BOUND,
    },
    objectives.CombinedImportanceWeighted: {"beta": 0.3, "num_samples": 3, **BOUND},
    objectives.Renyi: {"alpha": 0.7, "num_samples": 3, **BOUND},
    objectives.Reconstruction: {"num_samples": 3, **BOUND, "gradient": "score"},
}
EVERY = {**ARGUMENTS, **PENALTIES}

# Every argument that takes a schedule.
SCHEDULABLE = [
    (ELBO, "beta"),
    (ELBO, "free_nats"),
    (objectives.CombinedImportanceWeighted, "beta"),
    (objectives.Capacity, "capacity"),
    (objectives.DIP, "off_diagonal"),
    (objectives.DIP, "diagonal"),
    *((cls, "weight") for cls in PENALTIES),
]


@keras.saving.register_keras_serializable("tests")
class Recorder(Objective):
    """The ELBO, which keeps what it is told and counts its estimates in training."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.contexts = []

    def estimate(self, terms, context) -> Estimate:
        self.contexts.append(context)
        if context.training:
            self.count.assign_add(1.0)
        loss = terms.kl() - terms.reconstruction
        # The count is part of the loss, so that it must be restored.
        loss = loss * (1 + tf.convert_to_tensor(self.count))
        return Estimate(-loss, loss, loss, terms.reconstruction, terms.kl())


def context(step: int = 0) -> Context:
    return Context(tf.constant(step, tf.int64), dataset_size=None, training=True)


def trained(objective: Objective, vae: tfvae.VAE | None = None, steps: int = 3):
    """A model after steps of plain descent, the same ones for each objective."""
    keras.utils.set_random_seed(0)
    vae = vae or small_vae(prior=LearnedNormal(3))
    vae.compile(keras.optimizers.SGD(0.05), objective)
    vae.fit(binary(20), batch_size=20, epochs=steps, shuffle=False, verbose=0)
    return vae


def test_every_objective_and_penalty_is_listed_here() -> None:
    public = {getattr(objectives, name) for name in objectives.__all__}
    leaves = {c for c in public if issubclass(c, Objective)}
    assert leaves - {Objective, objectives.Bound} == set(ARGUMENTS)
    leaves = {c for c in public if issubclass(c, objectives.Penalty)}
    assert leaves - {objectives.Penalty} == set(PENALTIES)


@pytest.mark.parametrize("cls", EVERY)
def test_every_argument_survives_a_round_trip(cls) -> None:
    arguments = EVERY[cls]
    objective = cls(**arguments)
    names = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    assert names <= set(arguments)
    data = keras.saving.serialize_keras_object(objective)
    again = keras.saving.deserialize_keras_object(data, safe_mode=True)
    assert type(again) is cls
    for name, value in arguments.items():
        default = inspect.signature(cls.__init__).parameters.get(name)
        assert default is None or default.default != value
        if name == "penalties":
            assert [type(one) for one in again.penalties] == [objectives.DIP]
        else:
            assert getattr(again, name) == getattr(objective, name) == value


@pytest.mark.parametrize(("cls", "name"), SCHEDULABLE)
def test_every_weight_takes_a_schedule(cls, name) -> None:
    arguments = EVERY[cls] | {name: tfvae.schedules.Linear(7, 0.25, 0.75)}
    data = keras.saving.serialize_keras_object(cls(**arguments))
    again = keras.saving.deserialize_keras_object(data, safe_mode=True)
    schedule = getattr(again, name)
    assert isinstance(schedule, tfvae.schedules.Linear)
    assert schedule.get_config() == {"num_steps": 7, "start": 0.25, "stop": 0.75}
    for negative in (-1.0, tfvae.schedules.Linear(10, 0.5, -1.0)):
        with pytest.raises(ValueError, match=f"`{name}` must not be negative"):
            cls(**arguments | {name: negative})


def with_paths(cls) -> Objective:
    """An objective, or the ELBO with a penalty, that every small model can train."""
    if cls in PENALTIES:
        return ELBO(penalties=[cls(**EVERY[cls])])
    if cls is objectives.Reconstruction:
        return cls(**EVERY[cls] | {"gradient": "reparameterized"})
    return cls(**EVERY[cls])


@pytest.mark.parametrize("cls", EVERY)
def test_a_compiled_step_is_the_step(cls) -> None:
    """Two steps inside XLA, of which the second sees what the first has done."""
    x, losses = binary(12), []
    for option in ("run_eagerly", "jit_compile"):
        keras.utils.set_random_seed(0)
        vae = small_vae()
        vae.compile(keras.optimizers.SGD(0.05), with_paths(cls), **{option: True})
        losses.append([vae.train_on_batch(x)[0] for _ in range(2)])
    # Draws of the prior are TensorFlow's own, which XLA makes otherwise.
    tolerance = 0.1 if cls is objectives.MaximumMeanDiscrepancy else 2e-5
    np.testing.assert_allclose(losses[1], losses[0], rtol=tolerance)


@pytest.mark.parametrize("cls", EVERY)
def test_every_objective_trains_and_is_saved(cls, tmp_path) -> None:
    objective = with_paths(cls)
    keras.utils.set_random_seed(0)
    vae, x = small_vae(), binary(60)
    vae.compile(keras.optimizers.Adam(0.01), objective)
    losses = vae.fit(x, batch_size=20, epochs=12, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    # The multiplier of GECO rises, and its loss with it.
    assert losses[-1] < losses[0] or cls is objectives.GECO
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert type(again.objective) is type(objective)
    for model in (vae, again):
        model.fit(x, batch_size=20, shuffle=False, verbose=0)
    assert_same_weights(vae, again, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", EVERY)
def test_every_objective_takes_all_data_in_double_precision(cls) -> None:
    """Batches that are not full, weights and a dataset."""
    objective = with_paths(cls)
    x, weight = binary(22).astype(float), np.linspace(0.0, 2.0, 22)
    keras.config.set_dtype_policy("float64")
    try:
        vae = small_vae()
        vae.compile(keras.optimizers.Adam(0.01), objective)
        data = tf.data.Dataset.from_tensor_slices((x, weight)).batch(8)
        data = data.map(lambda x, weight: (x, None, weight))
        history = vae.fit(data, epochs=2, verbose=0).history
        assert np.all(np.isfinite([history[name] for name in history]))
        estimate = objective.estimate(vae.terms(x, objective.num_draws), context())
        assert estimate.bound.dtype == estimate.encoder_loss.dtype == tf.float64
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_number_of_examples_is_saved(tmp_path) -> None:
    tc = objectives.TotalCorrelation(2.0)
    vae = trained(ELBO(penalties=[tc]), small_vae())
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    one, two = (model.evaluate(binary(20), verbose=0) for model in (vae, again))
    assert one == two


@pytest.mark.parametrize("cls", ARGUMENTS)
def test_every_bound_trains_on_scores(cls) -> None:
    """No gradient goes through the draws, and the bound still rises."""
    arguments = {"num_groups": 2} if "num_groups" in EVERY[cls] else {}
    keras.utils.set_random_seed(0)
    vae, x = small_vae(), binary(50)
    objective = cls(num_samples=4, gradient="score", **arguments)
    vae.compile(keras.optimizers.Adam(0.02), objective)
    losses = vae.fit(x, batch_size=20, epochs=15, verbose=0).history["loss"]
    assert np.mean(losses[-3:]) < losses[0] - 0.3


@pytest.mark.parametrize("gradient", ["stl", "dreg", "score"])
def test_free_nats_of_draws_have_one_gradient(gradient) -> None:
    """Whether a KL counts would depend on the draws that it is taken of."""
    rising = tfvae.schedules.Linear(7)
    for free_nats in (0.5, rising):
        with pytest.raises(ValueError, match="biased where `free_nats` clip the KL"):
            ELBO(2, kl="monte_carlo", free_nats=free_nats, gradient=gradient)
    if gradient == "score":
        closed = small_vae()
        closed.compile(objective=ELBO(2, free_nats=0.5, gradient="score"))
        closed.fit(binary(8), verbose=0)
        laplace = tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1)
        vae = small_vae(prior=laplace)
        vae.compile(objective=ELBO(2, free_nats=0.5, gradient="score"))
        with pytest.raises(ValueError, match="biased where `free_nats` clip the KL"):
            vae.fit(binary(8), verbose=0)


@pytest.mark.parametrize("num_samples", [1, 4])
@pytest.mark.parametrize("beta", [0, 1, 2.5, SCHEDULE])
@pytest.mark.parametrize("kl", ["auto", "analytic", "monte_carlo"])
def test_the_elbo_is_that_of_numpy(num_samples, beta, kl) -> None:
    vae, x = small_vae(), binary(5)
    oracle = Oracle(vae)
    terms = vae.terms(x, num_samples, seed=1)
    z = terms.z.numpy().astype(float)
    found = ELBO(num_samples, beta, kl).estimate(terms, context(step=3))
    reconstruction, divergence = oracle.log_likelihood(x, z).mean(0), oracle.kl(x)
    if kl == "monte_carlo":
        divergence = (oracle.log_posterior(x, z) - oracle.log_prior(z)).mean(0)
    # A line from 0.25 at step 0 to 1.25 at step 4.
    weight = 1.0 if beta is SCHEDULE else beta
    expected = {
        "reconstruction": reconstruction,
        "kl": divergence,
        "elbo": reconstruction - divergence,
        "bound": reconstruction - weight * divergence,
    }
    for name, value in expected.items():
        assert getattr(found, name).shape == (5,)
        np.testing.assert_allclose(getattr(found, name), value, rtol=2e-6, atol=1e-5)
    np.testing.assert_array_equal(found.encoder_loss, -found.bound)
    np.testing.assert_array_equal(found.decoder_loss, -found.bound)


def test_both_forms_of_the_kl_agree() -> None:
    vae, x = small_vae(), binary(5)
    size = 40_000
    terms = vae.terms(x, size, seed=1)
    difference = terms.kl("monte_carlo") - terms.kl("analytic")
    error = np.std(terms.log_posterior - terms.log_prior, axis=0) / np.sqrt(size)
    assert (np.abs(difference) < 4 * error).all()


def test_no_closed_form() -> None:
    laplace = tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1)
    vae, x = small_vae(prior=laplace), binary(5)
    terms = vae.terms(x, 3, seed=1)
    np.testing.assert_array_equal(terms.kl("auto"), terms.kl("monte_carlo"))
    vae.compile(objective=ELBO(kl="analytic"))
    message = r'kl="analytic" needs a closed form .*IndependentLaplace.*Use kl="auto"'
    with pytest.raises(ValueError, match=message):
        vae.fit(x, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": -1}, "`beta` must not be negative. Received: -1"),
        ({"beta": float("nan")}, "`beta` must be a finite number"),
        ({"beta": "cyclic"}, "`beta` must be a finite number.* Received: 'cyclic'"),
        ({"beta": None}, "`beta` must be a finite number"),
        ({"kl": "exact"}, "`kl` must be one of 'auto', 'analytic', 'monte_carlo'"),
        ({"num_samples": 0}, "`num_samples` must be a positive integer"),
        ({"num_samples": 1.0}, "`num_samples` must be a positive integer"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        ELBO(**arguments)


def test_logs_hold_the_elbo_proper_whatever_beta_is() -> None:
    x = binary(20)
    vae = small_vae()
    vae.compile(objective=ELBO(beta=3.0))
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "elbo", "reconstruction", "kl"}
    assert logs["elbo"] == pytest.approx(logs["reconstruction"] - logs["kl"], rel=1e-6)
    weighted = 3 * logs["kl"] - logs["reconstruction"]
    assert logs["loss"] == pytest.approx(weighted, rel=1e-6)


def test_a_schedule_of_beta_follows_the_updates() -> None:
    steps = keras.optimizers.schedules.PiecewiseConstantDecay([1, 3], [0.0, 1.0, 4.0])
    vae = small_vae()
    vae.compile(keras.optimizers.SGD(0.01), ELBO(beta=steps), steps_per_execution=2)
    history = vae.fit(binary(20), epochs=6, verbose=0).history
    loss, reconstruction, kl = (
        np.array(history[name]) for name in ("loss", "reconstruction", "kl")
    )
    # The schedule changes after the steps 1 and 3.
    beta = (loss + reconstruction) / kl
    np.testing.assert_allclose(beta, [0, 0, 1, 1, 4, 4], atol=1e-5)
    # Evaluation uses the weight that training has come to.
    logs = vae.evaluate(binary(20), verbose=0, return_dict=True)
    beta = (logs["loss"] + logs["reconstruction"]) / logs["kl"]
    assert beta == pytest.approx(4, rel=1e-5)


def test_encoder_and_decoder_follow_losses_of_their_own() -> None:
    one, other = (1.0, 2.0), (0.5, 0.1)
    both = trained(TwoLosses(one, other), steps=1)
    follows_one = trained(TwoLosses(one, one), steps=1)
    follows_other = trained(TwoLosses(other, other), steps=1)
    assert_same_weights(both.encoder, follows_one.encoder, rtol=0, atol=1e-7)
    assert_same_weights(both.decoder, follows_other.decoder, rtol=0, atol=1e-7)
    assert_same_weights(both.prior_layer, follows_other.prior_layer, rtol=0, atol=1e-7)
    for part in ("encoder", "decoder", "prior_layer"):
        a, b = (getattr(m, part).get_weights() for m in (follows_one, follows_other))
        assert max(np.abs(x - y).max() for x, y in zip(a, b, strict=True)) > 1e-3


def test_the_step_of_each_part_is_minus_its_gradient() -> None:
    objective = TwoLosses((1.0, 2.0), (0.5, 0.1))
    keras.utils.set_random_seed(0)
    vae, x = small_vae(prior=LearnedNormal(3)), binary(20)
    seed = tf.constant([1, 2])
    vae.compile(keras.optimizers.SGD(1.0), objective, run_eagerly=True)
    vae._step_seed = lambda training: seed
    parts = {
        "encoder_loss": [vae.encoder],
        "decoder_loss": [vae.decoder, vae.prior_layer],
    }
    before, expected = [], []
    for name, layers in parts.items():
        variables = [v.value for layer in layers for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            estimate = objective.estimate(vae.terms(x, 1, seed), context())
            loss = tf.reduce_mean(getattr(estimate, name))
        before += [v.numpy() for v in variables]
        expected += tape.gradient(loss, variables)
    vae.train_on_batch(x)
    after = [w for layers in parts.values() for p in layers for w in p.get_weights()]
    assert len(before) == len(after) == 10
    for old, new, gradient in zip(before, after, expected, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-5, atol=1e-6)


def test_another_objective_reports_its_bound() -> None:
    vae = trained(TwoLosses((1.0, 1.0), (1.0, 2.0)), small_vae())
    logs = vae.evaluate(binary(20), verbose=0, return_dict=True)
    assert set(logs) == {"loss", "elbo", "reconstruction", "kl", "bound"}
    assert logs["bound"] == 7
    assert logs["elbo"] == pytest.approx(logs["reconstruction"] - logs["kl"], rel=1e-6)
    # The loss in the logs is that of the decoder.
    expected = 2 * logs["kl"] - logs["reconstruction"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-6)


def test_an_objective_knows_the_step_and_the_size_of_the_data() -> None:
    objective, x = Recorder(), binary(20)
    vae = small_vae()
    vae.compile(objective=objective)
    vae.fit(x, batch_size=8, validation_data=x, epochs=2, verbose=0)
    contexts = {(c.training, c.dataset_size) for c in objective.contexts}
    assert contexts == {(True, 20), (False, 20)}
    assert {c.step.dtype for c in objective.contexts} == {tf.int64}
    objective.contexts.clear()
    vae.fit(x, validation_split=0.25, verbose=0)
    assert {c.dataset_size for c in objective.contexts} == {15}
    objective.contexts.clear()
    vae.fit(tf.data.Dataset.from_tensor_slices(x).batch(8), verbose=0)
    assert {c.dataset_size for c in objective.contexts} == {None}


def test_the_state_of_an_objective_is_saved(tmp_path) -> None:
    vae = trained(Recorder(num_samples=2), small_vae())
    assert float(vae.objective.count) == 3
    assert "count" not in {weight.name for weight in vae.weights}
    vae.evaluate(binary(20), verbose=0)
    assert float(vae.objective.count) == 3
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert isinstance(again.objective, Recorder)
    assert again.objective.num_samples == 2
    assert float(again.objective.count) == 3
    for model in (vae, again):
        model.fit(binary(20), batch_size=20, shuffle=False, verbose=0)
    assert float(again.objective.count) == 4
    assert_same_weights(vae, again)


@pytest.mark.parametrize("beta", [0.5, SCHEDULE])
def test_the_weight_of_the_kl_survives_a_file(tmp_path, beta) -> None:
    vae = trained(ELBO(beta=beta, num_samples=2), small_vae())
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    one, two = (m.evaluate(binary(20), verbose=0) for m in (vae, again))
    assert one == two
    assert again.objective.get_config()["beta"] == vae.objective.get_config()["beta"]
