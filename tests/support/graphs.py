"""Lets go of graphs, which would fill the memory of a long run of tests."""

import contextlib
import inspect
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow_probability import bijectors as tfb

__all__ = ["forgotten_graphs"]

# What TensorFlow Probability traces once for all the models of a process.
SHARED = {"lbeta"}


@contextlib.contextmanager
def forgotten_graphs() -> Iterator[None]:
    """Frees what is traced inside.

    TensorFlow keeps graphs for their custom gradients. TensorFlow Probability keeps the
    results of bijectors for as long as the inputs live, which live in the same graph.
    """
    registry = ops.gradient_registry
    before = set(registry.list())
    yield
    for name in set(registry.list()) - before:
        if name.startswith("CustomGradient-") and not _is_shared(registry.lookup(name)):
            del registry._registry[name]
    results = vars(tfb.Bijector)["_cache"].storage
    for key in list(results):  # of dead ones some are no longer found
        key.cancel()
    results.clear()
    keras.backend.clear_session()


def _is_shared(gradient: Callable[..., object]) -> bool:
    taped = inspect.getclosurevars(gradient).nonlocals.get("tape_grad_fn")
    if taped is None:  # of a file that was loaded
        return False
    result = inspect.getclosurevars(taped).nonlocals["result"]
    return tf.nest.flatten(result)[0].graph.name in SHARED
