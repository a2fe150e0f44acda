"""Operations of TensorFlow that the converter to ONNX lacks, in those of ONNX.

Each function replaces one node of a graph. The forms of `log1p` and `expm1` are those
of `tfvae._builtins`, which keep the digits of small numbers.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["operations"]

_TERMS = 7
_INT64 = 7
"""The number of that type in ONNX."""

Builder = Callable[["_Graph", list[str], dict[str, Any]], None]


def operations() -> dict[str, Any]:
    """Returns what `tf2onnx` takes as `custom_op_handlers`."""
    builders = {
        "BroadcastArgs": _broadcast_args,
        "Expm1": _expm1,
        "Log1p": _log1p,
        "MulNoNan": _mul_no_nan,
        # ONNX Runtime's own ends at 1.5e-8.
        "Sigmoid": _sigmoid,
        # The converter's own multiplies by zero what is not selected, infinities too.
        "SelectV2": _select,
    }
    return {
        kind: (functools.partial(_replace, build), [])
        for kind, build in builders.items()
    }


def _replace(build: Builder, context: Any, node: Any, name: str, _: Any) -> None:
    output, inputs = node.output[0], list(node.input)
    result = {
        "outputs": [output],
        "shapes": [context.get_shape(output)],
        "dtypes": [context.get_dtype(output)],
        "name": name,
    }
    context.remove_node(node.name)
    build(_Graph(context, result["dtypes"][0]), inputs, result)


class _Graph:
    """Adds nodes to a graph of the converter.

    Args:
        context: The graph.
        dtype: The number in ONNX of the type of its results.
    """

    def __init__(self, context: Any, dtype: int) -> None:
        self.context = context
        self.dtype = dtype

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node and returns the name of its output."""
        return self.context.make_node(kind, list(inputs), attr=attributes).output[0]

    def number(self, value: Any, dtype: Any = np.float32) -> str:
        """Adds a constant and returns its name."""
        from tf2onnx.utils import make_name

        constant = np.array(value, dtype)
        return self.context.make_const(make_name("number"), constant).output[0]

    def result(
        self, kind: str, *inputs: str, result: dict[str, Any], **attributes: Any
    ) -> None:
        """Adds the node that takes the place of the one replaced."""
        self.context.make_node(kind, list(inputs), attr=attributes, **result)


def _expm1(graph: _Graph, inputs: list[str], result: dict[str, Any]) -> None:
    (x,), number = inputs, graph.number
    clipped = graph("Clip", x, number(-1), number(1))
    half = graph("Tanh", graph("Mul", clipped, number(0.5)))
    near = graph("Div", graph("Mul", half, number(2)), graph("Sub", number(1), half))
    far = graph("Sub", graph("Exp", x), number(1))
    is_near = graph("Less", graph("Abs", x), number(1))
    graph.result("Where", is_near, near, far, result=result)


def _log1p(graph: _Graph, inputs: list[str], result: dict[str, Any]) -> None:
    (x,), number = inputs, graph.number
    ratio = graph("Div", x, graph("Add", x, number(2)))
    square = graph("Mul", ratio, ratio)
    series = number(1 / (2 * _TERMS - 1))
    for k in reversed(range(_TERMS - 1)):
        series = graph("Add", number(1 / (2 * k + 1)), graph("Mul", square, series))
    near = graph("Mul", graph("Mul", ratio, series), number(2))
    far = graph("Log", graph("Add", x, number(1)))
    is_near = graph("Less", graph("Abs", x), number(0.5))
    graph.result("Where", is_near, near, far, result=result)


def _mul_no_nan(graph: _Graph, inputs: list[str], result: dict[str, Any]) -> None:
    x, y = inputs
    zero = graph.number(0)
    is_zero = graph("Equal", y, zero)
    graph.result("Where", is_zero, zero, graph("Mul", x, y), result=result)


def _sigmoid(graph: _Graph, inputs: list[str], result: dict[str, Any]) -> None:
    one = graph.number(1)
    odds = graph("Exp", graph("Neg", inputs[0]))
    graph.result("Div", one, graph("Add", one, odds), result=result)


def _select(graph: _Graph, inputs: list[str], result: dict[str, Any]) -> None:
    graph.result("Where", *inputs, result=result)


def _broadcast_args(graph: _Graph, inputs: list[str], result: dict[str, Any]) -> None:
    """The shape of two shapes broadcast: ones in front of the shorter, then maxima."""
    shapes = [graph("Cast", shape, to=_INT64) for shape in inputs]
    ranks = [graph("Shape", shape) for shape in shapes]
    rank, one = graph("Max", *ranks), graph.number([1], np.int64)
    padded = [
        graph("Concat", graph("Expand", one, graph("Sub", rank, own)), shape, axis=0)
        for shape, own in zip(shapes, ranks, strict=True)
    ]
    graph.result("Cast", graph("Max", *padded), result=result, to=graph.dtype)
