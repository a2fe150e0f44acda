"""Trained models as artefacts that need neither tfvae nor TensorFlow Probability."""

from tfvae.export.formats import FORMATS, export
from tfvae.export.inspection import inspect
from tfvae.export.precisions import Precision, precisions
from tfvae.export.quantization import PRECISIONS

__all__ = ["FORMATS", "PRECISIONS", "Precision", "export", "inspect", "precisions"]
