"""Priors p(z): trainable ones, and fixed distributions."""

from tfvae.priors.base import Prior
from tfvae.priors.fixed import Fixed
from tfvae.priors.flow import Flow
from tfvae.priors.gaussian_mixture import GaussianMixture
from tfvae.priors.interval import Interval
from tfvae.priors.normal import Normal
from tfvae.priors.relaxed_uniform import RelaxedUniform
from tfvae.priors.standard_normal import StandardNormal
from tfvae.priors.uniform_sphere import UniformSphere
from tfvae.priors.vamp import VampPrior

__all__ = [
    "Fixed",
    "Flow",
    "GaussianMixture",
    "Interval",
    "Normal",
    "Prior",
    "RelaxedUniform",
    "StandardNormal",
    "UniformSphere",
    "VampPrior",
]
