"""The latent elements that an encoder uses."""

import dataclasses
from typing import Any

import numpy as np

from tfvae import _checks
from tfvae.diagnostics.encoding import codes
from tfvae.vae import VAE

__all__ = ["ActiveUnits", "active_units"]


@dataclasses.dataclass(frozen=True, eq=False)
class ActiveUnits:
    """Which latent elements move with the data.

    Attributes:
        variance: Var_x(E_q[z_j]), float64 [*latent].
        active: Whether it exceeds the threshold, bool [*latent].
        count: The number of active units.
    """

    variance: np.ndarray
    active: np.ndarray
    count: int


def active_units(vae: VAE, x: Any, threshold: float = 0.01) -> ActiveUnits:
    """Finds the latent elements whose posterior mean varies over the data.

        unit j is active  <=>  Var_x(E_q(z|x)[z_j]) > threshold

    The variance is that of the N examples given (divided by N), in units of z squared.

    Args:
        vae: The model.
        x: Data [N, *event], at least two examples.
        threshold: The variance that an active unit exceeds, at least 0. Default: 0.01.

    Returns:
        The `ActiveUnits`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> from tfvae import diagnostics
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> diagnostics.active_units(tfvae.VAE(encoder, decoder), np.ones((8, 4))).count
    0

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519.
    """
    threshold = _checks.finite_number("threshold", threshold)
    if threshold < 0:
        raise ValueError(f"`threshold` must not be negative. Received: {threshold!r}.")
    means = codes(vae, x)
    if len(means) < 2:
        raise ValueError(
            "`x` must hold at least two examples, for a variance over them. "
            "Received: 1."
        )
    variance = means.var(axis=0)
    active = variance > threshold
    return ActiveUnits(variance, active, int(active.sum()))
