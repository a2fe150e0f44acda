"""The command line, from data to a folder that serves, and its errors."""

import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import typer
from sklearn.datasets import load_wine
from typer.testing import CliRunner

import tfvae
from tfvae.cli import app, display, folders, reuse, training
from tfvae.cli.options import resolve
from tfvae.cli.preparation import prepare
from tfvae.cli.record import to_json

TINY = ["--hidden", "16", "--latent", "2", "--epochs", "2", "--evidence-samples", "30"]


def invoke(*args, code=0):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    unexpected = result.exception if not isinstance(result.exception, SystemExit) else 0
    assert not unexpected, unexpected
    assert result.exit_code == code, result.output
    return result


def one_sentence(*args, code=1):
    result = invoke(*args, code=code)
    assert result.stderr.startswith("tfvae: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def checksums(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The folder of a model that the command line trained for two epochs."""
    output = tmp_path_factory.mktemp("models")
    invoke("train", "digits", *TINY, "--output", output)
    return output / "digits"


def record(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_train_writes_everything_once_and_complete(digits):
    assert {path.name for path in digits.iterdir()} == {"1", *folders.FILES}
    top = checksums(digits)
    for name in folders.FILES:
        assert top[name] == top[f"1/assets.extra/{name}"]
    assert (digits / "1" / "saved_model.pb").is_file()
    assert (digits / "report.png").read_bytes().startswith(b"\x89PNG")


def test_recorded_figures_are_those_of_the_saved_model(digits):
    found = record(digits)
    test = found["test"]
    assert test["elbo"] == pytest.approx(test["reconstruction"] - test["kl"], abs=1e-9)
    assert test["log_prob"] >= test["elbo"]
    assert found["preparation"]["total_count"] == 16
    assert len(found["history"]["elbo"]) == 2

    vae = keras.models.load_model(digits / "model.keras")
    x = tfvae.datasets.load("digits").x_test.astype("float32")
    elbo = vae.elbo(x, num_samples=300, seed=1).numpy().mean()
    assert elbo == pytest.approx(test["elbo"], abs=0.5)
    served = tf.saved_model.load(str(digits / "1"))
    np.testing.assert_allclose(
        served.signatures["reconstruct"](tf.constant(x))["mean"],
        vae.reconstruct(x),
        atol=1e-4,
    )


def test_evaluate_repeats_the_figures_of_the_training_run(digits):
    output = invoke("evaluate", digits / "1", "digits", "--evidence-samples", 30).output
    test = record(digits)["test"]
    for name in ("elbo", "reconstruction", "kl", "log_prob"):
        assert f"{test[name]:.3f}" in output


def test_sample_writes_numbers_and_pictures(digits, tmp_path):
    for name in ("a.npy", "b.npy", "c.png"):
        invoke("sample", digits / "model.keras", "-o", tmp_path / name, "--count", 7)
    x = np.load(tmp_path / "a.npy")
    assert x.shape == (7, 8, 8, 1)
    assert set(np.unique(x)) <= set(range(17))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "must end in" in one_sentence("sample", digits, "-o", tmp_path / "d.txt")


def test_export_writes_the_other_format_and_replaces_nothing(digits, tmp_path):
    target = tmp_path / "new" / "digits.tflite"
    to = ["--output", target]
    invoke("export", digits, *to, "--format", "litert", "--batch-size", 2)
    assert target.read_bytes()[4:8] == b"TFL3"
    assert "exists already" in one_sentence("export", digits, *to)
    assert [path.name for path in target.parent.iterdir()] == ["digits.tflite"]


def test_the_command_lines_in_the_documents_are_understood():
    commands = typer.main.get_command(app).commands
    root = pathlib.Path(__file__).parents[1]
    lines = []
    pages = [str(page) for page in (root / "tutorials").glob("*.md")]
    for document in ("README.md", "saved_models/README.md", *pages):
        text = (root / document).read_text().replace("\\\n", " ")
        blocks = re.findall(r"^```.*?^```|^    .*?$", text, re.M | re.S)
        lines += re.findall(r"^ *(tfvae .*)", "\n".join(blocks), re.M)
    assert len(lines) > 5
    for line in lines:
        _, name, *args = shlex.split(line, comments=True)
        commands[name].make_context(name, args)


def test_evaluate_sees_the_draws_of_a_static_training_run(monkeypatch, tmp_path):
    grey = np.random.default_rng(0).uniform(size=(30, 4, 4, 1))
    path = tmp_path / "grey.npz"
    np.savez(path, x_train=grey[:20], x_test=grey[20:])
    output = ["--output", tmp_path, "--binarize", "static"]
    seen = []
    _fit = tfvae.VAE.fit

    def fit(self, x, **kwargs):
        seen.append(np.concatenate(list(x.as_numpy_iterator())))
        return _fit(self, x, **kwargs)

    def figures(vae, x, *args):
        seen.append(x)
        return _figures(vae, x, *args)

    _figures = training.figures
    monkeypatch.setattr(tfvae.VAE, "fit", fit)
    monkeypatch.setattr(training, "figures", figures)
    monkeypatch.setattr(reuse, "figures", figures)
    invoke("train", path, *TINY, *output)
    for part in ("train", "test", "all"):
        args = ["--part", part, "--evidence-samples", 2]
        invoke("evaluate", tmp_path / "grey", path, *args)
    trained, tested, *evaluated = seen

    def rows(x):
        return np.sort(np.packbits(x.reshape(len(x), -1).astype(int), axis=1), axis=0)

    np.testing.assert_array_equal(rows(evaluated[0]), rows(trained))
    np.testing.assert_array_equal(evaluated[1], tested)
    np.testing.assert_array_equal(evaluated[2], np.concatenate(evaluated[:2]))


def test_versions_are_never_replaced(tmp_path):
    home = tmp_path / "home"

    def put(content):
        with folders.workspace(home) as draft:
            assets = draft / "model" / folders.ASSETS
            assets.mkdir(parents=True)
            for name in folders.FILES:
                (assets / name).write_text(content)
            return folders.publish(draft / "model", home)

    assert put("one") == home / "1"
    first = checksums(home / "1")
    (home / "7").mkdir()
    assert put("two") == home / "8"
    assert checksums(home / "1") == first
    assert (home / "metrics.json").read_text() == "two"
    assert {p.name for p in home.iterdir()} == {"1", "7", "8", *folders.FILES}


def test_a_model_that_litert_cannot_express_keeps_the_rest(monkeypatch, tmp_path):
    export = tfvae.VAE.export

    def without_litert(self, path, format="tf_saved_model", **kwargs):
        if format == "litert":
            raise ValueError("Off by\n3 times.")
        return export(self, path, format=format, **kwargs)

    monkeypatch.setattr(tfvae.VAE, "export", without_litert)
    home = tmp_path / "digits"
    home.mkdir()
    (home / "model.tflite").write_text("of an earlier run")
    output = invoke("train", "digits", *TINY, "--output", tmp_path).output
    assert output.count("Off by 3 times.") == 1
    files = {"model.keras", "metrics.json", "report.png"}
    assert {path.name for path in home.iterdir()} == {"1", *files}
    assets = {path.name for path in (home / "1" / folders.ASSETS).iterdir()}
    assert assets - files == {"tfvae.json", "tf_serving_warmup_requests"}
    assert record(home)["not_exported"] == {"model.tflite": "Off by 3 times."}


@pytest.mark.parametrize(
    "module", ["matplotlib.figure", "ai_edge_quantizer", "tensorflow_serving.apis"]
)
def test_what_the_end_needs_is_missed_at_the_start(module, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(training, "fit", lambda *args: pytest.fail("trained"))
    message = one_sentence("train", "digits", "--output", tmp_path / "out")
    assert module.split(".")[0] in message
    assert "pip install 'tfvae[all]'" in message


def test_metrics_are_json_whatever_the_numbers_are():
    text = to_json({"history": {"elbo": [-np.inf, 1.5, np.nan]}, "shape": (8, 1)})
    found = json.loads(text, parse_constant=pytest.fail)
    assert found == {"history": {"elbo": [None, 1.5, None]}, "shape": [8, 1]}


def test_a_figure_that_is_not_finite_is_an_error():
    vae, _, x = linear_model()
    with pytest.raises(ValueError, match="1 of 2 examples is not finite"):
        figures(vae, np.array([x[0], 1e30 * x[1]]), 5, 0)


@pytest.mark.parametrize(
    ("stem", "folder"),
    [
        ("data(1)", "data-1"),
        ("a b.v2", "a b.v2"),
        (".hidden", "hidden"),
        ("#", "model"),
    ],
)
def test_a_file_of_any_name_gets_a_plain_folder(stem, folder, monkeypatch, tmp_path):
    path = _file(tmp_path, f"{stem}.npy", np.random.default_rng(0).normal(size=(9, 3)))
    homes = []
    monkeypatch.setattr(training, "workspace", lambda home: homes.append(home) or 1 / 0)
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(tmp_path)])
    assert isinstance(result.exception, ZeroDivisionError), result.output
    assert homes == [tmp_path / folder]


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        ("fit", ValueError("bad luck")),
        ("figures", KeyboardInterrupt),
        ("_subtitle", OSError("bad luck")),
    ],
)
def test_a_run_that_fails_leaves_nothing(monkeypatch, tmp_path, stage, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(training, stage, fail)
    code = 130 if error is KeyboardInterrupt else 1
    one_sentence(
        "train", "digits", *TINY, "--output", tmp_path / "new" / "er", code=code
    )
    assert list(tmp_path.iterdir()) == []


def _file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    return path


def test_data_that_cannot_be_used_are_named(tmp_path):
    out = ["--output", tmp_path / "out"]
    grey = _file(tmp_path, "grey.npy", np.full((9, 4, 4), 200, np.uint8))
    real = _file(tmp_path, "real.npy", np.random.default_rng(0).normal(size=(9, 3)))
    torn = _file(tmp_path, "torn.npz", b"PK\x03\x04 torn")
    vast = _file(tmp_path, "vast.npy", np.linspace(1e39, 1e300, 18).reshape(9, 2))
    wide, late = tmp_path / "wide.npz", tmp_path / "late.npz"
    np.savez(wide, x_train=[[-1e39], [1e39]], x_test=[[0.5]])
    np.savez(late, x_train=[[0.5], [1.7]], x_test=[[1e300]])
    for args, message in [
        ([tmp_path / "no.npz"], "no file"),
        ([torn], "torn.npz"),
        ([real, "--likelihood", "bernoulli"], "real numbers"),
        ([real, "--likelihood", "binomial"], "whole numbers"),
        ([real, "--scale", "unit"], "standardize"),
        ([real, "--network", "conv"], "--network conv takes images"),
        ([grey, "--likelihood", "bernoulli", "--binarize", "none"], "--binarize"),
        ([grey, "--likelihood", "normal", "--binarize", "static"], "--binarize static"),
        ([real, "--name", "a/b"], "--name"),
        ([vast], "mean of the data is not finite in float32"),
        ([wide], "deviation of the data is not finite in float32"),
        ([wide, "--scale", "none"], "value of the data is not finite in float32"),
        ([late], "value of the data is not finite in float32"),
    ]:
        assert message in one_sentence("train", *args, *out)
    assert "cannot be written" in one_sentence("train", real, "--output", torn)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["train"],
        ["train", "digits", "--network", "gan"],
        ["train", "digits", "--hidden", "12,x"],
        ["train", "digits", "--epochs", "0"],
        ["train", "digits", "--beta", "nan"],
        ["train", "digits", "--nonsense"],
        ["nonsense"],
    ],
)
def test_wrong_command_lines_exit_with_two(args):
    one_sentence(*args, code=2)


def test_models_that_cannot_be_used_are_named(digits, tmp_path):
    broken = _file(tmp_path, "broken.keras", b"PK\x03\x04 broken")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(
        tmp_path / "other.keras"
    )
    wine = _file(tmp_path, "wine.npy", load_wine().data)
    to = ["--output", tmp_path / "x.npy"]
    assert "no model" in one_sentence("sample", tmp_path / "nowhere")
    assert "broken.keras" in one_sentence("sample", broken, *to)
    other = tmp_path / "other.keras"
    assert "tfvae.VAE" in one_sentence("sample", other, *to)
    assert "metrics.json" in one_sentence("evaluate", other, "digits")
    assert "(8, 8, 1)" in one_sentence("evaluate", digits, wine)
    bright = _file(tmp_path, "bright.npy", np.full((9, 8, 8), 99))
    assert "from 0 to 16" in one_sentence("evaluate", digits, bright)
    assert not (tmp_path / "x.npy").exists()


SOUND = {"likelihood": "normal", "why": "real numbers", "shift": [0.5], "divisor": 2.0}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        "[" * 100_000,
        '{"preparation": null}',
        '{"preparation": [1]}',
        '{"preparation": {}}',
        *(
            json.dumps({"preparation": SOUND | wrong})
            for wrong in [
                {"likelihood": 3},
                {"likelihood": ["normal"]},
                {"why": None},
                {"total_count": 2.5},
                {"scale": True},
                {"shift": None},
                {"shift": "3"},
                {"shift": [[1], [2, 3]]},
                {"shift": float("nan")},
                {"divisor": {"a": 1}},
                {"divisor": 0},
                {"divisor": 1e300},
                {"binarize": {}},
                {"seed": "0"},
                {"seed": -1},
                {"more": 1},
            ]
        ),
    ],
)
def test_a_record_of_another_form_is_named(content, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"not looked at")
    (tmp_path / "metrics.json").write_text(content)
    for args in (["sample", tmp_path], ["evaluate", tmp_path, "digits"]):
        assert f"{tmp_path}/metrics.json" in one_sentence(*args)


def arrays(values, dtype=None):
    x = np.array(values, dtype)
    return tfvae.datasets.Arrays("set", x, x)


RAMP = np.linspace(0, 255, 128).round().reshape(2, 8, 8, 1)


@pytest.mark.parametrize(
    ("data", "flags", "likelihood", "binarize", "top"),
    [
        (arrays([[0, 1], [1, 1]]), {}, "bernoulli", "none", 1),
        (arrays([[0, 9], [1, 1]]), {}, "binomial", "none", 9),
        (arrays(RAMP, np.uint8), {}, "bernoulli", "dynamic", 1),
        (arrays(RAMP / 255), {}, "bernoulli", "dynamic", 1),
        (arrays(RAMP), {"binarize": "static"}, "bernoulli", "static", 1),
        (arrays(RAMP), {"binarize": "none"}, "continuous_bernoulli", "none", 1),
        (arrays(np.tile(RAMP, 3)), {}, "continuous_bernoulli", "none", 1),
        (arrays(RAMP), {"likelihood": "binomial"}, "binomial", "none", 255),
        (arrays(RAMP), {"likelihood": "normal"}, "normal", "none", 1),
    ],
)
def test_the_likelihood_fits_the_data(data, flags, likelihood, binarize, top):
    found = prepare(data, **flags)
    assert (found.likelihood, found.binarize) == (likelihood, binarize)
    assert found.fixed(data.x_test).max() == top
    if binarize == "none":
        restored = found.restored(found.fixed(data.x_test))
        np.testing.assert_allclose(restored, data.x_test, rtol=1e-6, atol=1e-6)
    else:
        first, again = (found.fixed(data.x_test) for _ in range(2))
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("binarize", "network"), [("dynamic", "mlp"), ("static", "conv"), ("none", "conv")]
)
def test_grey_images_train_repeatably(binarize, network):
    grey = np.random.default_rng(0).integers(0, 256, (50, 5, 6, 1), dtype=np.uint8)
    data = tfvae.datasets.Arrays("grey", grey[:40], grey[40:])
    flags = dict.fromkeys(("activation", "latent", "learning_rate"))
    options = resolve(
        flags
        | {"network": network, "hidden": (8,), "filters": (3,), "schedule": "constant"}
        | {"likelihood": "auto", "binarize": binarize, "scale": "auto", "beta": 1.0}
        | {"epochs": 3, "batch_size": 16, "evidence_samples": 2, "seed": 3},
        data,
    )
    preparation = prepare(data, binarize=binarize, seed=3)
    (_, first), (_, again) = (training.fit(data, preparation, options) for _ in "ab")
    assert first == again
    assert len(first["val_elbo"]) == 3
    assert np.isfinite(first["elbo"]).all()


def test_standardised_densities_come_back_to_the_units_of_the_data():
    table = np.column_stack([load_wine().data, np.full(178, 3.0)])
    found = prepare(tfvae.datasets.Arrays("wine", table, table))
    x = found.scaled(table)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), [1] * 13 + [0], atol=1e-6)
    scaled = scipy.stats.norm.logpdf(x[:, :13]).sum(axis=1)
    stored = scipy.stats.norm.logpdf(
        table[:, :13], table[:, :13].mean(axis=0), table[:, :13].std(axis=0)
    ).sum(axis=1)
    np.testing.assert_allclose(scaled + found.log_jacobian(14), stored, atol=1e-4)


def linear_model():
    # Wider than the posterior, so that no weight is far above the others.
    wide = tfvae.layers.Normal(2, scale=1.5, kernel_initializer="zeros")
    encoder = keras.Sequential([keras.Input((3,)), wide])
    decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(3, "shared")])
    x = np.random.default_rng(0).normal(size=(300, 3)).astype("float32")
    return tfvae.VAE(encoder, decoder), decoder, x


def figures(vae, x, samples, seed):
    preparation = prepare(tfvae.datasets.Arrays("table", x, x), scale="none")
    return training.figures(vae, x, preparation, samples, seed)


def test_the_noise_of_the_figures_is_not_that_of_the_training():
    vae, _, x = linear_model()
    first, again, other = (figures(vae, x, 2, seed)["log_prob"] for seed in (5, 5, 6))
    assert first == again != other
    plain = vae.log_prob(x, 2, seed=5).numpy().mean()
    assert first != pytest.approx(plain, rel=1e-4)


def test_the_figures_agree_with_the_exact_marginal_of_a_linear_model():
    vae, decoder, x = linear_model()
    found = figures(vae, x, 3001, seed=0)
    weights = {weight.name: weight.numpy() for weight in decoder.weights}
    scale = np.log1p(np.exp(weights["raw_scale"]))
    covariance = weights["kernel"].T @ weights["kernel"] + scale**2 * np.eye(3)
    exact = scipy.stats.multivariate_normal(weights["bias"], covariance).logpdf(x)
    assert found["log_prob"] == pytest.approx(exact.mean(), abs=0.01)
    assert found["unreliable_examples"] == 0
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["kl"])
    bound = vae.elbo(x, num_samples=3000, seed=1).numpy()
    assert found["elbo"] == pytest.approx(bound.mean(), abs=0.01)


def test_figures_that_are_not_to_be_believed_are_counted(capsys):
    vae, _, x = linear_model()
    narrow = tfvae.layers.Normal(2, scale=0.01, kernel_initializer="zeros")
    vae = tfvae.VAE(keras.Sequential([keras.Input((3,)), narrow]), vae.decoder)
    found = figures(vae, x, 100, seed=0)
    assert found["unreliable_examples"] > 100
    display.results("title", found, {})
    assert f"{found['unreliable_examples']} of 300 examples" in capsys.readouterr().out
    found = figures(vae, x, 20, seed=0)
    assert found["unreliable_examples"] is None
    display.results("title", found, {})
    assert "too few samples" in capsys.readouterr().out


def test_python_minus_m_ends_with_a_sentence_and_a_code():
    root = pathlib.Path(tfvae.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-m", "tfvae", "train", "nowhere.npz"],
        env={**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("tfvae: There is no file nowhere")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
