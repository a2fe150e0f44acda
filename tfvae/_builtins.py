"""What is computed otherwise in graphs for LiteRT, which has builtins of its own alone.

LiteRT has no builtin for `log1p`, `expm1` and `softplus`: its converter turns the first
into `log(1 + x)` and the second into `exp(x) - 1`, which lose the digits of a small x
(5 % of it at 1e-6), and the third into `log(1 + exp(x))`, which is infinite above 88.
Inside `builtins_only` other forms are used, for float32; elsewhere TensorFlow's own.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

__all__ = [
    "builtins_only",
    "distinct",
    "expm1",
    "log1p",
    "softplus",
    "traces_builtins_only",
]

_builtins_only = contextvars.ContextVar("builtins_only", default=False)

_TERMS = 7
"""Of the series of the inverse hyperbolic tangent, for |x| < 1/2."""


@contextlib.contextmanager
def builtins_only() -> Iterator[None]:
    """Graphs traced inside use LiteRT's builtin operations, at some cost in digits."""
    token = _builtins_only.set(True)
    try:
        yield
    finally:
        _builtins_only.reset(token)


def traces_builtins_only() -> bool:
    """Returns whether this runs inside `builtins_only`."""
    return _builtins_only.get()


def distinct(x: tf.Tensor) -> tf.Tensor:
    """Returns x as a tensor of its own, under which no other output goes.

    Some of LiteRT's runtimes know one name for each tensor, and the mean of a normal
    distribution, say, is also its parameter `loc`.
    """
    if not traces_builtins_only():
        return x
    return tf.maximum(x, x.dtype.as_numpy_dtype("-inf"))


def log1p(x: tf.Tensor) -> tf.Tensor:
    """Returns log(1 + x), which is 2 artanh(x / (2 + x))."""
    if not traces_builtins_only():
        return tf.math.log1p(x)
    ratio = x / (2 + x)
    square = tf.square(ratio)
    # From a number: a tensor of zeros would be written into a file, as large as x.
    series = 1 / (2 * _TERMS - 1)
    for k in reversed(range(_TERMS - 1)):
        series = 1 / (2 * k + 1) + square * series
    return tf.where(tf.abs(x) < 0.5, 2 * ratio * series, tf.math.log(1 + x))


def expm1(x: tf.Tensor) -> tf.Tensor:
    """Returns exp(x) - 1, which is 2 t / (1 - t) with t = tanh(x / 2)."""
    if not traces_builtins_only():
        return tf.math.expm1(x)
    half = tf.math.tanh(tf.clip_by_value(x, -1, 1) / 2)
    return tf.where(tf.abs(x) < 1, 2 * half / (1 - half), tf.exp(x) - 1)


def softplus(x: tf.Tensor) -> tf.Tensor:
    """Returns log(1 + e^x)."""
    if not traces_builtins_only():
        return tf.math.softplus(x)
    return tf.nn.relu(x) + log1p(tf.exp(-tf.abs(x)))
