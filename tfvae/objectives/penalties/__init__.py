"""Penalties: what is added to the loss of a bound."""

from tfvae.objectives.penalties.base import Penalty
from tfvae.objectives.penalties.capacity import Capacity
from tfvae.objectives.penalties.dip import DIP
from tfvae.objectives.penalties.geco import GECO
from tfvae.objectives.penalties.maximum_mean_discrepancy import MaximumMeanDiscrepancy
from tfvae.objectives.penalties.total_correlation import TotalCorrelation

__all__ = [
    "DIP",
    "GECO",
    "Capacity",
    "MaximumMeanDiscrepancy",
    "Penalty",
    "TotalCorrelation",
]
