"""Whichever way steps are taken, they are the same steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.small import small_vae
from support.training import assert_same_weights, binary

import tfvae
from tfvae import objectives
from tfvae.training import Steps

X = binary(70)
EVERY_WAY = {
    "eager": {"run_eagerly": True},
    "graph": {"jit_compile": False},
    "one step in a graph": {"jit_compile": False, "steps_per_execution": 1},
    "xla": {"jit_compile": True},
    "one step in xla": {"jit_compile": True, "steps_per_execution": 1},
    "three steps in xla": {"jit_compile": True, "steps_per_execution": 3},
    "more steps than there are": {"jit_compile": True, "steps_per_execution": 99},
}
RUNS = {
    "elbo": {},
    "a schedule": {
        "optimizer": lambda: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(0.01, 20)
        )
    },
    "annealed": {"objective": lambda: objectives.ELBO(beta=tfvae.schedules.Linear(10))},
    "two gradients": {
        "objective": lambda: objectives.ImportanceWeighted(4, gradient="dreg")
    },
    "a state": {
        "objective": lambda: objectives.Reconstruction(
            penalties=[objectives.GECO(target=-3.0)]
        )
    },
    "averages": {"optimizer": lambda: keras.optimizers.Adam(0.01, use_ema=True)},
    "accumulated": {
        "optimizer": lambda: keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    },
    "weights": {"sample_weight": np.random.default_rng(0).random(70)},
    "a split": {"validation_split": 0.3},
    "steps": {"steps_per_epoch": 2, "epochs": 2},
    "in order": {"shuffle": False},
    "order in batches": {"shuffle": "batch"},
}


def trained(
    way: dict, optimizer=None, objective=None, x=X, epochs: int = 3, **arguments
) -> tuple[tfvae.VAE, dict[str, list[float]]]:
    keras.utils.set_random_seed(3)
    vae = small_vae(seed=5)
    optimizer = keras.optimizers.SGD(0.01) if optimizer is None else optimizer()
    vae.compile(optimizer, objective() if objective else None, **way)
    arguments = {"batch_size": 16, "verbose": 0} | arguments
    if "validation_split" not in arguments:
        arguments["validation_data"] = binary(21, seed=1)
    history = vae.fit(x, epochs=epochs, **arguments).history
    return vae, history


@pytest.mark.parametrize("run", RUNS)
def test_ways_agree_but_for_rounding(run) -> None:
    expected, logs = trained(EVERY_WAY["eager"], **RUNS[run])
    for way in EVERY_WAY if run == "elbo" else ("xla",):
        vae, found = trained(EVERY_WAY[way], **RUNS[run])
        assert found.keys() == logs.keys()
        for name, values in found.items():
            np.testing.assert_allclose(values, logs[name], rtol=1e-5, err_msg=way)
        assert_same_weights(vae, expected, rtol=1e-4, atol=1e-5)
        assert int(vae.optimizer.iterations) == int(expected.optimizer.iterations)


def batches(sizes) -> list[np.ndarray]:
    return np.split(X, np.cumsum(sizes)[:-1])


class Sequence(keras.utils.PyDataset):
    """Batches of these sizes."""

    def __init__(self, sizes) -> None:
        super().__init__()
        self.parts = batches(sizes)

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.parts[index]


def generated(sizes):
    spec = tf.TensorSpec((None, 6), tf.float32)
    return tf.data.Dataset.from_generator(
        lambda: iter(batches(sizes)), None, output_signature=spec
    )


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize(
    ("source", "way"),
    [
        (lambda: tf.data.Dataset.from_tensor_slices(X).batch(16), "xla"),
        (lambda: tf.data.Dataset.from_tensor_slices(X).batch(70), "xla"),
        (lambda: generated((16, 6, 16, 16, 16)), "three steps in xla"),
        (lambda: generated((16, 16, 16, 16, 6)), "graph"),
        (lambda: Sequence((1, 2, 30, 7, 30)), "graph"),
        (lambda: Sequence((16, 16, 6, 16, 16)), "xla"),
    ],
    ids=["dataset", "one batch", "generated", "last", "many sizes", "sequence"],
)
def test_batches_of_any_size_are_taken(source, way) -> None:
    def run(way):
        keras.utils.set_random_seed(3)
        vae = small_vae(seed=5)
        vae.compile(keras.optimizers.SGD(0.01), **way)
        logs = vae.fit(source(), shuffle=False, epochs=2, verbose=0).history
        return vae, logs

    expected, logs = run({"run_eagerly": True})
    vae, found = run(EVERY_WAY[way])
    for name, values in found.items():
        np.testing.assert_allclose(values, logs[name], rtol=1e-5)
    assert_same_weights(vae, expected, rtol=1e-4, atol=1e-5)


def test_batches_are_put_together_up_to_a_size(monkeypatch) -> None:
    monkeypatch.setattr("tfvae.training.steps._BYTES", 2 * 16 * 6 * 4 + 1)
    taken = []
    run = Steps._run

    def watched(self, arrays, order, size, first, stop):
        taken.append((arrays[0].shape[0], stop))
        return run(self, arrays, order, size, first, stop)

    monkeypatch.setattr(Steps, "_run", watched)
    data = tf.data.Dataset.from_tensor_slices(X).batch(16)
    keras.utils.set_random_seed(3)
    vae = small_vae(seed=5)
    vae.compile(keras.optimizers.SGD(0.01))
    vae.fit(data, epochs=2, verbose=0)
    assert taken == 2 * [(32, 2), (32, 2)]
    vae.fit(data.take(3), verbose=0)
    assert taken[4:] == [(32, 2), (32, 1)]
    assert int(vae.optimizer.iterations) == 13
    monkeypatch.setattr("tfvae.training.steps._BYTES", 1)
    vae.fit(data, verbose=0)
    assert taken[6:] == 4 * [(16, 1)]


class Counting(tfvae.VAE):
    """Its own step counts what it sees and says so in its logs."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.seen = self.add_weight(shape=(6,), trainable=False, initializer="zeros")

    def train_step(self, data):
        (x,) = data
        self.seen.assign_add(tf.reduce_sum(x, axis=0))
        return super().train_step(data) | {"steps": self.optimizer.iterations}


def counting() -> Counting:
    vae = small_vae()
    return Counting(vae.encoder, vae.decoder, seed=0)


@pytest.mark.parametrize("way", ["graph", "xla", "three steps in xla"])
def test_a_step_of_ones_own_is_taken(way) -> None:
    vae = counting()
    vae.compile("adam", **EVERY_WAY[way])
    logs = vae.fit(X, batch_size=16, epochs=3, verbose=0).history
    assert isinstance(vae.train_function, Steps)
    np.testing.assert_allclose(vae.seen, 3 * X.sum(axis=0))
    assert logs["steps"] == [5, 10, 15]


class Watching(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.batches.append((batch, int(self.model.optimizer.iterations)))


def test_a_callback_for_batches_is_called_for_each() -> None:
    vae, callback = small_vae(), Watching()
    vae.compile("adam")
    vae.fit(X, batch_size=16, epochs=2, verbose=0, callbacks=[callback])
    assert callback.batches == [(i % 5, i + 1) for i in range(10)]
    # One who has chosen a number of steps gets it.
    vae, callback = small_vae(), Watching()
    vae.compile("adam", steps_per_execution=3)
    vae.fit(X, batch_size=16, epochs=1, verbose=0, callbacks=[callback])
    assert callback.batches == [(2, 3), (5, 5)]
    assert vae.steps_per_execution == 3


def test_callbacks_for_epochs_do_not_slow_it_down(tmp_path, capsys) -> None:
    vae = small_vae()
    vae.compile("adam")
    callbacks = [
        keras.callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.weights.h5", save_weights_only=True
        ),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.EarlyStopping("loss", patience=9),
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    ]
    vae.fit(X, batch_size=16, epochs=2, verbose=2, callbacks=callbacks)
    assert "5 steps per execution in a plain graph" in capsys.readouterr().out
    assert len([*tmp_path.glob("*.weights.h5")]) == 2
    lambdas = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: None)
    vae.fit(X, batch_size=16, verbose=2, callbacks=[lambdas])
    assert "One step per execution" in capsys.readouterr().out


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path) -> None:
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def run(*callbacks) -> tfvae.VAE:
        keras.utils.set_random_seed(3)
        vae = small_vae(seed=5)
        vae.compile("adam")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        vae.fit(X, batch_size=16, epochs=4, verbose=0, callbacks=[backup, *callbacks])
        return vae

    with pytest.raises(KeyboardInterrupt):
        run(Stop())
    resumed = run()
    keras.utils.set_random_seed(3)
    whole = small_vae(seed=5)
    whole.compile("adam")
    whole.fit(X, batch_size=16, epochs=4, verbose=0)
    assert_same_weights(resumed, whole)


def test_training_can_be_stopped_and_measured_in_between() -> None:
    held = binary(33, seed=2)

    pairs = []

    class Measure(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            found = self.model.evaluate(held, verbose=0, return_dict=True)
            pairs.append((found["elbo"], logs["val_elbo"]))
            self.model.stop_training = epoch == 1

    vae = small_vae()
    vae.compile("adam")
    data = {"validation_data": held, "validation_batch_size": 32}
    history = vae.fit(X, epochs=9, verbose=0, callbacks=[Measure()], **data)
    assert len(history.history["elbo"]) == 2
    for one, two in pairs:
        assert one == pytest.approx(two, rel=1e-6)


def test_single_batches_between_fits() -> None:
    def run(**way) -> tfvae.VAE:
        keras.utils.set_random_seed(3)
        vae = small_vae(seed=5)
        vae.compile("adam", **way)
        vae.train_on_batch(X[:7])
        vae.fit(X, verbose=0)
        vae.train_on_batch(X[:9], sample_weight=np.arange(9.0))
        vae.fit(X, verbose=0)
        vae.test_on_batch(X[:5])
        vae.predict(X[:5], verbose=0)
        return vae

    expected = run(run_eagerly=True)
    assert_same_weights(run(), expected, rtol=1e-4, atol=1e-5)
    assert_same_weights(run(jit_compile=True), expected, rtol=1e-4, atol=1e-5)


def test_callbacks_may_use_the_model_in_between() -> None:
    vae = small_vae(seed=5)
    vae.compile(keras.optimizers.SGD(0.0))
    rows, single = vae.predict(X, batch_size=8, verbose=0), binary(9, seed=4)
    logs = vae.test_on_batch(single, return_dict=True)
    found = []

    class Use(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            model = self.model
            found.append(model.predict(X, batch_size=8, verbose=0))
            found.append(model.test_on_batch(single, return_dict=True))
            model.train_on_batch(single)

    vae.fit(X, batch_size=16, epochs=3, verbose=0, validation_data=X, callbacks=[Use()])
    assert int(vae.optimizer.iterations) == 3 * (5 + 1)
    for predicted, measured in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_allclose(predicted, rows, rtol=1e-6)
        assert measured == pytest.approx(logs, rel=1e-5)


@pytest.mark.parametrize("way", ["graph", "xla"])
def test_no_more_steps_than_were_asked_for(way) -> None:
    endless = tf.data.Dataset.from_tensor_slices(X).batch(5).repeat()
    vae, seen = small_vae(), []
    vae.compile("adam", **EVERY_WAY[way])
    held = {"validation_data": endless, "validation_steps": 3}
    # The metrics are those of the validation by then.
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: seen.append(float(vae.metrics[0].count))
    )
    vae.fit(endless, steps_per_epoch=51, epochs=2, verbose=0, callbacks=[watch], **held)
    assert int(vae.optimizer.iterations) == 102
    assert seen == [15.0, 15.0]
    vae.fit(X, batch_size=1, steps_per_epoch=53, verbose=0, **held)
    assert int(vae.optimizer.iterations) == 102 + 53
    vae.evaluate(endless, steps=51, verbose=0)
    assert float(vae.metrics[0].count) == 255


def test_a_fit_inside_of_a_fit() -> None:
    class Fit(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            if len(epochs) < 2:
                epochs.append(epoch)
                self.model.fit(X[:33], batch_size=8, verbose=0)

    vae, epochs = small_vae(), []
    vae.compile("adam")
    vae.fit(X, batch_size=16, epochs=3, verbose=0, callbacks=[Fit()])
    assert int(vae.optimizer.iterations) == 3 * 5 + 2 * 5


class Counted(tfvae.VAE):
    """A step that the optimizer does not count, with a log whose shape varies."""

    def train_step(self, data):
        return {"rows": tf.reduce_sum(data[0], axis=1)}


def test_steps_that_count_nothing_see_another_order_each_epoch() -> None:
    plain, orders = small_vae(), []
    vae = Counted(plain.encoder, plain.decoder)
    vae.compile("adam")
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: orders.append(np.array(logs["rows"]))
    )
    vae.fit(X, batch_size=70, epochs=3, verbose=0, callbacks=[watch])
    assert [len(order) for order in orders] == [70] * 3
    assert (orders[0] != orders[1]).any()
    assert (orders[1] != orders[2]).any()


def test_a_function_of_ones_own_is_called() -> None:
    calls = []

    class Own(tfvae.VAE):
        def make_train_function(self, force=False):
            step = tf.function(self.train_step)

            def function(iterator):
                calls.append(1)
                return step(next(iterator))

            self.train_function = function

    plain = small_vae()
    vae = Own(plain.encoder, plain.decoder)
    vae.compile("adam")
    vae.fit(X, batch_size=16, epochs=2, verbose=0)
    assert len(calls) == int(vae.optimizer.iterations) == 10


def test_data_of_many_sizes_do_not_trace_again() -> None:
    vae = small_vae()
    vae.compile("adam")
    for size in range(30, 40):
        vae.evaluate(X[:size], batch_size=8, verbose=0)
    ((loop, _),) = vae.test_function._loops.values()
    assert loop.experimental_get_tracing_count() <= 2


def test_half_precision_scales_its_loss_in_the_loop() -> None:
    def run(**way) -> list[float]:
        keras.utils.set_random_seed(3)
        with keras.device("cpu:0"):
            keras.config.set_dtype_policy("mixed_float16")
            try:
                vae = small_vae(seed=5)
                vae.compile("adam", **way)
                logs = vae.fit(X, batch_size=16, epochs=3, verbose=0).history
            finally:
                keras.config.set_dtype_policy("float32")
        assert isinstance(vae.optimizer, keras.optimizers.LossScaleOptimizer)
        return logs["elbo"]

    expected = run(steps_per_execution=1, jit_compile=False)
    assert run(jit_compile=False) == pytest.approx(expected, rel=1e-3)
    assert run(jit_compile=True) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("way", ["eager", "graph"])
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_an_epoch_may_end_with_the_data(way) -> None:
    vae = small_vae()
    vae.compile("adam", **EVERY_WAY[way])
    data = tf.data.Dataset.from_tensor_slices(X).batch(16)
    vae.fit(data, steps_per_epoch=4, epochs=3, verbose=0)
    assert int(vae.optimizer.iterations) == 4 + 1 + 4
