"""Which graphs XLA makes faster."""

import re
from collections.abc import Iterator

import tensorflow as tf

__all__ = ["has_gpu", "prefers_xla"]

_SLOW_ON_CPU = re.compile(r"Conv\d|DepthwiseConv|Pool|Dilation2D|LRN|Resize|FusedBatch")
"""Operations on images, which XLA runs on one core there, ten times slower or worse."""

_NEVER = re.compile(r"PyFunc|Unique|Where$|String|Lookup|Decode|Ragged|Summary")
"""Operations that XLA has not, or only for shapes that are known before."""

_OTHERWISE = re.compile(
    r"Random(?!UniformFullInt|GetKeyCounter)|^Assert$|CheckNumerics"
)
"""Operations that do something else there: draws (of dropout, say; random bits are the
same) have other numbers, and assertions are left out."""

_LARGE = 300_000
"""Elements of a half-precision matrix from which its products decide."""


def has_gpu() -> bool:
    """Returns whether TensorFlow runs on a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def prefers_xla(graph: tf.Graph) -> bool:
    """Returns whether XLA is likely to make a graph faster, with what it calls.

    Measured: dense networks are up to twice as fast on a CPU, where most of the time
    goes into operations that XLA makes one of; convolutions there are many times
    slower, and it is they that take the time. Large matrices in bfloat16 are multiplied
    by the processor's own instructions outside of XLA alone, up to 1.5 times as fast. A
    GPU has fast kernels for all of them.
    """
    definition = graph.as_graph_def()
    nodes = [*definition.node]
    for function in definition.library.function:
        nodes.extend(function.node_def)
    operations = {node.op for node in nodes}
    if any(_NEVER.search(op) or _OTHERWISE.search(op) for op in operations):
        return False
    if has_gpu():
        return True
    return not (
        any(_SLOW_ON_CPU.search(operation) for operation in operations)
        or any(_is_large_bfloat16(tensor) for tensor in _results(graph))
    )


def _results(graph: tf.Graph) -> Iterator[tf.Tensor]:
    for operation in graph.get_operations():
        yield from operation.outputs


def _is_large_bfloat16(tensor: tf.Tensor) -> bool:
    if tensor.dtype != tf.bfloat16 or not tensor.shape.is_fully_defined():
        return False
    return tensor.shape.rank == 2 and tensor.shape.num_elements() >= _LARGE
