"""Priors p(z): trainable ones, and fixed distributions."""

from tfvae.priors.base import Prior
from tfvae.priors.fixed import Fixed
from tfvae.priors.standard_normal import StandardNormal

__all__ = ["Fixed", "Prior", "StandardNormal"]
