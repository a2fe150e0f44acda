"""Families of densities in NumPy and SciPy, double precision: the oracles of layers.

Nothing here knows tfvae. Axes: B batch, N elements of an event laid out flat.
"""

from support.families.base import (
    Array,
    Drawn,
    Family,
    Parameters,
    smallest_scale,
    softplus,
)

__all__ = [
    "Array",
    "Drawn",
    "Family",
    "Parameters",
    "smallest_scale",
    "softplus",
]
