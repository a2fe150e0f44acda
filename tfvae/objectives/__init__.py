"""Objectives: what `compile(objective=...)` maximises.

A product of small choices: a bound, a number of draws, an estimator of its gradient
(`gradients`) and penalties.
"""

from tfvae.objectives.base import Context, Estimate, Objective
from tfvae.objectives.bound import Bound
from tfvae.objectives.elbo import ELBO
from tfvae.objectives.importance_weighted import (
    CombinedImportanceWeighted,
    ImportanceWeighted,
    MultiplyImportanceWeighted,
    PartiallyImportanceWeighted,
)
from tfvae.objectives.penalties import (
    DIP,
    GECO,
    Capacity,
    MaximumMeanDiscrepancy,
    Penalty,
    TotalCorrelation,
)
from tfvae.objectives.reconstruction import Reconstruction
from tfvae.objectives.renyi import Renyi
from tfvae.objectives.terms import Terms

__all__ = [
    "DIP",
    "ELBO",
    "GECO",
    "Bound",
    "Capacity",
    "CombinedImportanceWeighted",
    "Context",
    "Estimate",
    "ImportanceWeighted",
    "MaximumMeanDiscrepancy",
    "MultiplyImportanceWeighted",
    "Objective",
    "PartiallyImportanceWeighted",
    "Penalty",
    "Reconstruction",
    "Renyi",
    "Terms",
    "TotalCorrelation",
]
