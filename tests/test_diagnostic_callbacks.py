"""Diagnostics as callbacks: what History, files and other callbacks see of them."""

import csv
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.small import small_vae
from support.training import assert_same_weights, binary

import tfvae
from tfvae import diagnostics
from tfvae.callbacks import Diagnostic

X = binary(48)


def model() -> tfvae.VAE:
    keras.utils.set_random_seed(0)
    vae = small_vae()
    vae.compile(keras.optimizers.Adam(0.05))
    return vae


def fit(vae: tfvae.VAE, *callbacks, epochs: int = 3, **options) -> dict:
    options = {
        "batch_size": 24,
        "shuffle": False,
        "verbose": 0,
        "epochs": epochs,
    } | options
    return vae.fit(X, callbacks=list(callbacks), **options).history


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a folder of event files: name to steps and values."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_history_has_the_numbers_of_each_epoch() -> None:
    vae = model()
    callback = Diagnostic("surgery", X, num_samples=2)
    history = fit(vae, callback)
    parts = ("mutual_information", "total_correlation", "marginal_kl", "kl")
    for part in parts:
        values = [getattr(callback.results[epoch], part) for epoch in range(3)]
        assert history[f"surgery_{part}"] == values
    assert "surgery_dimension_wise_kl" not in history
    assert callback.results[2].dimension_wise_kl.shape == (3,)
    # The last epoch is the model as it is now, on the draws of seed 0.
    now = diagnostics.surgery(vae, X, num_samples=2, seed=0)
    assert history["surgery_kl"][-1] == now.kl


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("active_units", "count"),
        ("aggregate_kl", "standard_error"),
        ("collapse", "count"),
        ("rate_distortion", "rate"),
        ("mig", "score"),
        ("sap", "score"),
        ("dci", "informativeness"),
    ],
)
def test_every_diagnostic_by_its_name(name, field) -> None:
    metric = name in ("mig", "sap", "dci")
    arguments = {"factors": X[:, :2]} if metric else {}
    vae = model()
    history = fit(vae, Diagnostic(name, X, **arguments), epochs=1)
    function = getattr(diagnostics, name)
    if metric:
        expected = function(diagnostics.codes(vae, X), X[:, :2])
    else:
        expected = function(vae, X, **({"seed": 0} if name != "active_units" else {}))
    assert history[f"{name}_{field}"] == [getattr(expected, field)]


def test_training_is_left_as_it_is() -> None:
    alone, watched = model(), model()
    expected = fit(alone)
    history = fit(watched, Diagnostic("surgery", X), Diagnostic("rate_distortion", X))
    assert_same_weights(alone, watched)
    assert {name: history[name] for name in expected} == expected


def test_every_other_epoch_and_the_last() -> None:
    callback = Diagnostic("active_units", X, every=3)
    history = fit(model(), callback, epochs=6)
    assert sorted(callback.results) == [0, 3, 5]
    assert len(history["active_units_count"]) == 3
    # A second run starts again, from whatever epoch.
    vae = model()
    fit(vae, callback, epochs=9, initial_epoch=5)
    assert sorted(callback.results) == [5, 8]


def test_the_last_epoch_of_a_run_that_is_stopped() -> None:
    callback = Diagnostic("active_units", X, every=10)
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: setattr(stop.model, "stop_training", epoch == 2)
    )
    fit(model(), stop, callback, epochs=10)
    assert sorted(callback.results) == [0, 2]


def test_the_last_epoch_of_a_run_that_is_stopped_from_behind() -> None:
    callback = Diagnostic("active_units", X, every=10)
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: setattr(stop.model, "stop_training", epoch == 2)
    )
    vae = model()
    history = fit(vae, callback, stop, epochs=10)
    assert sorted(callback.results) == [0, 2]
    assert len(history["active_units_count"]) == 1
    now = diagnostics.active_units(vae, X)
    np.testing.assert_array_equal(callback.results[2].variance, now.variance)


def test_callbacks_behind_it_see_the_numbers(tmp_path) -> None:
    before, behind = tmp_path / "before.csv", tmp_path / "behind.csv"
    history = fit(
        model(),
        keras.callbacks.CSVLogger(before),
        Diagnostic("active_units", X, every=2),
        keras.callbacks.CSVLogger(behind),
        epochs=4,
    )
    with behind.open() as file:
        column = [row["active_units_count"] for row in csv.DictReader(file)]
    assert column[1] == "NA"
    measured = [float(column[epoch]) for epoch in (0, 2, 3)]
    assert measured == history["active_units_count"]
    assert "active_units_count" not in before.read_text()


def test_early_stopping_on_a_diagnostic() -> None:
    calls = []

    def falling(vae, x) -> dict[str, float]:
        calls.append(len(x))
        return {"value": -float(len(calls))}

    stop = keras.callbacks.EarlyStopping("falling_value", mode="max", patience=2)
    history = fit(model(), Diagnostic(falling, X), stop, epochs=9)
    assert history["falling_value"] == [-1.0, -2.0, -3.0]
    assert calls == [48] * 3


def test_tensorboard_writes_it_to_its_files(tmp_path) -> None:
    history = fit(
        model(),
        Diagnostic("surgery", X, every=2),
        Diagnostic("active_units", X, prefix="val_"),
        keras.callbacks.TensorBoard(tmp_path),
        epochs=3,
        validation_data=binary(24, seed=1),
    )
    train, validation = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert {"epoch_elbo", "epoch_surgery_total_correlation"} <= set(train)
    steps, values = zip(*train["epoch_surgery_mutual_information"], strict=True)
    assert steps == (0, 2)
    assert values == pytest.approx(history["surgery_mutual_information"], rel=1e-6)
    steps, values = zip(*validation["epoch_count"], strict=True)
    assert steps == (0, 1, 2)
    assert list(values) == history["val_count"]
    assert "epoch_elbo" in validation


def test_a_function_of_ones_own() -> None:
    @dataclasses.dataclass(frozen=True)
    class Found:
        size: int
        name: str
        table: np.ndarray
        tensor: tf.Tensor
        scalar: np.ndarray

    def measured(vae, x, scale, seed) -> Found:
        assert seed == 0
        found = tf.constant(0.5, tf.bfloat16), np.array(7)
        return Found(scale * len(x), "x", np.zeros(3), *found)

    callback = Diagnostic(measured, X, prefix="my/", scale=2)
    history = fit(model(), callback, epochs=1)
    logged = {name: value for name, value in history.items() if name[:3] == "my/"}
    assert logged == {"my/size": [96.0], "my/tensor": [0.5], "my/scalar": [7.0]}


def test_names_that_are_taken() -> None:
    with pytest.raises(ValueError, match=r"logs have a 'kl' already.*`prefix`"):
        fit(model(), Diagnostic("surgery", X, prefix=""))


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="`diagnostic` must be one of 'active_units'"):
        Diagnostic("activity", X)
    with pytest.raises(ValueError, match="`every` must be a positive integer"):
        Diagnostic("surgery", X, every=0)
    with pytest.raises(ValueError, match="`prefix` must be a string or None"):
        Diagnostic("surgery", X, prefix=3)
    with pytest.raises(TypeError, match=r"`surgery` takes other.*num_bins"):
        Diagnostic("surgery", X, num_bins=3)
    with pytest.raises(TypeError, match=r"`mig` takes other.*factors"):
        Diagnostic("mig", X)


def test_wrong_models_and_data_stop_the_run_before_it_starts() -> None:
    dense = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    dense.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"measures a tfvae.VAE.*Sequential"):
        dense.fit(X, X[:, :1], callbacks=[Diagnostic("surgery", X)], verbose=0)
    vae = model()
    with pytest.raises(ValueError, match="`x` must have the shape"):
        fit(vae, Diagnostic("surgery", X[:, :2]))
    with pytest.raises(ValueError, match="`x` must lie in the support"):
        fit(vae, Diagnostic("rate_distortion", X + 0.5))
    with pytest.raises(ValueError, match="`factors`"):
        fit(vae, Diagnostic("mig", X, factors=X[:9, :2]))
    assert int(vae.optimizer.iterations) == 0
    tril = small_vae(posterior=tfvae.layers.MultivariateNormalTriL(3))
    tril.compile("adam")
    with pytest.raises(ValueError, match="surgery"):
        fit(tril, Diagnostic("surgery", X))
    assert int(tril.optimizer.iterations) == 0
    with pytest.raises(ValueError, match="must return a dataclass or a mapping"):
        fit(vae, Diagnostic(lambda vae, x: 3.0, X))
