"""Diagnostics: what a fitted model does with its latents, as numbers.

Those that take a model ask it for q(z|x), p(z) and p(x|z) over data [N, *event]:

    surgery, aggregate_kl         the KL taken apart, and q(z) against the prior
    active_units, collapse        which latent elements carry information
    rate_distortion               what z costs and what x costs given z
    codes                         posterior means, for the three below

Those that take codes and the factors that made the data measure disentanglement: `mig`,
`sap` and `dci`. `tfvae.callbacks.Diagnostic` computes any of them during training.
"""

from tfvae.diagnostics.aggregate import AggregateKL, aggregate_kl
from tfvae.diagnostics.elbo_surgery import Surgery, surgery
from tfvae.diagnostics.encoding import codes
from tfvae.diagnostics.importances import DCI, dci
from tfvae.diagnostics.information_gap import MIG, mig
from tfvae.diagnostics.posterior_collapse import Collapse, collapse
from tfvae.diagnostics.predictability import SAP, sap
from tfvae.diagnostics.rates import (
    RateDistortion,
    RateDistortionCurve,
    rate_distortion,
    rate_distortion_curve,
)
from tfvae.diagnostics.units import ActiveUnits, active_units

__all__ = [
    "DCI",
    "MIG",
    "SAP",
    "ActiveUnits",
    "AggregateKL",
    "Collapse",
    "RateDistortion",
    "RateDistortionCurve",
    "Surgery",
    "active_units",
    "aggregate_kl",
    "codes",
    "collapse",
    "dci",
    "mig",
    "rate_distortion",
    "rate_distortion_curve",
    "sap",
    "surgery",
]
