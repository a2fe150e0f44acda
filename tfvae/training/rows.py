"""Arrays whose rows are taken batch by batch, in a new order each epoch."""

import collections
import math
import weakref
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfvae._chunks import in_chunks
from tfvae._xla import has_gpu

__all__ = ["Rows"]

_ALIGNMENT = 64
"""Bytes that the buffer of a tensor begins at a multiple of."""

_MOST_ON_DEVICE = 2**30
"""Bytes of arrays that are kept in the memory of a GPU."""


class Rows:
    """Arrays with N rows each, as the batches of epochs.

    Batch i of an epoch has the rows order[i B : (i + 1) B]; the last may be smaller.

    Args:
        arrays: Arrays [N, ...], which are copied once. Floats take Keras's `floatx`.
        batch_size: Number of rows B in a batch.
        shuffle: True for a random order of rows, False for the order of the arrays, or
            "batch" for a random order within each batch of that order.
        seed: Called at the start of each epoch for what its order is made from, a
            sequence of ints.
    """

    def __init__(
        self,
        arrays: tuple[np.ndarray | tf.Tensor, ...],
        batch_size: int,
        shuffle: bool | str = False,
        seed: Callable[[], tuple[int, ...]] = tuple,
    ) -> None:
        self.arrays = tuple(_resident(array) for array in arrays)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._seed = seed
        self.order: tf.Tensor | None = None
        self._started: list[tuple[int, ...]] = []

    @property
    def size(self) -> int:
        """The number of rows N."""
        return int(self.arrays[0].shape[0])

    @property
    def full_batches(self) -> int:
        """The number of batches that have B rows."""
        return self.size // self.batch_size

    @property
    def batches(self) -> int:
        """The number of batches of an epoch."""
        return math.ceil(self.size / self.batch_size)

    def start(self) -> None:
        """Puts the rows into the order of the next epoch."""
        if self.shuffle:
            self.order = tf.constant(self._next_order())

    def _next_order(self) -> np.ndarray:
        seed = self._seed()
        # A step of one's own need not count in the number that the seed is made of.
        repeated = len(self._started) if seed in self._started else 0
        self._started = [*self._started, seed] if repeated else [seed]
        return self._permuted(np.random.default_rng((*seed, repeated)))

    def as_numbers(self) -> tf.data.Dataset:
        """Returns the numbers of the batches, for who takes the rows from here."""
        return tf.data.Dataset.range(self.batches).with_options(_options())

    def as_batches(self) -> tf.data.Dataset:
        """Returns the batches themselves, in the order that `start` has made."""
        reference = weakref.ref(self)

        def current() -> np.ndarray:
            # TensorFlow keeps this function for ever: it must not keep the arrays.
            rows = reference()
            assert rows is not None
            # Keras may look at a batch before the first epoch begins.
            return np.arange(rows.size) if rows.order is None else rows.order.numpy()

        def order(_: tf.Tensor) -> tf.data.Dataset:
            found = tf.numpy_function(current, [], tf.int64)
            found = tf.ensure_shape(found, [self.size])
            return tf.data.Dataset.from_tensor_slices(found)

        def take(rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tuple(tf.gather(array, rows) for array in self.arrays)

        rows = tf.data.Dataset.range(self.size)
        if self.shuffle:
            rows = tf.data.Dataset.range(1).flat_map(order)
        batches = rows.batch(self.batch_size).map(take)
        counted = batches.apply(tf.data.experimental.assert_cardinality(self.batches))
        return counted.with_options(_options()).prefetch(2)

    def _permuted(self, random: np.random.Generator) -> np.ndarray:
        if self.shuffle != "batch":
            return random.permutation(self.size)
        starts = range(0, self.size, self.batch_size)
        rows = np.arange(self.size)
        parts = (rows[start : start + self.batch_size] for start in starts)
        return np.concatenate([random.permutation(part) for part in parts])

    def last(self) -> tuple[tf.Tensor, ...]:
        """Returns the rows behind the last full batch."""
        start = self.full_batches * self.batch_size
        if self.order is None:
            return tuple(array[start:] for array in self.arrays)
        return tuple(tf.gather(array, self.order[start:]) for array in self.arrays)


def _options() -> tf.data.Options:
    options = tf.data.Options()
    # Its threads hold the end of an epoch up, for seconds at worst.
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return options


def _resident(array: np.ndarray | tf.Tensor) -> tf.Tensor:
    """A tensor with a copy of an array, on the device if it has room.

    TensorFlow's own conversion holds two copies for a while.
    """
    dtype = tf.as_dtype(array.dtype)
    if dtype.is_floating:
        dtype = tf.as_dtype(keras.backend.floatx())
    if isinstance(array, tf.Tensor):
        return tf.cast(array, dtype)
    if has_gpu():
        device = "CPU" if array.nbytes > _MOST_ON_DEVICE else "GPU"
        with tf.device(device):
            return tf.constant(array, dtype)
    if dtype == tf.bfloat16:
        return tf.constant(array, dtype)
    size = array.size * dtype.size
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    copy = buffer[start : start + size].view(dtype.as_numpy_dtype).reshape(array.shape)

    def fill(rows: slice) -> None:
        copy[rows] = array[rows]

    collections.deque(in_chunks(fill, array), maxlen=0)
    return tf.experimental.dlpack.from_dlpack(copy.__dlpack__())
