"""Distribution layers: features in, a `tfp.distributions` object out."""

from tfvae.layers.base import DistributionLayer, distribution_layer
from tfvae.layers.bernoulli import Bernoulli
from tfvae.layers.binomial import Binomial
from tfvae.layers.continuous_bernoulli import ContinuousBernoulli
from tfvae.layers.multivariate_normal import MultivariateNormalTriL
from tfvae.layers.normal import Normal

__all__ = [
    "Bernoulli",
    "Binomial",
    "ContinuousBernoulli",
    "DistributionLayer",
    "MultivariateNormalTriL",
    "Normal",
    "distribution_layer",
]
