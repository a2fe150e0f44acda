"""Several steps as one call: the loop under `fit`, which knows no model."""

from tfvae.training.choices import Choice
from tfvae.training.execution import evaluating, fitting, forget, predicting
from tfvae.training.rows import Rows
from tfvae.training.steps import Steps

__all__ = ["Choice", "Rows", "Steps", "evaluating", "fitting", "forget", "predicting"]
