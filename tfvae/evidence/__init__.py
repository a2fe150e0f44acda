"""What is known of log p(x): estimates, bounds, exact values, the gap to the ELBO."""

from tfvae.evidence.annealing import Annealed, annealed
from tfvae.evidence.exact_density import exact
from tfvae.evidence.gaps import Gap, gap
from tfvae.evidence.importance_sampling import Importance, importance
from tfvae.evidence.marginals import Marginal
from tfvae.evidence.posterior_draws import Posterior, posterior
from tfvae.evidence.simulation import simulate

__all__ = [
    "Annealed",
    "Gap",
    "Importance",
    "Marginal",
    "Posterior",
    "annealed",
    "exact",
    "gap",
    "importance",
    "posterior",
    "simulate",
]
