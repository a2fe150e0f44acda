"""Mixtures and tables."""

import functools
import numbers
from typing import Any

from support.cases.base import Case
from support.families import composites, gaussian, logits

from tfvae import layers


def _mixture_of_normals(scale: str, event_shape: Any, **kwargs: Any) -> Any:
    component = layers.Normal(event_shape, scale, dtype=kwargs.get("dtype"))
    return layers.Mixture(component, **kwargs)


def _mixture_of_counts(event_shape: Any, **kwargs: Any) -> Any:
    component = layers.Binomial(event_shape, 4, dtype=kwargs.get("dtype"))
    return layers.Mixture(component, **kwargs)


def _normal_mixture(scale: str) -> Case:
    def family(size: int, _: Any) -> composites.Mixture:
        return composites.Mixture(size, lambda n: gaussian.Normal(n, scale), 2)

    return Case(
        f"mixture-of-normals-{scale}",
        layers.Mixture,
        {"num_components": 2},
        family,
        make=functools.partial(_mixture_of_normals, scale),
        shape_arguments=("event_shape", "component"),
        image=False,
        rounding=1e-4,
        fits=False,  # components that are the same at the start stay so
    )


def _second(event_shape: Any) -> Any:
    """The elements of the second column, as the first has one."""
    axes = event_shape if isinstance(event_shape, tuple | list) else [event_shape]
    one = len(axes) == 1 and isinstance(axes[0], numbers.Integral) and axes[0] > 1
    return int(axes[0]) - 1 if one else event_shape


def _table_of_reals(event_shape: Any, **kwargs: Any) -> Any:
    dtype = kwargs.get("dtype")
    columns = {
        "share": layers.ContinuousBernoulli(1, dtype=dtype),
        "size": layers.Normal(_second(event_shape), "shared", dtype=dtype),
    }
    return layers.Table(columns, **kwargs)


def _table_of_counts(event_shape: Any, **kwargs: Any) -> Any:
    dtype = kwargs.get("dtype")
    columns = {
        "present": layers.Bernoulli(1, dtype=dtype),
        "visits": layers.Binomial(_second(event_shape), 3, dtype=dtype),
    }
    return layers.Table(columns, **kwargs)


CASES = [
    _normal_mixture("elementwise"),
    _normal_mixture("shared"),
    Case(
        "mixture-of-counts",
        layers.Mixture,
        {"num_components": 3},
        lambda size, _: composites.Mixture(size, lambda n: logits.Binomial(n, 4), 3),
        make=_mixture_of_counts,
        shape_arguments=("event_shape", "component"),
        outside=(-1.0, 0.5, 5.0, 255.0),
        ends=(0.0, 4.0),
        image=False,
        fits=False,
    ),
    Case(
        "table-of-reals",
        layers.Table,
        {},
        lambda size, _: composites.Table(
            {
                "share": (1, logits.ContinuousBernoulli(1)),
                "size": (size - 1, gaussian.Normal(size - 1, "shared")),
            }
        ),
        make=_table_of_reals,
        shape_arguments=("event_shape", "columns"),
        outside=(-1e-6, 1.0 + 1e-6, 255.0),
        ends=((0.0, 0.0), (1.0, -3.0)),
        smallest=2,
        image=False,
    ),
    Case(
        "table-of-counts",
        layers.Table,
        {},
        lambda size, _: composites.Table(
            {
                "present": (1, logits.Bernoulli(1)),
                "visits": (size - 1, logits.Binomial(size - 1, 3)),
            }
        ),
        make=_table_of_counts,
        shape_arguments=("event_shape", "columns"),
        outside=(-1.0, 0.5, 2.0, 255.0),
        ends=((0.0, 0.0), (1.0, 3.0)),
        smallest=2,
        image=False,
    ),
]
