"""Which graphs XLA makes faster."""

import re

import tensorflow as tf

__all__ = ["has_gpu", "prefers_xla"]

_SLOW_ON_CPU = re.compile(r"Conv\d|DepthwiseConv|Pool|Dilation2D|LRN|Resize|FusedBatch")
"""Operations on images, which XLA runs on one core there, ten times slower or worse."""

_NEVER = re.compile(r"PyFunc|Unique|Where$|String|Lookup|Decode|Ragged|Summary")
"""Operations that XLA has not, or only for shapes that are known before."""


def has_gpu() -> bool:
    """Returns whether TensorFlow runs on a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def prefers_xla(graph: tf.Graph) -> bool:
    """Returns whether XLA is likely to make a graph faster, with what it calls.

    Measured: dense networks are up to twice as fast on a CPU, where most of the time
    goes into operations that XLA makes one of; convolutions there are many times
    slower, and it is they that take the time. A GPU has fast kernels for both.
    """
    definition = graph.as_graph_def()
    nodes = [*definition.node]
    for function in definition.library.function:
        nodes.extend(function.node_def)
    operations = {node.op for node in nodes}
    if any(_NEVER.search(operation) for operation in operations):
        return False
    return has_gpu() or not any(_SLOW_ON_CPU.search(op) for op in operations)
