"""The methods of a VAE against NumPy and SciPy, and the errors of its constructor."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.oracle import Oracle
from support.small import small_vae
from support.training import LearnedNormal, binary
from tensorflow_probability import distributions as tfd

import tfvae

close = {"rtol": 1e-5, "atol": 1e-5}


def image_vae() -> tfvae.VAE:
    """Images [4, 4, 1] with latents that are images [2, 2, 3] as well."""
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(5, 2, strides=2),
            tfvae.layers.Normal((2, 2, 3)),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((2, 2, 3)),
            keras.layers.Conv2DTranspose(5, 2, strides=2),
            tfvae.layers.Normal((4, 4, 1), scale="shared"),
        ]
    )
    return tfvae.VAE(encoder, decoder, seed=0)


def test_encode_gives_the_posterior() -> None:
    vae, x = small_vae(), binary(5)
    q = vae.encode(x)
    assert isinstance(q, tfd.Distribution)
    assert (q.batch_shape, q.event_shape) == ((5,), (3,))
    loc, scale = Oracle(vae).posterior(x)
    np.testing.assert_allclose(q.mean(), loc, **close)
    np.testing.assert_allclose(q.stddev(), scale, **close)


def test_the_prior_is_a_standard_normal_by_default() -> None:
    vae, z = small_vae(), np.random.normal(size=(4, 3)).astype("float32")
    assert isinstance(vae.prior, tfd.Distribution)
    assert (vae.prior.batch_shape, vae.prior.event_shape) == ((), (3,))
    np.testing.assert_allclose(vae.prior.log_prob(z), Oracle(vae).log_prior(z), **close)


@pytest.mark.parametrize("lead", [(), (4,), (2, 4), (2, 1, 4), (0, 4)])
def test_decode_takes_any_leading_axes(lead) -> None:
    vae = small_vae()
    z = np.random.normal(size=(*lead, 3))
    p = vae.decode(z.astype("float32"))
    assert isinstance(p, tfd.Distribution)
    assert (p.batch_shape, p.event_shape) == (lead, (6,))
    np.testing.assert_allclose(p.mean(), Oracle(vae).mean(z), **close)
    # In double precision too, as NumPy gives it.
    np.testing.assert_allclose(vae.decode(z).mean(), p.mean(), **close)


@pytest.mark.parametrize("lead", [(), (2,), (3, 2)])
def test_latents_and_data_may_be_images(lead) -> None:
    vae = image_vae()
    z = np.random.normal(size=(*lead, 2, 2, 3)).astype("float32")
    p = vae.decode(z)
    assert (p.batch_shape, p.event_shape) == (lead, (4, 4, 1))
    one_by_one = [vae.decode(part[None]).mean()[0] for part in z.reshape(-1, 2, 2, 3)]
    expected = np.reshape(one_by_one, (*lead, 4, 4, 1))
    np.testing.assert_allclose(p.mean(), expected, **close)
    x = np.random.normal(size=(2, 4, 4, 1)).astype("float32")
    assert vae.encode(x).event_shape == (2, 2, 3)
    assert vae.elbo(x, num_samples=3).shape == (2,)
    assert vae.log_prob(x, num_samples=3).shape == (2,)
    assert vae.sample(3).shape == (3, 4, 4, 1)
    assert vae.reconstruct(x).shape == (2, 4, 4, 1)


def test_decode_inside_a_graph_with_unknown_sizes() -> None:
    vae = small_vae()

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def mean(z: tf.Tensor) -> tf.Tensor:
        return vae.decode(z).mean()

    z = np.random.normal(size=(2, 5, 3)).astype("float32")
    np.testing.assert_allclose(mean(z), Oracle(vae).mean(z), **close)


def test_a_graph_may_close_over_arrays() -> None:
    vae, x = small_vae(), binary(5)
    in_graph = tf.function(lambda: vae.elbo(x, 3, seed=1))()
    np.testing.assert_allclose(in_graph, vae.elbo(x, 3, seed=1), rtol=1e-6)
    with pytest.raises(ValueError, match="support of Bernoulli"):
        tf.function(lambda: vae.elbo(x / 2))()


def test_the_joint_density_is_prior_times_likelihood() -> None:
    vae = small_vae()
    oracle = Oracle(vae)
    joint = vae.joint()
    draw = joint.sample(7, seed=1)
    assert set(draw) == {"z", "x"}
    assert (draw["z"].shape, draw["x"].shape) == ((7, 3), (7, 6))
    x, z = draw["x"].numpy(), draw["z"].numpy()
    expected = oracle.log_prior(z) + oracle.log_likelihood(x, z)
    np.testing.assert_allclose(joint.log_prob(draw), expected, **close)
    for lead in [(), (2, 3)]:
        draw = joint.sample(lead, seed=1)
        assert draw["x"].shape == (*lead, 6)
        assert joint.log_prob(draw).shape == lead


def test_calling_the_model_gives_the_likelihood_at_a_draw() -> None:
    vae, x = small_vae(), binary(5)
    p = vae(x)
    assert isinstance(p, tfd.Distribution)
    assert (p.batch_shape, p.event_shape) == ((5,), (6,))
    # The next call draws anew, and the same model draws the same.
    assert not np.allclose(vae(x).mean(), p.mean())
    again = small_vae()
    again.set_weights(vae.get_weights())
    again.noise.state.assign([0, 0, 0])
    np.testing.assert_array_equal(again(x).mean(), p.mean())


@pytest.mark.parametrize("size", [1, 300])
def test_reconstructions_are_means_at_the_location(size) -> None:
    vae, x = small_vae(), binary(size)
    oracle = Oracle(vae)
    found = vae.reconstruct(x)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, oracle.mean(oracle.posterior(x)[0]), **close)
    np.testing.assert_array_equal(vae.reconstruct(x), found)
    for batch_size in (32, size):
        predicted = vae.predict(x, batch_size=batch_size, verbose=0)
        assert isinstance(predicted, np.ndarray)
        np.testing.assert_allclose(predicted, found, rtol=1e-6)
    # Greys have no density under a Bernoulli, and a reconstruction nevertheless.
    grey = vae.reconstruct(0.5 * x)
    expected = oracle.mean(oracle.posterior(0.5 * x)[0])
    np.testing.assert_allclose(grey, expected, **close)


def test_samples_follow_their_seed() -> None:
    vae = small_vae()
    x = vae.sample(300, seed=5)
    assert isinstance(x, np.ndarray)
    assert x.shape == (300, 6)
    assert set(np.unique(x)) == {0, 1}
    for seed in (5, np.int64(5), (5, 0), [5, 0], tf.constant([5, 0])):
        np.testing.assert_array_equal(vae.sample(300, seed=seed), x)
    np.testing.assert_array_equal(vae.sample(10, seed=5), x[:10])
    assert (vae.sample(300, seed=6) != x).any()
    assert (vae.sample(300) != vae.sample(300)).any()
    assert vae.sample().shape == (1, 6)
    means = vae.sample(300, seed=5, mean=True)
    assert ((means > 0) & (means < 1)).all()
    assert np.corrcoef(means.ravel(), x.ravel())[0, 1] > 0.2


@pytest.mark.parametrize("prior", ["standard", "fixed", "trainable"])
def test_samples_have_the_moments_of_the_marginal(prior) -> None:
    loc, scale = np.zeros(2), np.ones(2)
    if prior != "standard":
        loc, scale = np.array([1.0, -2.0]), np.array([0.5, 2.0])
    arguments = {"loc": loc.astype("float32"), "scale_diag": scale.astype("float32")}
    vae = tfvae.VAE(
        keras.Sequential([keras.Input((3,)), tfvae.layers.Normal(2)]),
        keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(3, scale=0.5)]),
        prior={
            "standard": None,
            "fixed": tfd.MultivariateNormalDiag(**arguments),
            "trainable": LearnedNormal(2),
        }[prior],
    )
    if prior == "trainable":
        vae.prior_layer.set_weights([loc, np.log(scale)])
    kernel, bias = map(np.float64, vae.decoder.get_weights())
    size = 20_000
    for mean in (False, True):
        covariance = kernel.T @ np.diag(scale**2) @ kernel + 0.25 * (not mean) * np.eye(
            3
        )
        x = vae.sample(size, seed=1, mean=mean).astype(float)
        # Standard errors of a mean and of a variance of normals.
        variance = np.diag(covariance)
        error = (x.mean(0) - (loc @ kernel + bias)) / np.sqrt(variance / size)
        assert np.abs(error).max() < 4
        error = (x.var(0) / variance - 1) / np.sqrt(2 / size)
        assert np.abs(error).max() < 4
        correlation = np.corrcoef(x.T) - covariance / np.sqrt(
            np.outer(variance, variance)
        )
        assert np.abs(correlation).max() < 4 / np.sqrt(size)


def test_models_with_the_same_seed_draw_the_same() -> None:
    models = [small_vae(seed=seed) for seed in (3, 3, 4)]
    x = binary(5)
    draws = []
    for vae in models:
        vae.encoder.set_weights(models[0].encoder.get_weights())
        vae.decoder.set_weights(models[0].decoder.get_weights())
        draws.append(
            [np.asarray(d) for d in (vae.elbo(x), vae.sample(50), vae.elbo(x))]
        )
    one, two, other = draws
    for a, b, c in zip(one, two, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert not np.array_equal(one[0], one[2])


def _stack(size: int, *layers: keras.layers.Layer) -> keras.Sequential:
    return keras.Sequential([keras.Input((size,)), *layers])


Normal, Bernoulli = tfvae.layers.Normal, tfvae.layers.Bernoulli


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (_stack(6, keras.layers.Dense(3)), None), "`encoder` must end in a"),
        (lambda: (None, _stack(3, keras.layers.Dense(6))), "`decoder` must end in a"),
        (lambda: (lambda x: x, None), "`encoder` must be a Keras model"),
        (lambda: (None, _stack(4, Bernoulli(6))), r"shape \[3\] of the encoder's"),
        (lambda: (_stack(5, Normal(3)), None), r"`encoder` must take .* \[6\] of the"),
        (lambda: (None, None, "normal"), "`prior` must be a tfvae.priors.Prior"),
        (lambda: (None, None, LearnedNormal(2)), r"`prior` must .* \[3\]"),
        (
            lambda: (None, None, tfd.MultivariateNormalDiag(tf.zeros([2, 3]))),
            r"batch shape \[\]; put it inside",
        ),
        (
            lambda: (None, None, tfd.MultivariateNormalDiag(np.zeros(3))),
            "`prior` must have the dtype float32",
        ),
        (lambda: (None, _stack(3, Bernoulli(6, dtype="float64"))), "one dtype"),
        *(
            (lambda seed=seed: (None, None, None, seed), "`seed` must be a non-neg")
            for seed in (-1, 1.5, "a", True, (1, 2), 2**62)
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, message) -> None:
    encoder, decoder, *rest = make()
    encoder = encoder or _stack(6, Normal(3))
    decoder = decoder or _stack(3, Bernoulli(6))
    with pytest.raises(ValueError, match=message):
        tfvae.VAE(encoder, decoder, *rest)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda vae, x: vae.decode(np.zeros((2, 4))), r"`z` must .* \[\.\.\., 3\]"),
        (lambda vae, x: vae.decode(1.0), r"`z` must .* Received the shape \[\]"),
        (lambda vae, x: vae.encode(x[0]), r"\[batch, 6\].* pass `x\[None\]`"),
        (lambda vae, x: vae.encode(x * np.nan), "`x` must hold finite numbers"),
        (lambda vae, x: vae.reconstruct(x[:, :5]), r"`x` must .* \[batch, 6\]"),
        (lambda vae, x: vae.elbo(x / 2), "support of Bernoulli: exactly 0 and 1"),
        (lambda vae, x: vae.log_prob(255 * x), "support of Bernoulli"),
        (lambda vae, x: vae.log_prob(x[:0]), r"`x` is empty: its shape is \[0, 6\]"),
        (lambda vae, x: vae.log_prob(x, 0), "`num_samples` must be a positive int"),
        (lambda vae, x: vae.elbo(x, 2.5), "`num_samples` must be a positive int"),
        (lambda vae, x: vae.sample(-1), "`num_samples` must be a positive int"),
        (lambda vae, x: vae.sample(1, seed=-1), "`seed` must be a non-negative int"),
        (lambda vae, x: vae.elbo(x, seed=(1, 2, 3)), "`seed` must be a non-negative"),
        (lambda vae, x: vae.predict(x.astype(str)), "`x` must hold real numbers"),
        (lambda vae, x: vae.predict(x[0], verbose=0), r"`x` must .* \[batch, 6\]"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(small_vae(), binary(5))


POSTERIORS = [
    tfvae.layers.Normal(3, scale="shared"),
    tfvae.layers.MultivariateNormalTriL(3),
    tfvae.layers.InverseAutoregressiveFlow(3),
    tfvae.layers.Mixture(tfvae.layers.Normal(3), 2),
]


@pytest.mark.parametrize("layer", POSTERIORS, ids=lambda layer: type(layer).__name__)
def test_encode_is_the_encoder_with_its_gradients(layer) -> None:
    vae, x = small_vae(posterior=layer), binary(5)
    z = np.random.normal(size=(5, 3)).astype("float32")
    found = []
    for encode in (vae.encode, lambda x: vae.encoder(x, training=False)):
        with tf.GradientTape() as tape:
            q = encode(tf.constant(x))
            log_q = q.log_prob(z)
        gradients = tape.gradient(log_q, vae.encoder.trainable_variables)
        found.append((q, log_q, gradients))
    (q, log_q, gradients), (other, *expected) = found
    assert type(q) is type(other)
    assert (q.batch_shape, q.event_shape) == (other.batch_shape, other.event_shape)
    np.testing.assert_allclose(log_q, expected[0], rtol=1e-5, atol=1e-5)
    for one, two in zip(gradients, expected[1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_encode_follows_the_weights() -> None:
    vae, x = small_vae(), binary(5)
    vae.encode(x)
    vae.set_weights([0.5 * weight + 0.1 for weight in vae.get_weights()])
    loc, scale = Oracle(vae).posterior(x)
    np.testing.assert_allclose(vae.encode(x).mean(), loc, **close)
    np.testing.assert_allclose(vae.encode(x).stddev(), scale, **close)


def test_seeds_of_calls_are_those_of_the_stream() -> None:
    vae, again = small_vae(), small_vae()
    for _ in range(3):
        np.testing.assert_array_equal(vae._seed(None), again.noise.for_call())
    np.testing.assert_array_equal(vae.noise.state, again.noise.state)
