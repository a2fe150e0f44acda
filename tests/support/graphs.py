"""Lets go of graphs, which would fill the memory of a long run of tests."""

import contextlib
from collections.abc import Iterator

import keras
from tensorflow.python.framework import ops

__all__ = ["forgotten_graphs"]


@contextlib.contextmanager
def forgotten_graphs() -> Iterator[None]:
    """Frees what is traced inside: TensorFlow keeps it for custom gradients."""
    gradients = ops.gradient_registry._registry
    before = set(gradients)
    yield
    for name in set(gradients) - before:
        del gradients[name]
    keras.backend.clear_session()
