"""What goes into a model is checked here, on the host, before anything is trained.

Keras takes its data as `x`, `y` and `sample_weight`. A VAE has no `y`, and Keras drops
the weights of data without one, so wherever there are weights a `y` of no columns takes
its place.
"""

import contextlib
import math
import re
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfvae import _checks
from tfvae._chunks import in_chunks
from tfvae.layers import DistributionLayer

__all__ = [
    "UNSHUFFLED",
    "Source",
    "check_array",
    "clear_errors",
    "prepare",
    "unpack_batch",
]

UNSHUFFLED = (tf.data.Dataset, types.GeneratorType)
"""Sources whose order is their own, for which Keras warns of `shuffle=True`."""

_LOADERS = ("grain", "torch")
"""Libraries whose loaders Keras reads."""

_ASSERTED = re.compile(r"assertion failed: \[tfvae: (.*?)\] \[(.*?)\]", re.DOTALL)
_RAISED = re.compile(r"ValueError: (`.*?)\n")
"""How TensorFlow reports an error of a checked dataset, and one of a generator."""

_WEIGHTS = "`sample_weight` must hold finite numbers of at least 0."


class Source(NamedTuple):
    """Checked data as the arguments of Keras, and its number of examples if known."""

    x: Any
    y: Any
    sample_weight: Any
    size: int | None

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays [N, ...] of a batch of all examples; () for other sources."""
        if not isinstance(self.x, np.ndarray | tf.Tensor):
            return ()
        if self.sample_weight is None:
            return (self.x,)
        return self.x, self.y, self.sample_weight

    @property
    def is_loader(self) -> bool:
        """Whether another library makes the batches."""
        return not self.arrays and _is_loader(self.x)

    def split(self, share: float) -> tuple["Source", "Source"]:
        """Returns the first examples and, by themselves, this share of the last."""
        if not self.arrays:
            raise ValueError(
                "`validation_split` is only for arrays. Received: "
                f"{type(self.x).__name__}. Use `validation_data`."
            )
        assert self.size is not None
        cut = math.floor(self.size * (1 - share))
        if not 0 < cut < self.size:
            raise ValueError(
                "`validation_split` must leave at least one example on both sides of "
                f"the {self.size} in `x`. Received: {share}."
            )

        def rows(side: slice, size: int) -> Source:
            x, y, weight = (a if a is None else a[side] for a in self[:3])
            return Source(x, y, weight, size)

        return rows(slice(cut), cut), rows(slice(cut, None), self.size - cut)


def prepare(
    layer: DistributionLayer,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    name: str = "x",
    support: bool = True,
) -> Source:
    """Checks any data source that Keras takes.

    Args:
        layer: The layer whose event shape and support the data must have.
        x: Arrays, tensors, a `tf.data.Dataset`, a `keras.utils.PyDataset` or a
            generator; the elements or the argument itself may be `x`, `(x,)` or
            `(x, None, sample_weight)`.
        y: Must be None.
        sample_weight: Weights [N] of arrays, or None.
        name: Name of the argument, for the errors.
        support: Whether values without a density are refused.

    Returns:
        The data as `keras.Model.fit` takes them.

    Raises:
        ValueError: With the first thing that is wrong.
    """
    if isinstance(x, tuple):
        x, y, sample_weight = _unpack(name, x, sample_weight)
    _refuse_targets(name, y)

    def check(element: Any) -> tuple[Any, ...]:
        value, _, weight = _unpack(name, element, None)
        value = check_array(layer, value, name=name, support=support)
        return _pack(value, _check_weights(weight, len(value)))

    if isinstance(x, tf.data.Dataset):
        _refuse_weights(x, sample_weight)
        checked = _checked_dataset(layer, x, name, support)
        return Source(checked, None, None, _size(x))
    if isinstance(x, keras.utils.PyDataset):
        _refuse_weights(x, sample_weight)
        return Source(_CheckedPyDataset(x, check), None, None, None)
    if isinstance(x, Iterator):
        _refuse_weights(x, sample_weight)
        return Source((check(element) for element in x), None, None, None)
    if not hasattr(x, "__array__") and _is_loader(x):
        _refuse_weights(x, sample_weight)
        return Source(x, None, None, None)
    x = check_array(layer, x, name=name, support=support)
    weights = _check_weights(sample_weight, len(x))
    if weights is None:
        return Source(x, None, None, len(x))
    return Source(x, np.zeros((len(x), 0), np.float32), weights, len(x))


def check_array(
    layer: DistributionLayer, x: Any, *, name: str = "x", support: bool = True
) -> Any:
    """Checks an array or tensor [B, *event] and returns it as one.

    Raises:
        ValueError: If it does not hold numbers, has another shape, is empty, or holds
            values that are not finite or (with `support`) have no density.
    """
    if not isinstance(x, np.ndarray | tf.Tensor):
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ValueError(
                f"`{name}` must be an array of numbers. Received: "
                f"{type(x).__name__}, which is not rectangular."
            ) from error
    if not _is_numeric(x.dtype):
        raise ValueError(
            f"`{name}` must hold real numbers. Received the dtype {x.dtype}."
        )
    _checks.has_shape(name, tuple(x.shape), layer.event_shape)
    if isinstance(x, tf.Tensor) and not hasattr(x, "numpy"):
        return x
    if len(x) == 0:
        raise ValueError(f"`{name}` is empty: its shape is {list(x.shape)}.")

    def first_bad(rows: slice) -> str | None:
        part = np.asarray(x[rows])
        bad = _bad(layer, part, support)
        if not bad.any():
            return None
        place = tuple(np.argwhere(bad)[0])
        where = ", ".join(map(str, (rows.start + place[0], *place[1:])))
        finite = _finite(part[place], layer.variable_dtype)
        complaint = _complaint(layer, name, bool(finite))
        return f"{complaint} Received: {part[place]} at [{where}]."

    for complaint in in_chunks(first_bad, x):
        if complaint is not None:
            raise ValueError(complaint)
    return x


def unpack_batch(data: Any) -> tuple[Any, Any]:
    """Takes what a step of Keras is given apart, into x and its weights or None."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    # The `y` of no columns that goes with weights.
    if y is not None and tuple(y.shape[1:]) != (0,):
        _refuse_targets("x", y)
    return x, weight


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Turns an error inside tf.data into the ValueError that it stands for."""
    try:
        yield
        return
    except tf.errors.OpError as error:
        asserted = _ASSERTED.search(str(error))
        raised = _RAISED.search(str(error))
        if asserted is None and raised is None:
            raise
    # Outside of the `except`, so that the traceback is ours alone.
    if asserted is not None:
        raise ValueError("{} Received: {}.".format(*asserted.groups()))
    if raised is not None:
        raise ValueError(raised[1])


def _is_loader(x: Any) -> bool:
    """Sources that pass as they are: the steps check the shapes of their elements."""
    libraries = {cls.__module__.partition(".")[0] for cls in type(x).__mro__}
    return isinstance(x, tf.distribute.DistributedDataset) or any(
        library in libraries for library in _LOADERS
    )


def _is_numeric(dtype: Any) -> bool:
    try:
        dtype = tf.as_dtype(dtype)
    except TypeError:
        return False
    return dtype.is_bool or dtype.is_floating or dtype.is_integer


def _bad(layer: DistributionLayer, part: np.ndarray, support: bool) -> np.ndarray:
    """Which elements are not finite or (with `support`) have no density."""
    if not support:
        return ~_finite(part, layer.variable_dtype)
    # Out of any graph, for arrays that the caller's graph closes over.
    with tf.init_scope():
        bad = np.asarray(layer.unsupported(part))
    if tf.as_dtype(part.dtype) == layer.variable_dtype:
        return bad
    return bad | ~_finite(part, layer.variable_dtype)


def _finite(part: np.ndarray, dtype: str) -> np.ndarray:
    """Which elements are finite, and stay so in the dtype of the model."""
    if part.dtype.kind != "f":
        return np.ones(part.shape, bool)
    with np.errstate(over="ignore"):
        return np.isfinite(part.astype(dtype, copy=False))


def _complaint(layer: DistributionLayer, name: str, finite: bool) -> str:
    if not finite:
        return f"`{name}` must hold finite numbers, no NaN or infinity."
    family = type(layer).__name__
    return f"`{name}` must lie in the support of {family}: {layer.support}."


def _unpack(name: str, element: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Takes `x`, `(x,)`, `(x, None)` or `(x, None, sample_weight)` apart."""
    if not isinstance(element, tuple):
        return element, None, sample_weight
    if not 1 <= len(element) <= 3:
        raise ValueError(
            f"`{name}` must be x, (x,) or (x, None, sample_weight). Received a tuple "
            f"of {len(element)} items."
        )
    x, y, weight = (*element, None, None)[:3]
    _refuse_targets(name, y)
    if weight is not None and sample_weight is not None:
        raise ValueError(
            f"Sample weights were given both in `{name}` and in `sample_weight`."
        )
    return x, y, sample_weight if weight is None else weight


def _pack(x: Any, weight: Any) -> tuple[Any, ...]:
    if weight is None:
        return (x,)
    return x, tf.zeros([tf.shape(x)[0], 0]), weight


def _refuse_targets(name: str, y: Any) -> None:
    if y is not None:
        raise ValueError(
            f"`y` has no meaning for a VAE: `{name}` alone is the data, taken as x, "
            "(x,) or (x, None, sample_weight). Received targets as well; drop them, "
            "in a dataset with `dataset.map(lambda x, y: x)`."
        )


def _size(dataset: tf.data.Dataset) -> int | None:
    """The number of examples, where all batches are full and are counted."""
    batches = int(dataset.cardinality())
    batch = tf.nest.flatten(dataset.element_spec)[0].shape[:1].num_elements()
    return None if batches < 0 or batch is None else batches * batch


def _refuse_weights(x: Any, sample_weight: Any) -> None:
    if sample_weight is not None:
        raise ValueError(
            f"`sample_weight` goes with arrays. For a {type(x).__name__}, put the "
            "weights into its elements as (x, None, sample_weight)."
        )


def _check_weights(weights: Any, size: int) -> Any:
    if weights is None:
        return None
    weights = np.asarray(weights)
    if weights.dtype.kind not in "biuf" or weights.shape != (size,):
        raise ValueError(
            f"`sample_weight` must hold one number for each example, shape [{size}]. "
            f"Received: {_checks.describe(weights)}."
        )
    bad = weights[~(np.isfinite(weights) & (weights >= 0))]
    if len(bad):
        raise ValueError(f"{_WEIGHTS} Received: {bad[0]}.")
    return weights.astype(np.float32)


def _checked_dataset(
    layer: DistributionLayer, dataset: tf.data.Dataset, name: str, support: bool
) -> tf.data.Dataset:
    if dataset.cardinality() == 0:
        raise ValueError(f"`{name}` is an empty dataset.")

    @tf.autograph.experimental.do_not_convert
    def check(*element: Any) -> tuple[tf.Tensor, ...]:
        x, _, weight = _unpack(name, element, None)
        if not isinstance(x, tf.Tensor):
            raise ValueError(
                f"`{name}` must be a dataset of tensors. Its elements are "
                f"{dataset.element_spec}."
            )
        if x.shape.rank is not None:
            x = check_array(layer, x, name=name, support=False)
        x = tf.ensure_shape(x, (None, *layer.event_shape))
        finite = tf.math.is_finite(tf.cast(x, layer.variable_dtype))
        guards = [_assert_all(finite, x, _complaint(layer, name, finite=False))]
        if support:
            valid = ~layer.unsupported(x)
            guards.append(_assert_all(valid, x, _complaint(layer, name, finite=True)))
        if weight is not None:
            if weight.shape.rank not in (1, None):
                raise ValueError(
                    "`sample_weight` must hold one number for each example, shape "
                    f"[batch]. Received the shape {weight.shape}."
                )
            weight = tf.ensure_shape(tf.cast(weight, tf.float32), x.shape[:1])
            valid = tf.math.is_finite(weight) & (weight >= 0)
            guards.append(_assert_all(valid, weight, _WEIGHTS))
        with tf.control_dependencies(guards):
            return _pack(tf.identity(x), weight)

    return dataset.map(check).prefetch(2)


def _assert_all(valid: tf.Tensor, x: tf.Tensor, message: str) -> tf.Operation:
    bad = tf.boolean_mask(x, ~valid)[:1]
    return tf.debugging.Assert(tf.reduce_all(valid), [f"tfvae: {message}", bad])


class _CheckedPyDataset(keras.utils.PyDataset):
    """A PyDataset whose batches pass a check."""

    def __init__(self, inner: keras.utils.PyDataset, check: Any) -> None:
        super().__init__(
            workers=inner.workers,
            use_multiprocessing=inner.use_multiprocessing,
            max_queue_size=inner.max_queue_size,
        )
        self.inner = inner
        self.check = check

    @property
    def num_batches(self) -> int | None:
        return self.inner.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self.check(self.inner[index])

    def on_epoch_begin(self) -> None:
        self.inner.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.inner.on_epoch_end()
