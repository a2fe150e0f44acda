"""Keras's callbacks: early stopping, checkpoints, and resuming after a crash."""

import keras
import numpy as np
import pytest
from support.small import small_vae
from support.training import assert_same_weights, binary

import tfvae
from tfvae.objectives import ELBO

X, HELD = binary(48), binary(30, seed=1)


def model(rate: float = 0.01) -> tfvae.VAE:
    keras.utils.set_random_seed(0)
    vae = small_vae()
    beta = keras.optimizers.schedules.PolynomialDecay(0.1, 12, 1.0)
    vae.compile(keras.optimizers.Adam(rate), ELBO(beta=beta))
    return vae


def fit(vae: tfvae.VAE, *callbacks, epochs: int = 4) -> dict[str, list[float]]:
    return vae.fit(
        X,
        validation_data=HELD,
        batch_size=16,
        epochs=epochs,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    ).history


def test_early_stopping_at_the_highest_elbo() -> None:
    vae = model(rate=0.5)
    stop = keras.callbacks.EarlyStopping(
        "val_elbo", mode="max", patience=2, restore_best_weights=True
    )
    values = fit(vae, stop, epochs=60)["val_elbo"]
    best = int(np.argmax(values))
    assert best == stop.best_epoch
    assert len(values) == best + 3 < 60
    logs = vae.evaluate(HELD, batch_size=16, return_dict=True, verbose=0)
    assert logs["elbo"] == pytest.approx(values[best], rel=1e-6)


def test_the_direction_of_the_elbo_is_never_guessed() -> None:
    with pytest.raises(ValueError, match="Pass `mode='max'`"):
        fit(model(), keras.callbacks.EarlyStopping("val_elbo"))
    # A loss is minimised.
    fit(model(), keras.callbacks.EarlyStopping("val_loss"), epochs=1)


def test_the_best_checkpoint(tmp_path) -> None:
    vae = model(rate=0.5)
    path = tmp_path / "best.keras"
    keep = keras.callbacks.ModelCheckpoint(
        path, "val_elbo", mode="max", save_best_only=True
    )
    values = fit(vae, keep, epochs=12)["val_elbo"]
    again = keras.models.load_model(path)
    logs = again.evaluate(HELD, batch_size=16, return_dict=True, verbose=0)
    assert logs["elbo"] == pytest.approx(max(values), rel=1e-6)
    assert max(values) > min(values) + 0.1


class Crash(keras.callbacks.Callback):
    """Ends the run with an error in the epoch of this index."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_run_resumes_where_it_crashed(tmp_path) -> None:
    whole, first, second = model(), model(), model()
    history = fit(whole)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        fit(first, backup, Crash(2))
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    resumed = fit(second, backup)
    assert len(resumed["loss"]) == 2
    for name, values in resumed.items():
        assert values == history[name][2:]
    assert_same_weights(second, whole)
    assert int(second.optimizer.iterations) == int(whole.optimizer.iterations) == 12


def test_the_rate_may_follow_the_logs(tmp_path) -> None:
    vae = model(rate=0.5)
    path = tmp_path / "log.csv"
    fit(
        vae,
        keras.callbacks.ReduceLROnPlateau("val_elbo", mode="max", patience=1),
        keras.callbacks.CSVLogger(path),
        keras.callbacks.TerminateOnNaN(),
        epochs=8,
    )
    assert float(vae.optimizer.learning_rate) < 0.5
    header = path.read_text().splitlines()[0].split(",")
    assert {"elbo", "kl", "loss", "reconstruction", "val_elbo"} <= set(header)
