"""Variational autoencoders for Keras 3, TensorFlow and TensorFlow Probability."""

from tfvae import (
    callbacks,
    datasets,
    diagnostics,
    distributions,
    evidence,
    layers,
    networks,
    objectives,
    plots,
    priors,
    recipes,
    schedules,
)
from tfvae.vae import VAE

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
