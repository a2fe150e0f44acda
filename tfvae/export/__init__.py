"""Trained models as artefacts that need neither tfvae nor TensorFlow Probability."""

from tfvae.export.litert import export_litert
from tfvae.export.saved_model import export_saved_model

__all__ = ["export_litert", "export_saved_model"]
