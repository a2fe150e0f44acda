"""Variational autoencoders for Keras 3, TensorFlow and TensorFlow Probability."""

from tfvae import (
    datasets,
    distributions,
    evidence,
    layers,
    networks,
    objectives,
    plots,
    priors,
)
from tfvae.vae import VAE

__all__ = [
    "VAE",
    "datasets",
    "distributions",
    "evidence",
    "layers",
    "networks",
    "objectives",
    "plots",
    "priors",
]
