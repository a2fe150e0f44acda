"""`.tflite` files against the Keras model, where TensorFlow is not imported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from scipy import stats
from scipy.special import logsumexp
from support.runners import in_litert
from support.small import small_vae
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.export.check import compare
from tfvae.export.signatures import Signature

BATCH, SAMPLES = 2, 16

POSTERIORS = {
    "Normal": lambda: tfvae.layers.Normal(3),
    "Normal, shared scale": lambda: tfvae.layers.Normal(3, scale="shared"),
    "TriL": lambda: tfvae.layers.MultivariateNormalTriL(3),
}
LIKELIHOODS = {
    "Bernoulli": lambda: tfvae.layers.Bernoulli(6),
    "ContinuousBernoulli": lambda: tfvae.layers.ContinuousBernoulli(6),
    "Binomial": lambda: tfvae.layers.Binomial(6, total_count=16),
    "Normal, fixed scale": lambda: tfvae.layers.Normal(6, scale=0.5),
    "TriL": lambda: tfvae.layers.MultivariateNormalTriL(6),
}
PAIRS = [
    ("Normal", "Bernoulli"),
    ("Normal, shared scale", "ContinuousBernoulli"),
    ("TriL", "Binomial"),
    ("Normal", "Normal, fixed scale"),
    ("TriL", "TriL"),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " and ".join(pair))
def test_all_signatures_agree_with_the_model(pair, tmp_path) -> None:
    vae = small_vae(POSTERIORS[pair[0]](), LIKELIHOODS[pair[1]]())
    path = tmp_path / "model.tflite"
    vae.export(path, format="litert", batch_size=BATCH, num_samples=SAMPLES)
    assert b"Flex" not in path.read_bytes()
    generator = np.random.default_rng(3)
    x = vae.sample(BATCH, seed=3)
    z, many = (
        generator.normal(size=(*lead, BATCH, 3)).astype(np.float32)
        for lead in ((), (SAMPLES,))
    )
    normal = vae.likelihood_layer.noise == "normal"
    draw = generator.normal if normal else generator.uniform
    noise_x = draw(size=(BATCH, 6)).astype(np.float32)
    q, p = vae.encode(x), vae.decode(z)

    def log_weights(noise: np.ndarray) -> np.ndarray:
        """From the distributions that users get, without the layers' shortcuts."""
        factor = q.scale_tril if pair[0] == "TriL" else tf.linalg.diag(q.stddev())
        draws = q.mean() + tf.linalg.matvec(factor, noise)
        likelihood, prior = vae.decode(draws).log_prob(x), vae.prior.log_prob(draws)
        return (likelihood + prior - q.log_prob(draws)).numpy()

    nats = {"rtol": 1e-4, "atol": 0}
    values = {"rtol": 1e-5, "atol": 1e-5}
    out = in_litert(
        path,
        {
            "encode": {"x": x},
            "decode": {"z": z},
            "reconstruct": {"x": x},
            "sample": {"noise_z": z, "noise_x": noise_x},
            "elbo": {"x": x, "noise_z": z},
            "log_prob": {"x": x, "noise_z": many},
        },
    )
    np.testing.assert_allclose(out["encode"]["mean"], q.mean(), **values)
    np.testing.assert_allclose(out["encode"]["stddev"], q.stddev(), **values)
    np.testing.assert_allclose(out["decode"]["mean"], p.mean(), **values)
    np.testing.assert_allclose(out["reconstruct"]["mean"], vae.reconstruct(x), **values)
    drawn = vae.likelihood_layer.transform(p, noise_x)[0]
    np.testing.assert_allclose(out["sample"]["x"], drawn, **values)
    bound = out["elbo"]
    at_draws = vae.decode(vae.posterior_layer.transform(q, z)[0]).log_prob(x)
    np.testing.assert_allclose(bound["reconstruction"], at_draws, **nats)
    np.testing.assert_allclose(bound["kl"], q.kl_divergence(vae.prior), **nats)
    np.testing.assert_allclose(
        bound["elbo"], bound["reconstruction"] - bound["kl"], rtol=1e-6, atol=1e-5
    )
    want = logsumexp(log_weights(many), axis=0) - np.log(SAMPLES)
    np.testing.assert_allclose(out["log_prob"]["log_prob"], want, **nats)


def test_each_output_is_a_tensor_of_its_own(tmp_path) -> None:
    """A runtime that knows one name for each tensor would lose the mean."""
    path = tmp_path / "model.tflite"
    small_vae(likelihood=tfvae.layers.Normal(6)).export(path, format="litert")
    interpreter = Interpreter(model_path=str(path))
    names = {"encode": {"mean", "stddev", "loc", "scale"}}
    names["decode"] = names["encode"] - {"stddev"}
    for name, keys in names.items():
        outputs = interpreter.get_signature_runner(name).get_output_details()
        assert outputs.keys() == keys
        assert len({details["index"] for details in outputs.values()}) == len(keys)


def test_shapes_are_fixed_and_named(tmp_path) -> None:
    path = tmp_path / "model.tflite"
    small_vae().export(path, format="litert")
    interpreter = Interpreter(model_path=str(path))
    shapes = {
        name: {
            key: details["shape"].tolist()
            for key, details in interpreter.get_signature_runner(name)
            .get_input_details()
            .items()
        }
        for name in interpreter.get_signature_list()
    }
    assert shapes == {
        "encode": {"x": [1, 6]},
        "decode": {"z": [1, 3]},
        "reconstruct": {"x": [1, 6]},
        "sample": {"noise_z": [1, 3], "noise_x": [1, 6]},
        "elbo": {"x": [1, 6], "noise_z": [1, 3]},
        "log_prob": {"x": [1, 6], "noise_z": [64, 1, 3]},
    }


def test_a_convolutional_model(tmp_path) -> None:
    networks, layers = tfvae.networks, tfvae.layers
    encoder = keras.Sequential(
        [networks.conv((8, 8, 1), (4, 8), (16,)), layers.Normal(3)]
    )
    decoder = keras.Sequential(
        [networks.conv_transpose((3,), (8, 8), (8, 4)), layers.Bernoulli((8, 8, 1))]
    )
    vae = tfvae.VAE(encoder, decoder, seed=0)
    path = tmp_path / "model.tflite"
    vae.export(path, format="litert", batch_size=BATCH)
    z = np.random.default_rng(4).normal(size=(BATCH, 3)).astype(np.float32)
    decoded = in_litert(path, {"decode": {"z": z}})["decode"]
    want = vae.decode(z)
    np.testing.assert_allclose(decoded["mean"], want.mean(), rtol=1e-5, atol=1e-5)
    logits = want.distribution.logits
    np.testing.assert_allclose(decoded["logits"], logits, rtol=1e-5, atol=1e-5)


def test_a_file_is_replaced_only_by_a_good_one(tmp_path, monkeypatch) -> None:
    vae = small_vae()
    path = tmp_path / "model.tflite"
    path.write_bytes(b"an older model")
    weight = vae.encoder.trainable_variables[0]
    save = tf.saved_model.save

    def save_other_weights(*args, **kwargs) -> None:
        before = weight.numpy()
        weight.assign(before * 1.01)
        save(*args, **kwargs)
        weight.assign(before)

    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", save_other_weights)
        with pytest.raises(ValueError, match="differs from the model"):
            vae.export(path, format="litert")
    assert path.read_bytes() == b"an older model"
    vae.export(path, format="litert")
    assert path.stat().st_size > 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tflite"]


def test_a_folder_in_its_place_is_named(tmp_path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder"):
        small_vae().export(tmp_path, format="litert")


def test_an_operation_without_builtin_is_named(tmp_path) -> None:
    vae = small_vae(likelihood=tfvae.layers.Bernoulli(6))
    cholesky = np.tril(np.full((3, 3), 0.5, np.float32)) + np.eye(3, dtype=np.float32)
    prior = tfd.MultivariateNormalTriL(np.zeros(3, np.float32), cholesky)
    vae = tfvae.VAE(vae.encoder, vae.decoder, prior)
    with pytest.raises(ValueError, match=r"MatrixTriangularSolve.* has no builtin"):
        vae.export(tmp_path / "model.tflite", format="litert")
    assert list(tmp_path.iterdir()) == []


def test_the_prior_of_an_operation_without_builtin_is_named(tmp_path) -> None:
    prior = tfd.Independent(tfd.Cauchy(np.zeros(3, np.float32), 1.0), 1)
    with pytest.raises(ValueError, match=r"Tan of the prior Fixed \(in `sample`\)"):
        small_vae(prior=prior).export(tmp_path / "model.tflite", format="litert")


def test_another_dtype_policy_is_named(tmp_path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = small_vae()
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="LiteRT computes in float32, and the layer"):
        vae.export(tmp_path / "model.tflite", format="litert")


def test_a_prior_of_quantiles(tmp_path) -> None:
    """Its draws are a function of uniforms, the posterior's one of normals."""
    prior = tfd.Independent(tfd.Laplace(np.zeros(3, np.float32), 0.5), 1)
    vae = small_vae(likelihood=tfvae.layers.Normal(6), prior=prior)
    vae.export(tmp_path / "model.tflite", format="litert")
    generator = np.random.default_rng(5)
    uniform = generator.uniform(size=(1, 3)).astype(np.float32)
    noise_x = generator.normal(size=(1, 6)).astype(np.float32)
    z = stats.laplace.ppf(uniform.astype(float), scale=0.5).astype(np.float32)
    p = vae.decode(z)
    inputs = {"sample": {"noise_z": uniform, "noise_x": noise_x}}
    drawn = in_litert(tmp_path / "model.tflite", inputs)["sample"]["x"]
    np.testing.assert_allclose(drawn, p.mean() + p.stddev() * noise_x, 1e-5, 1e-5)


def test_the_check_sees_what_is_no_number() -> None:
    """Also where both sides have it, and in a draw, whose edges are forgiven."""
    signature = Signature(lambda x: {"x": x}, [tf.TensorSpec([2, 1000], name="x")])
    x = np.zeros((2, 1000), np.float32)
    x[0, 0] = np.nan
    calls = {"sample": [{"x": x}]}
    with pytest.raises(ValueError, match="`x` is off by inf"):
        compare({"sample": signature}, calls, calls)


def test_a_prior_without_noise_is_named(tmp_path) -> None:
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=[0.0, 1.0]),
        tfd.MultivariateNormalDiag(np.zeros((2, 3), np.float32)),
    )
    vae = small_vae(prior=mixture)
    with pytest.raises(ValueError, match="`sample` needs draws of z"):
        vae.export(tmp_path / "model.tflite", format="litert")
    vae.export(tmp_path / "1")
    outputs = tf.saved_model.load(str(tmp_path / "1")).signatures["sample"](
        num_samples=tf.constant(3), seed=tf.constant([1, 2])
    )
    np.testing.assert_array_equal(outputs["x"], vae.sample(3, seed=(1, 2)))


@pytest.mark.parametrize("name", ["vae.keras", "model", "model.onnx"])
def test_another_file_is_not_overwritten(name, tmp_path) -> None:
    (tmp_path / name).write_text("a trained model")
    with pytest.raises(ValueError, match=r"must end in `\.tflite`"):
        small_vae().export(tmp_path / name, format="litert")
    assert (tmp_path / name).read_text() == "a trained model"


def test_columns_of_any_name(tmp_path) -> None:
    columns = {"a|b": tfvae.layers.Normal(4), "é / ö": tfvae.layers.Bernoulli(2)}
    vae = small_vae(likelihood=tfvae.layers.Table(columns))
    vae.export(tmp_path / "1", num_samples=2)
    vae.export(tmp_path / "model.tflite", format="litert", num_samples=2)
    vae.export(tmp_path / "onnx", format="onnx", num_samples=2)
