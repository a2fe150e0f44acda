"""Variational autoencoders for Keras 3, TensorFlow and TensorFlow Probability."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from tfvae import (
    distributions,
    evidence,
    layers,
    networks,
    objectives,
    priors,
    schedules,
)
from tfvae.vae import VAE

if TYPE_CHECKING:
    from tfvae import callbacks, datasets, diagnostics, plots, recipes

__all__ = [
    "VAE",
    "callbacks",
    "datasets",
    "diagnostics",
    "distributions",
    "evidence",
    "layers",
    "networks",
    "objectives",
    "plots",
    "priors",
    "recipes",
    "schedules",
]

__version__ = "0.1.0"

_LATER = frozenset({"callbacks", "datasets", "diagnostics", "plots", "recipes"})
"""Modules that a model does without, imported when they are first asked for."""


def __getattr__(name: str) -> ModuleType:
    if name in _LATER:
        return importlib.import_module(f"tfvae.{name}")
    raise AttributeError(f"module 'tfvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
