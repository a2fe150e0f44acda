"""Every distribution layer, in each of its forms, with the oracle of its densities."""

from support.cases.base import Case

__all__ = ["Case"]
