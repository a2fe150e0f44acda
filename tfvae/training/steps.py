"""Several steps of a model in one call of a compiled function."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from tfvae.training.choices import Choice
from tfvae.training.rows import Rows

__all__ = ["Steps"]

Batch = Any
Logs = Any

_BYTES = 2**25
"""Bytes of batches from an iterator that are put together for a call."""

_REFUSALS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
"""What TensorFlow raises where XLA cannot compile an operation."""


@dataclasses.dataclass
class _Reading:
    """Where batches are taken from, and where in an epoch that is."""

    rows: Rows | None
    number: int
    choice: Choice
    tell: Callable[[str], None] | None
    limit: int | None = None
    epoch: Iterator[Batch] | None = None
    taken: int = 0
    done: int = 0
    batch_size: int = 0


class Steps:
    """What Keras calls with the iterator of an epoch, to take some steps.

    The loop over the steps is part of the compiled function: under XLA the steps are
    one program, and between two of them nothing returns to Python. Batches are taken
    from an iterator, or from `Rows`, where the iterator only tells the epochs apart.
    A batch that is smaller than the others, such as the last of an epoch, is a step of
    its own, without XLA, which would compile the step again for it.

    Args:
        step: A function of a batch that returns the logs, such as
            `keras.Model.train_step`.
    """

    def __init__(self, step: Callable[[Batch], Logs]) -> None:
        self._own = step
        self._loops: dict[tuple[Any, ...], tuple[Callable[..., Logs], str]] = {}
        self.forget()
        self._reading = _Reading(None, 1, Choice(False, False, False), None)

    @contextlib.contextmanager
    def reading(
        self,
        rows: Rows | None,
        number: int,
        choice: Choice,
        tell: Callable[[str], None] | None = None,
        limit: int | None = None,
    ) -> Iterator[None]:
        """Takes steps as told while the context lasts.

        Args:
            rows: The `Rows` that batches are taken from, or None for the iterator.
            number: The number of steps in a call.
            choice: Whether XLA compiles them.
            tell: Called with what was chosen, in words. Default: not at all.
            limit: The number of steps in an epoch, where it was asked for.
                Default: those that there are.
        """
        before = self._reading
        self._reading = _Reading(rows, number, choice, tell, limit)
        try:
            yield
        finally:
            self._reading = before

    def forget(self) -> None:
        """Traces the step again when it is next taken."""
        self._step = tf.function(self._own, autograph=False, reduce_retracing=True)
        self._loops.clear()

    def __call__(self, iterator: Iterator[Batch]) -> Logs:
        """Takes some steps and returns the logs of the last one.

        Raises:
            StopIteration: If no batch is left.
        """
        reading = self._reading
        # A single batch that a callback trains on comes as a generator of its own.
        if not isinstance(iterator, tf.data.Iterator):
            return self._step(next(iterator))
        number = reading.number
        if iterator is not reading.epoch:
            reading.epoch, reading.taken, reading.done = iterator, 0, 0
            if reading.rows is not None:
                reading.rows.start()
        if reading.limit is not None:
            # An epoch may end in the middle of what an iterator has.
            number = min(number, reading.limit - reading.done)
            reading.done = (reading.done + number) % reading.limit
        if reading.rows is not None:
            return self._through_rows(reading, reading.rows, number)
        return self._through_batches(reading, itertools.islice(iterator, number))

    def _through_rows(self, reading: _Reading, rows: Rows, number: int) -> Logs:
        first = reading.taken
        stop = min(first + number, rows.batches)
        if first >= stop:
            raise StopIteration
        reading.taken = stop
        logs, full = None, min(stop, rows.full_batches)
        if first < full:
            logs = self._run(rows.arrays, rows.order, rows.batch_size, first, full)
        return self._step(rows.last()) if full < stop else logs

    def _through_batches(self, reading: _Reading, batches: Iterable[Batch]) -> Logs:
        logs = None
        for size, full, group in _groups(batches, reading.number):
            reading.batch_size = max(reading.batch_size, size)
            if size == 0 or size < reading.batch_size:
                for batch in group:
                    logs = self._step(batch)
                continue
            # Where an epoch ends, the loop has the shape of a full group.
            missing = [group[0]] * (full - len(group))
            arrays = tf.nest.map_structure(
                lambda *parts: tf.concat(parts, 0), *group, *missing
            )
            logs = self._run(arrays, None, size, 0, len(group))
        if logs is None:
            raise StopIteration
        return logs

    def _run(
        self, arrays: Batch, order: tf.Tensor | None, size: int, first: int, stop: int
    ) -> Logs:
        """Takes the steps of the batches [first, stop) of arrays."""
        reading = self._reading
        specs = tf.nest.map_structure(
            lambda a: tf.TensorSpec((size, *a.shape[1:]), a.dtype), arrays
        )
        key = (*tf.nest.flatten(specs), order is None, reading.choice)
        arguments = (arrays, order, tf.constant(first), tf.constant(stop))
        if key in self._loops:
            loop, words = self._loops[key]
            logs = loop(*arguments)
        else:
            loop, words, logs = self._first(specs, size, arguments)
            self._loops[key] = loop, words
        if reading.tell is not None:
            reading.tell(words)
            reading.tell = None
        return logs

    def _first(
        self, specs: Batch, size: int, arguments: tuple[Any, ...]
    ) -> tuple[Callable[..., Logs], str, Logs]:
        """Makes the function that takes the steps, and takes those of a first call.

        A step that XLA compiles is traced for XLA and with the size of its batches:
        otherwise its graph has branches and shapes that XLA may not take.
        """
        choice = self._reading.choice
        step = self._traced(specs, choice.may_compile)
        compiled, words = choice.of(step.graph)
        has_known_logs = _has_known_logs(step)
        if compiled and has_known_logs:
            loop = _in_a_loop(step, size, compiled)
            try:
                return loop, words, loop(*arguments)
            except _REFUSALS:
                # XLA refuses before anything has run.
                if not choice.is_free:
                    raise
            words = "a plain graph, for XLA cannot compile this step"
        if choice.may_compile:
            step = self._traced(specs, compiled=False)
        if has_known_logs:
            loop = _in_a_loop(step, size, compiled=False)
        else:
            loop = _one_by_one(step, size)
            words = "graphs, for the shape of a log is not known"
        return loop, words, loop(*arguments)

    def _traced(self, specs: Batch, compiled: bool) -> Any:
        if compiled:
            step = tf.function(self._own, autograph=False, jit_compile=True)
            return step.get_concrete_function(specs)
        # One trace for batches of all sizes, those that are single steps too.
        open_specs = tf.nest.map_structure(
            lambda spec: tf.TensorSpec((None, *spec.shape[1:]), spec.dtype), specs
        )
        return self._step.get_concrete_function(open_specs)


def _one_by_one(step: Any, size: int) -> Callable[..., Logs]:
    """A function that calls a traced step on the batches [first, stop) of arrays."""

    def steps(
        arrays: Batch, order: tf.Tensor | None, first: tf.Tensor, stop: tf.Tensor
    ) -> Logs:
        for i in range(int(first), int(stop)):
            rows = slice(i * size, (i + 1) * size)
            if order is not None:
                taken = [tf.gather(a, order[rows]) for a in tf.nest.flatten(arrays)]
            else:
                taken = [array[rows] for array in tf.nest.flatten(arrays)]
            logs = step(tf.nest.pack_sequence_as(arrays, taken))
        return logs

    return steps


def _in_a_loop(step: Any, size: int, compiled: bool) -> Callable[..., Logs]:
    """The same as one graph, which XLA compiles if it is told to."""

    @tf.function(autograph=False, jit_compile=compiled, reduce_retracing=True)
    def steps(
        arrays: Batch, order: tf.Tensor | None, first: tf.Tensor, stop: tf.Tensor
    ) -> Logs:
        def take(i: tf.Tensor, array: tf.Tensor) -> tf.Tensor:
            if order is not None:
                return tf.gather(array, tf.slice(order, [i * size], [size]))
            rest = array.shape[1:].as_list()
            return tf.slice(array, [i * size, *(0 for _ in rest)], [size, *rest])

        def advance(i: tf.Tensor, _: Logs) -> tuple[tf.Tensor, Logs]:
            batch = tf.nest.map_structure(lambda array: take(i, array), arrays)
            return i + 1, step(batch)

        nothing = tf.nest.map_structure(
            lambda spec: tf.zeros(spec.shape, spec.dtype), step.structured_outputs
        )
        return tf.while_loop(
            lambda i, _: i < stop, advance, (first, nothing), parallel_iterations=1
        )[1]

    return steps


def _has_known_logs(step: Any) -> bool:
    """Whether the loop can carry what a step returns."""
    return all(
        isinstance(log, tf.TensorSpec | tf.Tensor) and log.shape.is_fully_defined()
        for log in tf.nest.flatten(step.structured_outputs)
    )


def _groups(
    batches: Iterable[Batch], number: int
) -> Iterator[tuple[int, int, list[Batch]]]:
    """Batches in a row that have one size, the number that would be full, and they."""
    group: list[Batch] = []
    size = full = 0
    for batch in batches:
        if group and (len(group) == full or size != _batch_size(batch)):
            yield size, full, group
            group = []
        if not group:
            size = _batch_size(batch)
            full = max(1, min(number, _BYTES // _bytes(batch))) if size else 1
        group.append(batch)
    if group:
        yield size, full, group


def _batch_size(batch: Batch) -> int:
    """The number of examples of a batch of tensors; 0 for anything else."""
    parts = tf.nest.flatten(batch)
    if not all(isinstance(part, tf.Tensor) and part.shape.rank for part in parts):
        return 0
    sizes = {part.shape[0] for part in parts}
    return sizes.pop() if len(sizes) == 1 else 0


def _bytes(batch: Batch) -> int:
    parts = tf.nest.flatten(batch)
    return sum(part.dtype.size * part.shape.num_elements() for part in parts)
