"""The variational Renyi bound."""

from collections.abc import Sequence
from typing import Any

import keras

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.bound import Bound
from tfvae.objectives.penalties import Penalty
from tfvae.objectives.weightings import Power, Weighting

__all__ = ["Renyi"]


@keras.saving.register_keras_serializable("tfvae")
class Renyi(Bound):
    """The variational Renyi bound, from the ELBO to the evidence and beyond.

        L_alpha(x) = log E_q[w^(1 - alpha)] / (1 - alpha),   w = p(x, z) / q(z|x)

    L_1 is the ELBO and L_0 is log p(x); L_alpha falls with alpha, and is an upper bound
    for alpha < 0. The expectation is a mean over K draws, which biases the estimate
    towards the ELBO: at alpha = 0 it is `ImportanceWeighted(K)`, and an estimate with
    alpha < 0 bounds nothing for a finite K.

    Args:
        alpha: Any number. Default: 0.5.
        num_samples: Number K of draws of z for each example. Default: 5.
        gradient: As in `Bound`. Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> tfvae.objectives.Renyi(alpha=0.5, num_samples=50).alpha
    0.5

    Reference: Li and Turner, "Renyi divergence variational inference", 2016,
    https://arxiv.org/abs/1602.02311.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        num_samples: int = 5,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, gradient, penalties, **kwargs)
        self.alpha = _checks.finite_number("alpha", alpha)

    def _weighting(self, context: Context) -> Weighting:
        return Power(self.alpha)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"alpha": self.alpha}
