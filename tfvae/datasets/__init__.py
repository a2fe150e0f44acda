"""Data sets as arrays, and the one map that makes grey values binary.

Nothing here is applied by a model: a user loads, scales and binarises in the open.
"""

from tfvae.datasets.arrays import Arrays
from tfvae.datasets.binarization import binarize
from tfvae.datasets.loading import NAMES, load

__all__ = ["NAMES", "Arrays", "binarize", "load"]
