"""Gradient estimators against finite differences of exact expectations."""

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import binary
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae._math import positive_inverse
from tfvae.objectives import (
    ELBO,
    CombinedImportanceWeighted,
    Context,
    ImportanceWeighted,
    MultiplyImportanceWeighted,
    Objective,
    PartiallyImportanceWeighted,
    Reconstruction,
    Renyi,
)
from tfvae.objectives.gradients import GRADIENTS
from tfvae.objectives.weightings import Combination, LogMeanExp, Mean, Power

CONTEXT = Context(tf.constant(0, tf.int64), None, training=True)


@pytest.mark.parametrize(
    "weighting",
    [
        Mean(),
        LogMeanExp(),
        LogMeanExp(3),
        Combination(tf.constant(0.3, tf.float64)),
        Power(0.5),
        Power(-1.0),
        Power(1.0),
        Power(1.7),
    ],
    ids=str,
)
def test_slopes_are_those_of_finite_differences(weighting) -> None:
    v = np.random.default_rng(0).normal(size=(6, 2))
    once, twice = weighting.slopes(tf.constant(v))

    def value(s: int, step: float) -> np.ndarray:
        moved = v.copy()
        moved[s] += step
        return weighting.value(tf.constant(moved)).numpy()

    h = 1e-3
    for s in range(6):
        up, here, down = (value(s, step) for step in (h, 0.0, -h))
        first, second = (up - down) / (2 * h), (up - 2 * here + down) / h**2
        np.testing.assert_allclose(once[s], first, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(twice[s], first - second, rtol=1e-4, atol=1e-6)


# One example, many independent estimates of the gradient of its posterior.


def scalar_model() -> tfvae.VAE:
    """A latent of one dimension whose raw parameters the encoder ends in."""
    posterior = tfvae.layers.Normal(1, projection=None)
    inputs = keras.Input((6,))
    encoder = keras.Model(inputs, posterior(keras.layers.Dense(2)(inputs)))
    decoder = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(4, activation="tanh", kernel_initializer=normal(2)),
            tfvae.layers.Bernoulli(6, kernel_initializer=normal(3)),
        ]
    )
    return tfvae.VAE(encoder, decoder, seed=0)


def normal(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=1.2, seed=seed)


RAW = np.array([0.4, -0.5])
SIZE = 20_000


def gradients(
    vae: tfvae.VAE, objective: Objective, size: int = SIZE, raw=RAW
) -> np.ndarray:
    """Estimates of the derivative of the bound in the raw parameters: [size, 2]."""
    x = tf.constant(np.repeat(binary(1), size, axis=0))
    features = tf.constant(np.repeat(raw[None], size, axis=0), tf.float32)
    layer = vae.posterior_layer
    with tf.GradientTape() as tape:
        tape.watch(features)
        q = layer(features)
        z, log_q = layer.sample_and_log_prob(q, (objective.num_draws,), seed=5)
        if not objective.pathwise:
            z = tf.stop_gradient(z)
            log_q = q.log_prob(z)
        terms = vae.terms_at(x, q, z, log_q, training=True)
        loss = objective.estimate(terms, CONTEXT).encoder_loss
    return -tape.gradient(loss, features).numpy().astype(float)


class Exact:
    """Expectations of bounds of one and two draws, by quadrature in NumPy."""

    def __init__(self, vae: tfvae.VAE) -> None:
        self.oracle = Oracle(vae)
        nodes, weights = np.polynomial.hermite_e.hermegauss(100)
        self.nodes, self.weights = nodes, weights / weights.sum()

    def values(self, raw: np.ndarray, kl: bool = True) -> np.ndarray:
        """Log weights (or log likelihoods) at the nodes."""
        scale = np.logaddexp(0, raw[1]) + 1e-6
        z = (raw[0] + scale * self.nodes)[:, None]
        likelihood = self.oracle.log_likelihood(binary(1), z)
        if not kl:
            return likelihood
        log_q = -0.5 * self.nodes**2 - np.log(scale) - 0.5 * np.log(2 * np.pi)
        return likelihood + self.oracle.log_prior(z) - log_q

    def expectation(self, raw, of_two, kl=True) -> float:
        v = self.values(raw, kl)
        pairs = of_two(v[:, None], v[None])
        return float(self.weights @ pairs @ self.weights)

    def gradient(self, of_two, kl=True) -> np.ndarray:
        h = 1e-4
        moves = np.eye(2) * h
        return np.array(
            [
                self.expectation(RAW + move, of_two, kl)
                - self.expectation(RAW - move, of_two, kl)
                for move in moves
            ]
        ) / (2 * h)


def mean_of_two(a, b) -> np.ndarray:
    return (a + b) / 2


def log_mean_of_two(a, b) -> np.ndarray:
    return np.logaddexp(a, b) - np.log(2)


def combined_of_two(a, b) -> np.ndarray:
    return 0.3 * mean_of_two(a, b) + 0.7 * log_mean_of_two(a, b)


def renyi_of_two(a, b) -> np.ndarray:
    return 2 * log_mean_of_two(a / 2, b / 2)


# The objective of two draws (or of two groups of two) and its exact form.
OF_TWO = {
    "elbo": (ELBO, {"num_samples": 2}, mean_of_two),
    "elbo, monte carlo": (ELBO, {"num_samples": 2, "kl": "monte_carlo"}, mean_of_two),
    "importance": (ImportanceWeighted, {"num_samples": 2}, log_mean_of_two),
    "multiply": (
        MultiplyImportanceWeighted,
        {"num_groups": 3, "num_samples": 2},
        log_mean_of_two,
    ),
    "partially": (
        PartiallyImportanceWeighted,
        {"num_groups": 3, "num_samples": 2},
        log_mean_of_two,
    ),
    "combined": (
        CombinedImportanceWeighted,
        {"beta": 0.3, "num_samples": 2},
        combined_of_two,
    ),
    "renyi": (Renyi, {"alpha": 0.5, "num_samples": 2}, renyi_of_two),
}
UNBIASED = [
    (name, gradient)
    for name in OF_TWO
    for gradient in GRADIENTS
    if gradient != "stl" or name.startswith("elbo")
]


@pytest.mark.parametrize(("name", "gradient"), UNBIASED)
def test_gradients_are_those_of_the_exact_expectation(name, gradient) -> None:
    vae = scalar_model()
    cls, arguments, of_two = OF_TWO[name]
    expected = Exact(vae).gradient(of_two)
    found = gradients(vae, cls(**arguments, gradient=gradient))
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - expected) < 4.5 * error + 1e-4).all()
    assert (np.abs(expected) > 8 * error).any()  # so that a wrong one shows


@pytest.mark.parametrize("gradient", ["reparameterized", "score"])
def test_gradients_of_the_reconstruction(gradient) -> None:
    vae = scalar_model()
    expected = Exact(vae).gradient(mean_of_two, kl=False)
    found = gradients(vae, Reconstruction(2, gradient=gradient))
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - expected) < 4.5 * error + 1e-4).all()


def test_sticking_the_landing_is_biased_for_the_importance_weighted_bound() -> None:
    vae = scalar_model()
    expected = Exact(vae).gradient(log_mean_of_two)
    found = gradients(vae, ImportanceWeighted(2, gradient="stl"))
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - expected) > 6 * error).any()


def test_the_signal_of_the_encoder_drowns_but_for_dreg() -> None:
    keras.utils.set_random_seed(5)
    vae, growth = scalar_model(), {}
    exact = Exact(vae)
    best = scipy.optimize.minimize(
        lambda raw: -exact.expectation(raw, mean_of_two), np.zeros(2)
    ).x
    # Near the best posterior, and wider, so that the weights have a variance.
    near = best + 0.5
    for gradient in ("reparameterized", "dreg"):
        ratios = []
        for num_samples in (4, 64):
            objective = ImportanceWeighted(num_samples, gradient=gradient)
            found = gradients(vae, objective, size=16_000, raw=near)[:, 0]
            ratios.append(abs(found.mean()) / found.std())
        growth[gradient] = ratios[1] / ratios[0]
    # 16 times as many draws: K^(-1/2) falls to a quarter, K^(1/2) rises to 4.
    assert 0.15 < growth["reparameterized"] < 0.35
    assert 2 < growth["dreg"] < 6


# With the posterior that is the true one.


def perfect() -> tuple[tfvae.VAE, np.ndarray]:
    """A linear-Gaussian model whose encoder is its true posterior, in float64."""
    keras.utils.set_random_seed(0)
    a, b, s = np.array([[0.8, -1.5, 0.3]]), np.array([0.2, 0.0, -1.0]), 0.7
    variance = 1 / (1 + (a**2).sum() / s**2)
    encoder = keras.Sequential(
        [keras.Input((3,)), tfvae.layers.Normal(1, dtype="float64")]
    )
    decoder = keras.Sequential(
        [keras.Input((1,)), tfvae.layers.Normal(3, scale=s, dtype="float64")]
    )
    vae = tfvae.VAE(encoder, decoder, seed=0, dtype="float64")
    decoder.set_weights([a, b])
    kernel = np.concatenate([variance * a.T / s**2, np.zeros((3, 1))], axis=1)
    raw_scale = positive_inverse(np.sqrt(variance))
    bias = np.array([-variance * (a @ b)[0] / s**2, raw_scale])
    encoder.set_weights([kernel, bias])
    return vae, np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("gradient", ["stl", "dreg"])
@pytest.mark.parametrize(
    "objective",
    [
        ELBO(1),
        ELBO(3),
        ImportanceWeighted(5),
        MultiplyImportanceWeighted(2, 3),
        PartiallyImportanceWeighted(2, 3),
        CombinedImportanceWeighted(0.3, 4),
        Renyi(0.5, 4),
    ],
    ids=lambda objective: type(objective).__name__ + str(objective.num_draws),
)
def test_at_the_true_posterior_the_gradient_is_zero_for_every_draw(
    objective, gradient
) -> None:
    vae, x = perfect()
    config = objective.get_config() | {"gradient": gradient}
    config.pop("dtype")
    objective = type(objective).from_config(config)
    weights = [w.value for w in vae.encoder.trainable_variables]

    def slope(objective) -> float:
        with tf.GradientTape(persistent=True) as tape:
            terms = vae.terms(x, objective.num_draws, seed=1)
            loss = objective.estimate(terms, CONTEXT).encoder_loss
        # Of each example by itself, so that nothing cancels.
        parts = tape.jacobian(loss, weights)
        return max(float(tf.reduce_max(tf.abs(part))) for part in parts)

    plain = type(objective).from_config(config | {"gradient": "reparameterized"})
    kl = {"kl": "monte_carlo"} if isinstance(plain, ELBO) else {}
    plain = type(objective).from_config(plain.get_config() | kl)
    assert slope(objective) < 1e-10
    assert slope(plain) > 1e-2


@pytest.mark.parametrize("gradient", ["stl", "dreg", "score"])
@pytest.mark.parametrize("name", OF_TWO)
def test_the_decoder_has_the_plain_gradient_whatever_the_encoder_has(
    name, gradient
) -> None:
    vae = small_vae(prior=tfvae.priors.Normal(3))
    x = binary(5)
    cls, arguments, _ = OF_TWO[name]
    arguments = arguments | ({"kl": "monte_carlo"} if cls is ELBO else {})
    parts = (*vae.decoder.trainable_variables, *vae.prior_layer.trainable_variables)
    weights = [weight.value for weight in parts]

    def gradient_of(objective: Objective) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            terms = vae.terms(x, objective.num_draws, seed=1)
            loss = objective.estimate(terms, CONTEXT).decoder_loss
        return tape.gradient(loss, weights)

    found = gradient_of(cls(**arguments, gradient=gradient))
    for one, other in zip(found, gradient_of(cls(**arguments)), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def test_a_prior_with_the_encoders_weights_keeps_its_gradient() -> None:
    """The expected gradient of the encoder under a VampPrior is the same."""
    keras.utils.set_random_seed(1)
    vae = small_vae(posterior=tfvae.layers.Normal(1))
    vae = tfvae.VAE(
        vae.encoder, vae.decoder, tfvae.priors.VampPrior(vae.encoder, 3), seed=0
    )
    x = np.repeat(binary(1), 3000, axis=0)
    weights = [w.value for w in vae.encoder.trainable_variables]

    @tf.function(autograph=False)
    def gradients_of(seed: tf.Tensor) -> tf.Tensor:
        found = []
        for gradient in ("reparameterized", "dreg"):
            objective = ImportanceWeighted(3, gradient=gradient)
            with tf.GradientTape() as tape:
                terms = vae.terms(x, 3, seed)
                loss = tf.reduce_mean(objective.estimate(terms, CONTEXT).encoder_loss)
            parts = tape.gradient(loss, weights)
            found.append(tf.concat([tf.reshape(part, [-1]) for part in parts], 0))
        return tf.stack(found)

    found = np.array([gradients_of(tf.constant([3, i])) for i in range(60)], float)
    plain, dreg = found[:, 0], found[:, 1]
    error = (plain - dreg).std(0) / np.sqrt(len(found))
    moving = plain.std(0) > 0
    difference = np.abs((plain - dreg).mean(0))
    assert (difference[moving] < 5 * error[moving] + 1e-5).all()
    assert np.abs(dreg.mean(0)).max() > 20 * error.max()


# Posteriors whose draws carry no gradient.


def binary_latents() -> tfvae.VAE:
    """Two binary latents, four states in all."""
    encoder = keras.Sequential([keras.Input((6,)), tfvae.layers.Bernoulli(2)])
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            tfvae.layers.Bernoulli(6, kernel_initializer=normal(3)),
        ]
    )
    prior = tfd.Independent(tfd.Bernoulli(probs=[0.3, 0.6], dtype=tf.float32), 1)
    return tfvae.VAE(encoder, decoder, prior, seed=0)


@pytest.mark.parametrize("name", ["elbo, monte carlo", "importance", "multiply"])
def test_the_score_gradient_of_binary_latents(name) -> None:
    vae = binary_latents()
    keras.utils.set_random_seed(3)
    cls, arguments, of_two = OF_TWO[name]
    objective = cls(**arguments, gradient="score")
    x, size = binary(1), 20_000
    states = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    kernel, bias = (np.asarray(w, float) for w in vae.decoder.get_weights())

    def bernoulli(x, logits) -> np.ndarray:
        return (x * logits - np.logaddexp(0, logits)).sum(-1)

    prior = bernoulli(states, np.log([0.3 / 0.7, 0.6 / 0.4]))
    joint = bernoulli(x.astype(float), states @ kernel + bias) + prior

    def expectation(logits) -> float:
        log_q = bernoulli(states, logits)
        w, q = joint - log_q, np.exp(log_q)
        return q @ of_two(w[:, None], w[None]) @ q

    logits, h = np.array([0.3, -0.8]), 1e-5
    expected = [
        (expectation(logits + move) - expectation(logits - move)) / (2 * h)
        for move in np.eye(2) * h
    ]
    layer = vae.posterior_layer
    kernel = np.zeros((6, 2))
    vae.encoder.set_weights([kernel, logits])
    repeated = np.repeat(x, size, axis=0)
    bias_of_encoder = tf.constant(np.repeat(logits[None], size, 0), tf.float32)
    raw = tfvae.layers.Bernoulli(2, projection=None)
    with tf.GradientTape() as tape:
        tape.watch(bias_of_encoder)
        q = raw(bias_of_encoder)
        z, _ = layer.sample_and_log_prob(q, (objective.num_draws,), seed=4)
        z = tf.stop_gradient(z)
        terms = vae.terms_at(tf.constant(repeated), q, z, q.log_prob(z), training=True)
        loss = objective.estimate(terms, CONTEXT).encoder_loss
    found = -tape.gradient(loss, bias_of_encoder).numpy().astype(float)
    error = found.std(0) / np.sqrt(size)
    assert (np.abs(found.mean(0) - expected) < 4.5 * error + 1e-4).all()
    assert (np.abs(expected) > 8 * error).any()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_binary_latents_train(jit_compile) -> None:
    vae, x = binary_latents(), binary(64)
    vae.compile(
        keras.optimizers.Adam(0.05),
        ImportanceWeighted(4, gradient="score"),
        jit_compile=jit_compile,
    )
    history = vae.fit(x, epochs=30, verbose=0).history
    assert history["bound"][-1] > history["bound"][0] + 0.5


@pytest.mark.parametrize("gradient", ["reparameterized", "stl", "dreg"])
def test_draws_without_a_gradient_are_refused(gradient) -> None:
    vae = binary_latents()
    vae.compile(objective=ImportanceWeighted(4, gradient=gradient))
    message = f'`gradient="{gradient}"` goes through the draws.*Use gradient="score"'
    with pytest.raises(ValueError, match=message):
        vae.fit(binary(8), verbose=0)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (ELBO, {"gradient": "score"}, "`num_samples` must be at least 2. Received: 1"),
        (ELBO, {"gradient": "vimco"}, "`gradient` must be one of 'reparameterized'"),
        (ELBO, {"gradient": "stl", "kl": "analytic"}, 'gradient="stl" needs the KL of'),
        (Reconstruction, {"gradient": "stl"}, "which `Reconstruction` does not hold"),
        (Renyi, {"alpha": float("inf")}, "`alpha` must be a finite number"),
        (CombinedImportanceWeighted, {"beta": 1.5}, "`beta` must be at most 1"),
        (MultiplyImportanceWeighted, {"num_groups": 0}, "`num_groups` must be a pos"),
        (ELBO, {"penalties": ["tc"]}, "`penalties` must be tfvae.objectives.Penalty"),
    ],
)
def test_choices_that_mean_nothing_are_refused(cls, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**arguments)
