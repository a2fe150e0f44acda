"""Schedules: their values, files, graphs and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.schedules import Affine, Cyclical, Linear

SCHEDULES = {
    Affine: {
        "schedule": keras.optimizers.schedules.PolynomialDecay(4.0, 8, 2.0),
        "factor": -0.5,
        "constant": 3.0,
    },
    Linear: {"num_steps": 8, "start": 0.5, "stop": 2.5},
    Cyclical: {
        "period": 10,
        "num_cycles": 2,
        "rise": 0.4,
        "start": 0.5,
        "stop": 2.5,
    },
}


def test_every_schedule_is_listed_here() -> None:
    assert {cls.__name__ for cls in SCHEDULES} == set(tfvae.schedules.__all__)


def test_values() -> None:
    steps = np.arange(35)
    line = np.interp(steps, [0, 8], [0.5, 2.5])
    within = steps % 10
    cycles = np.where(steps < 20, np.interp(within, [0, 4], [0.5, 2.5]), 2.5)
    affine = 3 - 0.5 * np.interp(steps, [0, 8], [4.0, 2.0])
    for cls, expected in ((Linear, line), (Cyclical, cycles), (Affine, affine)):
        schedule = cls(**SCHEDULES[cls])
        np.testing.assert_allclose([schedule(t) for t in steps], expected, rtol=1e-6)
        compiled = tf.function(schedule, jit_compile=True, autograph=False)
        found = [compiled(tf.constant(t, tf.int64)) for t in (0, 3, 9, 12, 30)]
        np.testing.assert_allclose(found, expected[[0, 3, 9, 12, 30]], rtol=1e-6)


@pytest.mark.parametrize("cls", SCHEDULES)
def test_round_trip(cls) -> None:
    schedule = cls(**SCHEDULES[cls])
    data = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(data, safe_mode=True)
    assert type(again) is cls
    assert again.get_config() == schedule.get_config()
    for name, value in SCHEDULES[cls].items():
        if name == "schedule":
            assert again.schedule.get_config() == value.get_config()
        else:
            assert getattr(again, name) == value


def test_a_schedule_is_a_learning_rate_too() -> None:
    optimizer = keras.optimizers.SGD(Linear(4, 0.0, 1.0))
    weight = keras.Variable([1.0])
    for expected in (1.0, 0.75, 0.25):
        optimizer.apply([tf.constant([1.0])], [weight])
        assert float(weight[0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (Affine, {"schedule": 0.5}, "`schedule` must be a keras.optimizers.schedules"),
        (Linear, {"num_steps": 0}, "`num_steps` must be a positive integer"),
        (Linear, {"num_steps": 3, "stop": float("inf")}, "`stop` must be a finite"),
        (Cyclical, {"period": 0}, "`period` must be a positive integer"),
        (Cyclical, {"period": 3, "num_cycles": 0}, "`num_cycles` must be a positive"),
        (Cyclical, {"period": 3, "rise": 1.5}, "`rise` must be at most 1"),
        (Cyclical, {"period": 3, "rise": 0.0}, "`rise` must be a finite number"),
    ],
)
def test_errors(cls, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**arguments)
