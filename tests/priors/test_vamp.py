"""The VampPrior and the encoder that it borrows."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from support.prior_cases import encoder, numbers

import tfvae
from tfvae.priors import Interval, VampPrior


def vae_with(posterior, **arguments) -> tfvae.VAE:
    hidden = keras.layers.Dense(8, activation="tanh")
    inference = keras.Sequential([keras.Input((6,)), hidden, posterior])
    likelihood = tfvae.layers.Bernoulli(6)
    decoder = keras.Sequential(
        [keras.Input(posterior.event_shape), keras.layers.Flatten(), likelihood]
    )
    prior = VampPrior(inference, num_pseudo_inputs=5, **arguments)
    return tfvae.VAE(inference, decoder, prior, seed=0)


def data(count: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.uniform(size=(count, 6)) < 0.5).astype("float32")


# What tests/test_grid.py does not have.
POSTERIORS = {
    "shared scale": lambda: tfvae.layers.Normal(2, scale="shared"),
    "image": lambda: tfvae.layers.Normal((2, 1)),
    "flow": lambda: tfvae.layers.CouplingFlow(2, hidden_units=(6,), context_units=3),
}


@pytest.mark.parametrize("make", POSTERIORS.values(), ids=POSTERIORS.keys())
def test_a_model_trains_saves_and_samples_with_any_posterior(make, tmp_path) -> None:
    vae = vae_with(make(), constraint=Interval(0.2, 0.8))
    parts = len(vae.encoder.weights) + len(vae.decoder.weights)
    own = len(vae.weights)
    assert own == parts + 1
    vae.compile(optimizer="adam")
    before = numbers(vae.prior_layer.pseudo_inputs)
    vae.fit(data(), batch_size=16, epochs=2, verbose=0)
    after = numbers(vae.prior_layer.pseudo_inputs)
    assert np.any(before != after)
    assert np.all((after >= np.float32(0.2)) & (after <= np.float32(0.8)))
    # The pseudo-inputs, the encoder and the decoder, each once, in memory and in file.
    paths = {weight.path for weight in vae.weights}
    assert len(paths) == own
    assert sum("pseudo_inputs" in path for path in paths) == 1
    vae.save(tmp_path / "vae.keras")
    assert _stored(tmp_path / "vae.keras") == parts + 1
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    expected = vae.log_prob(data(4), num_samples=8, seed=1)
    again = loaded.log_prob(data(4), num_samples=8, seed=1)
    np.testing.assert_array_equal(again, expected)
    assert loaded.prior_layer._borrowed.encoder is loaded.encoder
    np.testing.assert_array_equal(loaded.sample(3, seed=2), vae.sample(3, seed=2))


def _stored(path) -> int:
    """The number of arrays of the encoder, decoder and prior in a `.keras` file."""
    names: list[str] = []

    def note(name, item) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    with (
        zipfile.ZipFile(path) as archive,
        archive.open("model.weights.h5") as stream,
        h5py.File(stream) as file,
    ):
        file.visititems(note)
    ours = [n for n in names if not n.startswith("optimizer") and n != "vars/noise"]
    assert not any("encoder" in name and "prior" in name for name in ours)
    return len(ours)


def test_the_density_is_the_mean_of_the_posteriors() -> None:
    model = encoder("float64")
    prior = VampPrior(model, num_pseudo_inputs=7, dtype="float64")
    z = np.random.default_rng(1).normal(size=(3, 5, 2))
    parts = [model(prior.pseudo_inputs[k : k + 1]).prob(z).numpy() for k in range(7)]
    np.testing.assert_allclose(
        prior.distribution.prob(z), np.mean(parts, axis=0), rtol=1e-12
    )


def test_adapt_takes_different_examples() -> None:
    prior = VampPrior(encoder(), num_pseudo_inputs=20, constraint=Interval(0, 15))
    x = np.arange(80.0).reshape(20, 4)
    assert prior.adapt(x, seed=1) is prior
    chosen = numbers(prior.pseudo_inputs)
    order = np.argsort(chosen.sum(-1))
    np.testing.assert_array_equal(
        np.sort(chosen[order].sum(-1)), np.sort(np.minimum(x, 15).sum(-1))
    )
    x = np.random.default_rng(0).normal(size=(500, 4))
    prior = VampPrior(encoder(), num_pseudo_inputs=20)
    one, two, three = (
        numbers(prior.adapt(x, seed=seed).pseudo_inputs) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != three)
    assert {tuple(row) for row in one} <= {tuple(row) for row in np.float32(x)}
    assert len({tuple(row) for row in one}) == 20


@pytest.mark.parametrize(
    "x", [np.zeros((19, 4)), np.zeros((30, 5)), np.zeros(4), np.full((30, 4), "a")]
)
def test_bad_examples(x) -> None:
    prior = VampPrior(encoder(), num_pseudo_inputs=20)
    with pytest.raises(ValueError, match=r"`x` must be .*N >= 20, 4\]. Received: an"):
        prior.adapt(x)


def test_examples_that_are_not_finite() -> None:
    with pytest.raises(ValueError, match="`x` must be finite"):
        VampPrior(encoder(), 2).adapt(np.full((3, 4), np.nan))


def test_pseudo_inputs_start_within_the_constraint() -> None:
    prior = VampPrior(
        encoder(),
        num_pseudo_inputs=50,
        initializer=keras.initializers.RandomNormal(stddev=3.0, seed=0),
        constraint=Interval(-0.5, 2),
    )
    start = numbers(prior.pseudo_inputs)
    assert start.min() == -0.5
    assert start.max() == 2
    default = numbers(VampPrior(encoder(), num_pseudo_inputs=50).pseudo_inputs)
    assert 0 <= default.min() < 0.1 < 0.9 < default.max() <= 1


def test_an_encoder_is_needed_and_there_is_only_one() -> None:
    prior = VampPrior(None, 3, data_shape=4, event_shape=2)
    for use in (
        lambda: prior.distribution,
        lambda: prior.transform(tf.zeros([5])),
        lambda: prior.noise_shape,
    ):
        with pytest.raises(ValueError, match="has no encoder yet"):
            use()
    mine = encoder()
    prior.bind(mine)
    prior.bind(mine)
    assert prior.distribution.event_shape == (2,)
    with pytest.raises(ValueError, match="was made for another encoder"):
        prior.bind(encoder())
    with pytest.raises(ValueError, match=r"needs an encoder with the event shape \[3"):
        VampPrior(None, 3, data_shape=4, event_shape=3).bind(mine)
    with pytest.raises(ValueError, match="`event_shape` and `data_shape` must be"):
        VampPrior(None, 3, data_shape=4)


def test_a_model_refuses_the_prior_of_another_encoder() -> None:
    vae = vae_with(tfvae.layers.Normal(2))
    inference = keras.Sequential([keras.Input((6,)), tfvae.layers.Normal(2)])
    with pytest.raises(ValueError, match="was made for another encoder"):
        tfvae.VAE(inference, vae.decoder, vae.prior_layer)


def test_the_shape_of_the_data_must_be_known() -> None:
    image = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.GlobalAveragePooling2D(),
            tfvae.layers.Normal(2),
        ]
    )
    with pytest.raises(ValueError, match="`data_shape` must be given for an encoder"):
        VampPrior(image, 3)
    prior = VampPrior(image, 3, data_shape=(4, 4, 1))
    assert prior.pseudo_inputs.shape == (3, 4, 4, 1)
    assert prior.distribution.sample(2, seed=0).shape == (2, 2)
    for bad in ((4, 0), 1.5, "4", True):
        with pytest.raises(ValueError, match=r"`data_shape` must be .* Received: "):
            VampPrior(image, 3, data_shape=bad)
    assert VampPrior(image, 3, data_shape=np.int64(4)).data_shape == (4,)


def test_the_dtype_is_that_of_the_encoder() -> None:
    wide, narrow = encoder("float64"), encoder()
    prior = VampPrior(wide, 3)
    assert prior.pseudo_inputs.dtype == "float64"
    assert prior.distribution.log_prob(np.zeros((5, 2))).dtype == tf.float64
    assert VampPrior(narrow, 3).pseudo_inputs.dtype == "float32"
    for prior, other in (
        (VampPrior(None, 3, data_shape=4, event_shape=2), wide),
        (VampPrior(None, 3, data_shape=4, event_shape=2, dtype="float64"), narrow),
    ):
        with pytest.raises(ValueError, match="needs an encoder with a distribution in"):
            prior.bind(other)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, np.inf), ("a", 1)])
def test_bad_intervals(low, high) -> None:
    with pytest.raises(ValueError, match=r"`(low|high)` must be .* Received: "):
        Interval(low, high)


def test_batch_normalisation_is_as_for_inference() -> None:
    """Pseudo-inputs leave the encoder's moving averages alone."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization(), tfvae.layers.Normal(2)]
    )
    prior = VampPrior(model, 3)
    before = [numbers(weight) for weight in model.weights]
    prior.distribution.sample(2)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(numbers(weight), value)
