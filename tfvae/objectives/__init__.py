"""Objectives: what `compile(objective=...)` maximises."""

from tfvae.objectives.base import Context, Estimate, Objective
from tfvae.objectives.elbo import ELBO
from tfvae.objectives.terms import Terms

__all__ = ["ELBO", "Context", "Estimate", "Objective", "Terms"]
