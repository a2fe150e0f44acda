"""Distribution layers: features in, a `tfp.distributions` object out."""

from tfvae.layers.base import DistributionLayer
from tfvae.layers.bernoulli import Bernoulli
from tfvae.layers.beta import Beta
from tfvae.layers.binomial import Binomial
from tfvae.layers.categorical import Categorical
from tfvae.layers.continuous_bernoulli import ContinuousBernoulli
from tfvae.layers.coupling_flow import CouplingFlow
from tfvae.layers.discretized_logistic import DiscretizedLogistic
from tfvae.layers.discretized_logistic_mixture import DiscretizedLogisticMixture
from tfvae.layers.ending import distribution_layer
from tfvae.layers.gamma import Gamma
from tfvae.layers.householder_flow import HouseholderFlow
from tfvae.layers.inverse_autoregressive_flow import InverseAutoregressiveFlow
from tfvae.layers.laplace import Laplace
from tfvae.layers.log_normal import LogNormal
from tfvae.layers.mixture import Mixture
from tfvae.layers.multivariate_normal import MultivariateNormalTriL
from tfvae.layers.multivariate_normal_low_rank import MultivariateNormalLowRank
from tfvae.layers.negative_binomial import NegativeBinomial
from tfvae.layers.normal import Normal
from tfvae.layers.one_hot_categorical import OneHotCategorical
from tfvae.layers.poisson import Poisson
from tfvae.layers.relaxed_one_hot_categorical import RelaxedOneHotCategorical
from tfvae.layers.student_t import StudentT
from tfvae.layers.table import Table
from tfvae.layers.von_mises_fisher import VonMisesFisher
from tfvae.layers.zero_inflated_negative_binomial import ZeroInflatedNegativeBinomial
from tfvae.layers.zero_inflated_poisson import ZeroInflatedPoisson

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "ContinuousBernoulli",
    "CouplingFlow",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "DistributionLayer",
    "Gamma",
    "HouseholderFlow",
    "InverseAutoregressiveFlow",
    "Laplace",
    "LogNormal",
    "Mixture",
    "MultivariateNormalLowRank",
    "MultivariateNormalTriL",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "RelaxedOneHotCategorical",
    "StudentT",
    "Table",
    "VonMisesFisher",
    "ZeroInflatedNegativeBinomial",
    "ZeroInflatedPoisson",
    "distribution_layer",
]
