"""SavedModels against the Keras model, in runtimes without tfvae."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from support import c_api
from support.runners import in_plain_tensorflow
from support.small import small_vae

import tfvae

SEED = np.array([5, 9], np.int32)
SAMPLES = 64


@pytest.fixture(scope="module")
def vae() -> tfvae.VAE:
    return small_vae()


@pytest.fixture(scope="module")
def path(vae: tfvae.VAE, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small" / "1"
    vae.export(path, num_samples=SAMPLES)
    return path


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (5, 6)).astype(np.float32)


def expected(vae: tfvae.VAE, x: np.ndarray, z: np.ndarray) -> dict:
    """Inputs of each signature and what the Keras model says."""
    q, p = vae.encode(x), vae.decode(z)
    return {
        "encode": ({"x": x}, {"mean": q.mean(), "stddev": q.stddev()}),
        "decode": ({"z": z}, {"mean": p.mean(), "logits": p.distribution.logits}),
        "reconstruct": ({"x": x}, {"mean": vae.reconstruct(x)}),
        "sample": (
            {"num_samples": np.array(7, np.int32), "seed": SEED},
            {"x": vae.sample(7, seed=SEED)},
        ),
        "elbo": (
            {"x": x, "seed": SEED},
            {"elbo": vae.elbo(x, seed=SEED), "kl": q.kl_divergence(vae.prior)},
        ),
        "log_prob": (
            {"x": x, "seed": SEED},
            {"log_prob": vae.log_prob(x, SAMPLES, seed=SEED)},
        ),
        "serving_default": ({"x": x}, {"mean": vae.predict(x, verbose=0)}),
    }


def in_c_api(path: Path, inputs: dict) -> dict:
    """Runs signatures through TensorFlow's C API, without its Python."""
    return {
        name: c_api.run_in_fresh_process(path, name, arrays)
        for name, arrays in inputs.items()
    }


@pytest.mark.parametrize("run", [in_plain_tensorflow, in_c_api])
def test_agrees_with_the_model(vae, path, x, run) -> None:
    z = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
    cases = expected(vae, x, z)
    outputs = run(path, {name: inputs for name, (inputs, _) in cases.items()})
    for name, (_, wanted) in cases.items():
        nats = name in ("elbo", "log_prob")
        for key, want in wanted.items():
            np.testing.assert_allclose(
                outputs[name][key],
                want,
                rtol=1e-4 if nats else 1e-5,
                atol=0 if nats else 1e-5,
                err_msg=f"{name}, {key}",
            )


def test_signatures_have_the_documented_names(path) -> None:
    signatures = tf.saved_model.load(str(path)).signatures
    shapes = {
        name: (
            {k: v.shape.as_list() for k, v in f.structured_input_signature[1].items()},
            sorted(f.structured_outputs),
        )
        for name, f in signatures.items()
    }
    x, seed = [None, 6], [2]
    assert shapes == {
        "encode": ({"x": x}, ["loc", "mean", "scale", "stddev"]),
        "decode": ({"z": [None, 3]}, ["logits", "mean"]),
        "reconstruct": ({"x": x}, ["mean"]),
        "sample": ({"num_samples": [], "seed": seed}, ["x"]),
        "elbo": ({"x": x, "seed": seed}, ["elbo", "kl", "reconstruction"]),
        "log_prob": ({"x": x, "seed": seed}, ["log_prob"]),
        "serving_default": ({"x": x}, ["mean"]),
    }


def test_elbo_is_made_of_scipy_densities(path, x) -> None:
    """The terms from the exported parameters alone, with the draw left unknown."""
    signatures = tf.saved_model.load(str(path)).signatures
    q = signatures["encode"](x=tf.constant(x))
    mean, stddev = q["mean"].numpy(), q["stddev"].numpy()
    kl = np.sum(0.5 * (mean**2 + stddev**2 - 1) - np.log(stddev), axis=-1)
    rows = np.repeat(x, 2000, axis=0)
    outputs = signatures["elbo"](x=tf.constant(rows), seed=tf.constant(SEED))
    np.testing.assert_allclose(outputs["kl"].numpy()[::2000], kl, rtol=1e-5)
    # The mean over many draws against draws of our own, through `decode` and SciPy.
    generator = np.random.default_rng(0)
    z = mean[:, None] + stddev[:, None] * generator.normal(size=(5, 2000, 3))
    p = signatures["decode"](z=tf.constant(z.reshape(-1, 3), tf.float32))["mean"]
    own = stats.bernoulli.logpmf(rows, p.numpy()).sum(-1).reshape(5, 2000)
    theirs = outputs["reconstruction"].numpy().reshape(5, 2000)
    error = np.hypot(own.std(1), theirs.std(1)) / np.sqrt(2000)
    np.testing.assert_array_less(np.abs(own.mean(1) - theirs.mean(1)), 4 * error)


def test_a_version_is_never_overwritten(vae, path) -> None:
    before = (path / "saved_model.pb").read_bytes()
    with pytest.raises(FileExistsError, match="never overwritten"):
        vae.export(path)
    assert (path / "saved_model.pb").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "hint"), [("vae.tflite", 'format="litert"'), ("vae.keras", "`save`")]
)
def test_a_file_of_another_format_is_not_made_a_folder(vae, tmp_path, name, hint):
    with pytest.raises(ValueError, match=rf"must name a folder.*{hint}"):
        vae.export(tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_wrong_export_is_refused_and_leaves_nothing(vae, tmp_path, monkeypatch):
    """The weights change between the model and the file, as a bad converter would."""
    save = tf.saved_model.save
    weight = vae.decoder.trainable_variables[0]

    def save_other_weights(*args, **kwargs) -> None:
        before = weight.numpy()
        weight.assign(before * 1.01)
        save(*args, **kwargs)
        weight.assign(before)

    monkeypatch.setattr(tf.saved_model, "save", save_other_weights)
    with pytest.raises(ValueError, match="differs from the model"):
        vae.export(tmp_path / "new" / "1")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_named(vae, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"The folder .*file cannot be written"):
        vae.export(tmp_path / "file" / "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "onxx"}, "`format` must be one of 'tf_saved_model', 'litert'"),
        ({"num_samples": 0}, "`num_samples` must be a positive integer. Received: 0"),
        ({"batch_size": 2}, "takes no `batch_size`"),
        ({"format": "litert", "batch_size": 1.5}, "`batch_size` must be a positive"),
        ({"format": "litert", "precision": "int4"}, "`precision` must be one of"),
        ({"format": "litert", "noise": "none"}, "`noise` must be one of"),
        ({"serving_default": "score"}, "`serving_default` must be one of 'encode'"),
        ({"examples": np.full((2, 6), 0.5)}, "must lie in the support of Bernoulli"),
        ({"metrics": {"elbo": np.nan}}, "`metrics` must hold names and finite"),
        ({"metrics": [1]}, "`metrics` must hold names and finite"),
        ({"path": "elsewhere"}, "takes no `path`"),
        ({"preprocessing": len}, "`preprocessing` must be a Keras layer or model"),
    ],
)
def test_bad_arguments(vae, tmp_path, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        vae.export(tmp_path / "1", **arguments)
