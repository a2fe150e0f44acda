"""Distributions that `tfp.distributions` lacks, or is imprecise or not exportable in.

Those with the name of one in TensorFlow Probability are subclasses of it, and change
only how its numbers are computed; their docstrings say what is gained. The module `kl`
registers closed-form divergences that TensorFlow Probability lacks.
"""

from tfvae.distributions.bernoulli import Bernoulli
from tfvae.distributions.beta import Beta
from tfvae.distributions.binomial import Binomial
from tfvae.distributions.categorical import Categorical
from tfvae.distributions.columns import Columns
from tfvae.distributions.continuous_bernoulli import ContinuousBernoulli
from tfvae.distributions.discretized_logistic import DiscretizedLogistic
from tfvae.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from tfvae.distributions.gamma import Gamma
from tfvae.distributions.householder import MultivariateNormalHouseholder
from tfvae.distributions.kl import closed_form_kl, kl_method
from tfvae.distributions.log_normal import LogNormal
from tfvae.distributions.low_rank import MultivariateNormalLowRank
from tfvae.distributions.negative_binomial import NegativeBinomial
from tfvae.distributions.normal import MultivariateNormalTriL, Normal
from tfvae.distributions.poisson import Poisson
from tfvae.distributions.relaxed_one_hot import RelaxedOneHotCategorical
from tfvae.distributions.student_t import StudentT
from tfvae.distributions.von_mises_fisher import VonMisesFisher
from tfvae.distributions.zero_inflated import (
    ZeroInflatedNegativeBinomial,
    ZeroInflatedPoisson,
)

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Columns",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Gamma",
    "LogNormal",
    "MultivariateNormalHouseholder",
    "MultivariateNormalLowRank",
    "MultivariateNormalTriL",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "RelaxedOneHotCategorical",
    "StudentT",
    "VonMisesFisher",
    "ZeroInflatedNegativeBinomial",
    "ZeroInflatedPoisson",
    "closed_form_kl",
    "kl_method",
]
