"""Distributions where `tfp.distributions` is imprecise in float32 or not exportable.

Each is a subclass of the distribution of the same name in TensorFlow Probability and
changes only how its numbers are computed. The module `kl` registers the closed-form
divergences between Gaussian families that TensorFlow Probability lacks.
"""

from tfvae.distributions.binomial import Binomial
from tfvae.distributions.continuous_bernoulli import ContinuousBernoulli
from tfvae.distributions.kl import closed_form_kl
from tfvae.distributions.normal import MultivariateNormalTriL, Normal

__all__ = [
    "Binomial",
    "ContinuousBernoulli",
    "MultivariateNormalTriL",
    "Normal",
    "closed_form_kl",
]
