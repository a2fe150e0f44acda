"""How Keras is made to take several steps at once, in `fit` and in `evaluate`."""

import contextlib
import functools
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfvae._data import Source
from tfvae.training.choices import Choice, pays, steps_at_once, watches_batches
from tfvae.training.rows import Rows
from tfvae.training.steps import Steps

__all__ = ["evaluating", "fitting", "forget", "predicting"]

Arguments = dict[str, Any]
Options = Mapping[str, Any]


@contextlib.contextmanager
def fitting(
    model: keras.Model,
    options: Options,
    source: Source,
    held: Source | None,
    arguments: Arguments,
) -> Iterator[Arguments]:
    """Gives the arguments of `keras.Model.fit`, to be called inside the context.

    Args:
        model: The model, whose own `train_step` and `test_step` are taken.
        options: What `compile` was given as `steps_per_execution` and `jit_compile`.
        source: Data to train on.
        held: Data to validate on, or None.
        arguments: The other arguments of `fit`.
    """
    given = {"steps_per_epoch": None, "validation_steps": None, **arguments}
    batch_size, seed = given.pop("batch_size"), random.randrange(2**31)
    train = _feed(
        source,
        batch_size,
        given["steps_per_epoch"],
        given["shuffle"],
        # A run that goes on where another one stopped has the order of that one.
        lambda: (seed, int(tf.convert_to_tensor(model.optimizer.iterations))),
    )
    batch_size, test = given.pop("validation_batch_size", None) or batch_size, None
    if held is not None:
        test = _feed(held, batch_size, given["validation_steps"])
    ours = _takes_steps(model, source, held)
    number = _number(options, train, given["callbacks"]) if ours else None
    tell = _teller(number) if given["verbose"] else None
    given["x"] = train.data(number)
    if train.rows is not None:
        given["shuffle"] = False
        if number is None:
            given["callbacks"] = _with(given["callbacks"], train.rows)
    if test is not None:
        given["validation_data"] = test.data(number)
    taking = functools.partial(
        _taking, model, options, number=number, epochs=given["epochs"]
    )
    with taking("train", train, tell=tell), taking("test", test):
        yield given


@contextlib.contextmanager
def evaluating(
    model: keras.Model, options: Options, source: Source, arguments: Arguments
) -> Iterator[Arguments]:
    """Gives the arguments of `keras.Model.evaluate`, as `fitting` does."""
    given = dict(arguments)
    test = _feed(source, given.pop("batch_size"), given["steps"])
    ours = _takes_steps(model, source, None)
    number = _number(options, test, given["callbacks"]) if ours else None
    given["x"] = test.data(number)
    with _taking(model, options, "test", test, number=number):
        yield given


@contextlib.contextmanager
def predicting(model: keras.Model, options: Options) -> Iterator[None]:
    """Lets Keras predict batch by batch, in the middle of `fit` too.

    Its function of several batches is made once, for one number of them.
    """
    before = model.steps_per_execution
    if options.get("steps_per_execution") == "auto":
        model.steps_per_execution = 1
    try:
        yield
    finally:
        model.steps_per_execution = before


def _takes_steps(model: keras.Model, *sources: Source | None) -> bool:
    """Whether `Steps` can take the steps of a model.

    Keras itself takes those of several replicas, those without graphs, those on what
    another library loads, and those of a model that makes functions of its own.
    """
    return (
        model.compiled
        and not model.run_eagerly
        and not tf.config.functions_run_eagerly()
        and not tf.distribute.has_strategy()
        and model.distribute_strategy is tf.distribute.get_strategy()
        and all(
            getattr(type(model), name) is getattr(keras.Model, name)
            for name in ("make_train_function", "make_test_function")
        )
        and not any(source.is_loader for source in sources if source is not None)
    )


class _Feed(NamedTuple):
    """Data in batches, which are taken from `rows` if there are any.

    An epoch has so many batches and examples, None if that is not known, and `limit`
    is the number of batches that was asked for.
    """

    x: Any
    rows: Rows | None
    batches: int | None
    examples: int | None
    limit: int | None

    def data(self, number: int | None) -> Any:
        """What Keras is given where `Steps` take this number of them, or none."""
        if self.rows is not None:
            return self.rows.as_batches() if number is None else self.rows.as_numbers()
        if number is None or not isinstance(self.x, tf.data.Dataset):
            return self.x
        # The batches of the next call are made during this one.
        return self.x.prefetch(tf.data.AUTOTUNE)


def _feed(
    source: Source,
    batch_size: int | None,
    steps: int | None,
    shuffle: bool | str = False,
    seed: Callable[[], tuple[int, ...]] = tuple,
) -> _Feed:
    """The data of epochs of `steps` batches, None for all."""
    if source.arrays:
        size = len(source.arrays[0])
        batch_size = batch_size or (math.ceil(size / steps) if steps else 32)
        batch_size = min(batch_size, size)
        rows = Rows(source.arrays, batch_size, shuffle, seed)
        taken = steps or rows.batches
        return _Feed(None, rows, taken, min(size, taken * batch_size), steps)
    batches = steps
    if steps is None and isinstance(source.x, tf.data.Dataset):
        cardinality = int(source.x.cardinality())
        batches = cardinality if cardinality >= 0 else None
    return _Feed(source.x, None, batches, source.size, steps)


@contextlib.contextmanager
def _taking(
    model: keras.Model,
    options: Options,
    kind: str,
    feed: _Feed | None,
    *,
    number: int | None,
    epochs: int = 1,
    tell: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Has the steps of a kind, "train" or "test", taken by `Steps`, or by Keras."""
    steps = getattr(model, f"{kind}_function")
    if number is None or feed is None:
        if isinstance(steps, Steps):
            setattr(model, f"{kind}_function", None)
        yield
        return
    if not isinstance(steps, Steps):
        steps = Steps(getattr(model, f"{kind}_step"))
        setattr(model, f"{kind}_function", steps)
    total, examples = (
        None if count is None else count * epochs
        for count in (feed.batches, feed.examples)
    )
    choice = Choice(
        "auto" if options["jit_compile"] == "auto" else model.jit_compile,
        supported=_supports_xla(model),
        pays=pays(total, examples, model.count_params()),
    )
    before = model.steps_per_execution
    model.steps_per_execution = number
    try:
        with steps.reading(feed.rows, number, choice, tell, feed.limit):
            yield
    finally:
        model.steps_per_execution = before


def _with(callbacks: Any, rows: Rows) -> Any:
    """The callbacks, and one that puts the rows into the order of each epoch."""
    start = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: rows.start())
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(start)
        return callbacks
    return [start, *keras.tree.flatten(callbacks or [])]


def forget(model: keras.Model) -> None:
    """Has the steps of a model traced again when they are next taken."""
    for name in ("train_function", "test_function"):
        if isinstance(steps := getattr(model, name), Steps):
            steps.forget()
        else:
            setattr(model, name, None)


def _number(options: Options, feed: _Feed, callbacks: Any) -> int:
    if options["steps_per_execution"] != "auto":
        return int(options["steps_per_execution"])
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    if watches_batches(keras.tree.flatten(callbacks or [])):
        return 1
    return steps_at_once(feed.batches)


def _supports_xla(model: keras.Model) -> bool:
    """Whether no layer forbids XLA, which Keras tells who asks for it."""
    before = model.jit_compile
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.jit_compile = True
    supported, model.jit_compile = bool(model.jit_compile), before
    return supported


def _teller(number: int | None) -> Callable[[str], None]:
    steps = "One step" if number == 1 else f"{number} steps"
    return lambda words: print(f"{steps} per execution in {words}.")
