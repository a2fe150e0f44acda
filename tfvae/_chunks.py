"""Arrays that are looked at a few rows at a time, on all cores."""

import concurrent.futures
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import tensorflow as tf

__all__ = ["in_chunks"]

_BYTES = 2**22
"""Bytes of a chunk: enough to keep a core busy, and few enough for its cache."""

T = TypeVar("T")


def in_chunks(function: Callable[[slice], T], array: Any) -> Iterator[T]:
    """Yields what a function says of each chunk of rows, in their order.

    NumPy lets other threads work while it computes.

    Args:
        function: Called with the slices that make up the rows, in several threads.
        array: An array or tensor with at least one row.
    """
    size = len(array)
    row = math.prod(array.shape[1:]) * tf.as_dtype(array.dtype).size
    rows = max(1, _BYTES // max(1, row))
    chunks = [slice(i, min(i + rows, size)) for i in range(0, size, rows)]
    if len(chunks) == 1:
        yield function(chunks[0])
        return
    with concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            yield from pool.map(function, chunks)
        finally:
            pool.shutdown(cancel_futures=True)
