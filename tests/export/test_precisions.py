"""Files of smaller numbers: their size, what they cost, and what is refused."""

import json
import math
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.runners import in_litert
from support.small import small_vae

import tfvae
from tfvae.export import latency, litert_comparison, signatures


@pytest.fixture(scope="module")
def vae() -> tfvae.VAE:
    """The network of the IWAE paper, on pictures of bars."""
    keras.utils.set_random_seed(0)

    def network(size: int, layer: keras.layers.Layer) -> keras.Sequential:
        dense = [keras.layers.Dense(200, activation="tanh") for _ in range(2)]
        return keras.Sequential([keras.Input((size,)), *dense, layer])

    encoder = network(784, tfvae.layers.Normal(50))
    vae = tfvae.VAE(encoder, network(50, tfvae.layers.Bernoulli(784)), seed=0)
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(bars(), epochs=4, verbose=0)
    return vae


def bars() -> np.ndarray:
    generator = np.random.default_rng(0)
    rows = generator.random((1000, 28, 1)) < 0.3
    return np.broadcast_to(rows, (1000, 28, 28)).reshape(1000, 784).astype(np.float32)


def card(path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("tfvae.json"))


def test_the_table(vae) -> None:
    rows = {row.name: row for row in tfvae.export.precisions(vae, bars()[:100])}
    assert list(rows) == list(tfvae.export.PRECISIONS)
    size = rows["float32"].bytes
    assert rows["float32"].elbo_loss == 0
    assert rows["float16"].bytes < 0.54 * size
    assert rows["dynamic_int8"].bytes <= 0.33 * size
    assert rows["int8"].bytes < 0.45 * size
    assert abs(rows["float16"].elbo_loss) < 0.05
    assert abs(rows["dynamic_int8"].elbo_loss) < 1
    assert abs(rows["int8"].elbo_loss) < 1
    assert all(row.seconds > 0 for row in rows.values())


@pytest.mark.filterwarnings("ignore:In dynamic_int8 `decode` takes")
def test_the_loss_is_that_of_the_file(vae, tmp_path) -> None:
    """From other draws than those that measured it."""
    x = bars()[:256]
    path = tmp_path / "model.tflite"
    vae.export(
        path, format="litert", precision="dynamic_int8", examples=x, batch_size=256
    )
    noise = np.random.default_rng(9).normal(size=(256, 50)).astype(np.float32)
    theirs = in_litert(path, {"elbo": {"x": x, "noise_z": noise}})["elbo"]["elbo"]
    z, _ = vae.posterior_layer.transform(vae.encode(x), noise)
    ours = vae.decode(z).log_prob(x) - vae.encode(x).kl_divergence(vae.prior)
    lost = ours.numpy() - theirs
    error = 6 * lost.std() / math.sqrt(256)
    assert abs(card(path)["elbo_loss"] - lost.mean()) < error


def test_a_loss_above_the_limit_is_refused(vae, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"In float16 `elbo` changes by .* nats"):
        vae.export(
            tmp_path / "model.tflite",
            format="litert",
            precision="float16",
            max_elbo_loss=0,
            examples=bars(),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [-1, "1", float("nan")])
def test_a_limit_that_is_none(vae, tmp_path, limit) -> None:
    with pytest.raises(ValueError, match="`max_elbo_loss` must be a number of nats"):
        vae.export(tmp_path / "m.tflite", format="litert", max_elbo_loss=limit)


@pytest.mark.parametrize(
    "name", ["encode", "decode", "reconstruct", "elbo", "log_prob"]
)
@pytest.mark.parametrize("shift", [3.0, np.nan])
def test_a_wrong_signature_is_refused_in_any_precision(
    name, shift, tmp_path, monkeypatch
) -> None:
    """A runtime that is wrong in one signature, whichever it is."""
    in_batches = litert_comparison._in_batches

    def wrong(content, batch_size):
        run = in_batches(content, batch_size)

        def shifted(called, call):
            outputs = run(called, call)
            if called != name:
                return outputs
            return {key: shift - 7 * value for key, value in outputs.items()}

        return shifted

    monkeypatch.setattr(litert_comparison, "_in_batches", wrong)
    with pytest.raises(ValueError, match=rf"`{name}`.*Nothing was written"):
        small_vae().export(
            tmp_path / "model.tflite", format="litert", precision="float16"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_draws_that_are_none_are_refused(value, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        signatures, "_drawn", lambda kind, spec: tf.fill(spec.shape, np.float32(value))
    )
    vae = small_vae(likelihood=tfvae.layers.Normal(6))
    with pytest.raises(ValueError, match=r"differs from the model|draws the same"):
        vae.export(
            tmp_path / "model.tflite", format="litert", noise="internal", num_samples=2
        )
    assert list(tmp_path.iterdir()) == []


def test_ranges_want_examples(vae, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"`examples` must be given with precision="):
        vae.export(tmp_path / "model.tflite", format="litert", precision="int8")


def test_convolutions_of_integers(tmp_path, monkeypatch) -> None:
    """They work; that they are slow is told, whatever the time is here."""
    networks, layers = tfvae.networks, tfvae.layers
    encoder = keras.Sequential(
        [networks.conv((8, 8, 1), (4, 8), (16,)), layers.Normal(3)]
    )
    decoder = keras.Sequential(
        [networks.conv_transpose((3,), (8, 8), (8, 4)), layers.Bernoulli((8, 8, 1))]
    )
    vae = tfvae.VAE(encoder, decoder, seed=0)
    seconds = iter([1.0, 4.5])
    monkeypatch.setattr(latency, "decoding_seconds", lambda content: next(seconds))
    path = tmp_path / "model.tflite"
    with pytest.warns(UserWarning, match=r"In dynamic_int8 `decode` takes 4\.5 times"):
        vae.export(path, format="litert", precision="dynamic_int8")
    z = np.random.default_rng(4).normal(size=(1, 3)).astype(np.float32)
    mean = in_litert(path, {"decode": {"z": z}})["decode"]["mean"]
    np.testing.assert_allclose(mean, vae.decode(z).mean(), atol=0.02)


def test_noise_drawn_inside(tmp_path) -> None:
    """Other draws at each call, with the moments of the prior and of p(x|z)."""
    likelihood = tfvae.layers.Normal(6, scale=0.5)
    vae = small_vae(likelihood=likelihood)
    path = tmp_path / "model.tflite"
    vae.export(path, format="litert", noise="internal", batch_size=500, num_samples=4)
    x = vae.sample(500, seed=3)
    calls = {"sample": {}, "elbo": {"x": x}, "log_prob": {"x": x}, "encode": {"x": x}}
    first, again = (in_litert(path, calls) for _ in range(2))
    for name, key in [("sample", "x"), ("elbo", "elbo"), ("log_prob", "log_prob")]:
        assert not np.any(first[name][key] == again[name][key])
    np.testing.assert_array_equal(first["encode"]["mean"], again["encode"]["mean"])
    kl = vae.encode(x).kl_divergence(vae.prior)
    np.testing.assert_allclose(first["elbo"]["kl"], kl, rtol=1e-4)
    drawn = np.concatenate([first["sample"]["x"], again["sample"]["x"]])
    # E[x] = E_z[mean of p(x|z)] by a draw of z of our own.
    z = np.random.default_rng(5).normal(size=(20_000, 3)).astype(np.float32)
    want = vae.decode(z).mean().numpy()
    error = np.sqrt(want.var(0) + 0.25) * np.sqrt(1 / 1000 + 1 / 20_000)
    np.testing.assert_array_less(np.abs(drawn.mean(0) - want.mean(0)), 5 * error)
    np.testing.assert_allclose(drawn.var(0), want.var(0) + 0.25, rtol=0.3)


def test_uniforms_drawn_inside(tmp_path) -> None:
    path = tmp_path / "model.tflite"
    vae = small_vae()
    vae.export(path, format="litert", noise="internal", batch_size=2000, num_samples=2)
    drawn = in_litert(path, {"sample": {}})["sample"]["x"]
    assert set(np.unique(drawn)) == {0, 1}
    z = np.random.default_rng(5).normal(size=(20_000, 3)).astype(np.float32)
    want = vae.decode(z).mean().numpy().mean(0)
    error = np.sqrt(want * (1 - want) / 2000) + 0.003
    np.testing.assert_array_less(np.abs(drawn.mean(0) - want), 5 * error)
