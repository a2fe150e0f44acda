"""ONNX files against the Keras model, where TensorFlow is not imported."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from scipy.special import logsumexp
from support.runners import in_onnx
from support.small import small_vae
from tensorflow_probability import distributions as tfd

import tfvae
from tfvae.export.onnx_operations import operations

EXAMPLES, SAMPLES = 200, 8

PAIRS = {
    "Normal and Bernoulli": lambda: small_vae(),
    "TriL and Binomial": lambda: small_vae(
        tfvae.layers.MultivariateNormalTriL(3), tfvae.layers.Binomial(6, total_count=16)
    ),
    "StudentT and ContinuousBernoulli": lambda: small_vae(
        tfvae.layers.StudentT(3), tfvae.layers.ContinuousBernoulli(6)
    ),
    "Normal and NegativeBinomial": lambda: small_vae(
        likelihood=tfvae.layers.NegativeBinomial(6)
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_all_signatures_agree_with_the_model(pair, tmp_path) -> None:
    vae = PAIRS[pair]()
    vae.export(tmp_path / "onnx", format="onnx", num_samples=SAMPLES)
    generator = np.random.default_rng(3)
    x = vae.sample(EXAMPLES, seed=3)
    normal, uniform = generator.normal, generator.uniform
    kinds = {"normal": normal, "uniform": uniform}
    z = normal(size=(EXAMPLES, 3)).astype(np.float32)
    noise = kinds[vae.posterior_layer.noise](
        size=(SAMPLES, EXAMPLES, *vae.posterior_layer.noise_shape)
    )
    noise = noise.astype(np.float32)
    noise_x = kinds[vae.likelihood_layer.noise](
        size=(EXAMPLES, *vae.likelihood_layer.noise_shape)
    ).astype(np.float32)
    out = in_onnx(
        tmp_path / "onnx",
        {
            "encode": {"x": x},
            "decode": {"z": z},
            "reconstruct": {"x": x},
            "sample": {"noise_z": z, "noise_x": noise_x},
            "elbo": {"x": x, "noise_z": noise[0]},
            "log_prob": {"x": x, "noise_z": noise},
        },
    )
    q, p = vae.encode(x), vae.decode(z)
    nats = {"rtol": 1e-4, "atol": 1e-5}
    values = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(out["encode"]["mean"], q.mean(), **values)
    np.testing.assert_allclose(out["decode"]["mean"], p.mean(), **values)
    np.testing.assert_allclose(out["reconstruct"]["mean"], vae.reconstruct(x), **values)
    drawn = vae.likelihood_layer.transform(p, noise_x)[0].numpy()
    assert np.mean(out["sample"]["x"] == drawn) > 0.999 or np.allclose(
        out["sample"]["x"], drawn, **values
    )
    draws, log_q = vae.posterior_layer.transform(q, noise)
    log_p = vae.decode(draws).log_prob(x)
    np.testing.assert_allclose(out["elbo"]["reconstruction"], log_p[0], **nats)
    weights = (log_p + vae.prior.log_prob(draws) - log_q).numpy()
    want = logsumexp(weights, axis=0) - np.log(SAMPLES)
    np.testing.assert_allclose(out["log_prob"]["log_prob"], want, **nats)


def test_any_number_of_examples(tmp_path) -> None:
    vae = small_vae()
    vae.export(tmp_path / "onnx", format="onnx")
    for size in (1, 7):
        x = vae.sample(size, seed=1)
        mean = in_onnx(tmp_path / "onnx", {"encode": {"x": x}})["encode"]["mean"]
        np.testing.assert_allclose(mean, vae.encode(x).mean(), rtol=1e-5, atol=1e-5)


def test_an_operation_without_counterpart_is_named_with_its_layer(tmp_path) -> None:
    cholesky = np.tril(np.full((3, 3), 0.5, np.float32)) + np.eye(3, dtype=np.float32)
    prior = tfd.MultivariateNormalTriL(np.zeros(3, np.float32), cholesky)
    vae = small_vae(prior=prior)
    with pytest.raises(ValueError, match=r"MatrixTriangularSolve of the prior Fixed"):
        vae.export(tmp_path / "onnx", format="onnx")
    assert list(tmp_path.iterdir()) == []


FIXED = {
    "diagonal": tfd.MultivariateNormalDiag(np.zeros(3, np.float32), [1.0, 2.0, 0.5]),
    "laplace": tfd.Independent(tfd.Laplace(np.zeros(3, np.float32), 0.5), 1),
}


@pytest.mark.parametrize("prior", FIXED)
def test_fixed_priors_keep_their_numbers(prior, tmp_path) -> None:
    """They are tensors outside of the graph, of which the converter makes inputs."""
    vae = small_vae(prior=FIXED[prior])
    vae.export(tmp_path / "onnx", format="onnx")
    x = vae.sample(5, seed=1)
    noise = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    out = in_onnx(tmp_path / "onnx", {"elbo": {"x": x, "noise_z": noise}})["elbo"]
    z, log_q = vae.posterior_layer.transform(vae.encode(x), noise)
    np.testing.assert_allclose(
        out["reconstruction"], vae.decode(z).log_prob(x), rtol=1e-4
    )
    if prior == "laplace":  # which has no closed form of the divergence
        np.testing.assert_allclose(
            out["kl"], log_q - FIXED[prior].log_prob(z), rtol=1e-4, atol=1e-5
        )


class Rooted(keras.layers.Layer):
    """A layer with an operation that neither LiteRT nor ONNX has."""

    def call(self, x):
        return tf.math.bessel_i0e(x)


@pytest.mark.parametrize(("format", "suffix"), [("onnx", ""), ("litert", ".tflite")])
def test_the_layer_is_named(format, suffix, tmp_path) -> None:
    stack = [keras.Input((6,)), Rooted(name="rooted"), tfvae.layers.Normal(3)]
    vae = tfvae.VAE(keras.Sequential(stack), small_vae().decoder)
    with pytest.raises(ValueError, match="BesselI0e of the layer Rooted 'rooted'"):
        vae.export(tmp_path / ("model" + suffix), format=format)


def test_what_is_refused(tmp_path) -> None:
    vae = small_vae()
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        vae.export(tmp_path / "there", format="onnx")
    with pytest.raises(ValueError, match=r"must name a folder.*model\.onnx"):
        vae.export(tmp_path / "model.onnx", format="onnx")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = small_vae()
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="ONNX model computes in float32"):
        vae.export(tmp_path / "onnx", format="onnx")


SMALL = np.array([1e-7, -1e-6, 0.3, -0.49, 0.51, -0.9, 2.5, 20], np.float32)


def _converted(function, *inputs: np.ndarray) -> np.ndarray:
    """What a function of tensors gives in onnxruntime."""
    import onnxruntime
    import tf2onnx

    specs = [
        tf.TensorSpec([None] * x.ndim, x.dtype, f"x{i}") for i, x in enumerate(inputs)
    ]
    model, _ = tf2onnx.convert.from_function(
        tf.function(function, autograph=False),
        input_signature=specs,
        opset=18,
        custom_op_handlers=operations(),
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {s.name: x for s, x in zip(specs, inputs, strict=True)})[0]


@pytest.mark.filterwarnings("ignore")
def test_operations_keep_their_digits() -> None:
    log1p = _converted(tf.math.log1p, SMALL)
    np.testing.assert_allclose(log1p, np.log1p(SMALL.astype(float)), rtol=5e-7)
    far = np.array([-30, -18.5, -5, 3, 40, 100, -100], np.float32)
    sigmoid = _converted(tf.sigmoid, far)
    np.testing.assert_allclose(sigmoid, special.expit(far.astype(float)), 1e-6, 1e-38)
    expm1 = _converted(tf.math.expm1, SMALL)
    np.testing.assert_allclose(expm1, np.expm1(SMALL.astype(float)), rtol=5e-7)


@pytest.mark.filterwarnings("ignore")
def test_operations_with_infinities() -> None:
    x = np.array([np.inf, 2, np.nan, -3], np.float32)
    y = np.array([0, 4, 0, 5], np.float32)
    product = _converted(tf.math.multiply_no_nan, x, y)
    np.testing.assert_array_equal(product, [0, 8, 0, -15])
    chosen = _converted(lambda a, b: tf.where(b > 0, a, b[:, None]), x, y)
    want = np.where(y > 0, x, y[:, None])
    np.testing.assert_array_equal(chosen, want)


@pytest.mark.filterwarnings("ignore")
def test_the_shape_of_two_shapes() -> None:
    first, second = np.array([4, 1, 3], np.int32), np.array([5, 1], np.int32)
    shape = _converted(lambda a, b: tf.raw_ops.BroadcastArgs(s0=a, s1=b), first, second)
    np.testing.assert_array_equal(shape, np.broadcast_shapes((4, 1, 3), (5, 1)))
