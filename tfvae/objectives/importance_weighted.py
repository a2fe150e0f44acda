"""Bounds that are means of importance weights."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.bound import Bound
from tfvae.objectives.penalties import Penalty
from tfvae.objectives.weightings import Combination, LogMeanExp, Weighting
from tfvae.objectives.weights import (
    Weight,
    as_weight,
    weight_at,
    weight_config,
    weights_from_config,
)

__all__ = [
    "CombinedImportanceWeighted",
    "ImportanceWeighted",
    "MultiplyImportanceWeighted",
    "PartiallyImportanceWeighted",
]


@keras.saving.register_keras_serializable("tfvae")
class ImportanceWeighted(Bound):
    """The importance-weighted bound of IWAE.

        L_K(x) = E[log 1/K sum_k w_k],   w_k = p(x|z_k) p(z_k) / q(z_k|x),   z_k ~ q

        ELBO(x) = L_1(x) <= L_K(x) <= L_(K+1)(x) -> log p(x)

    The gradient of the encoder drowns in noise as K grows (its signal-to-noise ratio
    falls like K^(-1/2)); `gradient="dreg"` is free of that.

    Args:
        num_samples: Number K of draws of z for each example. Default: 5.
        gradient: As in `Bound`. Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> tfvae.objectives.ImportanceWeighted(50, gradient="dreg").num_draws
    50

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519; Rainforth et al., "Tighter variational
    bounds are not necessarily better", 2018, https://arxiv.org/abs/1802.04537.
    """

    def __init__(
        self,
        num_samples: int = 5,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, gradient, penalties, **kwargs)

    def _weighting(self, context: Context) -> Weighting:
        return LogMeanExp()


@keras.saving.register_keras_serializable("tfvae")
class MultiplyImportanceWeighted(Bound):
    """The mean of several importance-weighted bounds of the same example (MIWAE).

        L_(M,K)(x) = E[1/M sum_m log 1/K sum_k w_mk] = L_K(x)

    It has the value of `ImportanceWeighted(K)` in expectation and the noise of M K
    draws. M = 1 is `ImportanceWeighted(K)`, K = 1 is `ELBO(M, kl="monte_carlo")`: the
    two numbers cannot be exchanged.

    Args:
        num_groups: Number M of bounds. Default: 1.
        num_samples: Number K of draws in each. Default: 5.
        gradient: As in `Bound`. Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> tfvae.objectives.MultiplyImportanceWeighted(4, 16).num_draws
    64

    Reference: Rainforth et al., "Tighter variational bounds are not necessarily
    better", 2018, https://arxiv.org/abs/1802.04537.
    """

    def __init__(
        self,
        num_groups: int = 1,
        num_samples: int = 5,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        self._num_groups = _checks.positive_int("num_groups", num_groups)
        super().__init__(num_samples, gradient, penalties, **kwargs)

    @property
    def num_groups(self) -> int:
        """The number M of bounds."""
        return self._num_groups

    @property
    def num_draws(self) -> int:
        """M K."""
        return self.num_groups * self.num_samples

    def _weighting(self, context: Context) -> Weighting:
        return LogMeanExp(self.num_groups)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"num_groups": self.num_groups}


@keras.saving.register_keras_serializable("tfvae")
class PartiallyImportanceWeighted(MultiplyImportanceWeighted):
    """A tight bound for the decoder, and one with a clear gradient for the encoder.

        decoder and prior:  L_(1, M K)(x),    encoder:  L_(M, K)(x)

    Both come from the same M K draws (PIWAE). Logs hold the bound of the decoder.

    Args:
        num_groups: Number M of bounds for the encoder. Default: 1.
        num_samples: Number K of draws in each. Default: 5.
        gradient: As in `Bound`. Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> tfvae.objectives.PartiallyImportanceWeighted(8, 8).num_draws
    64

    Reference: Rainforth et al., "Tighter variational bounds are not necessarily
    better", 2018, https://arxiv.org/abs/1802.04537.
    """

    def _weighting(self, context: Context) -> Weighting:
        return LogMeanExp()

    def _weighting_of_encoder(self, context: Context) -> Weighting:
        return LogMeanExp(self.num_groups)


@keras.saving.register_keras_serializable("tfvae")
class CombinedImportanceWeighted(Bound):
    """A convex combination of the ELBO and the importance-weighted bound (CIWAE).

        beta L_1(x) + (1 - beta) L_K(x)

    Args:
        beta: The share of the ELBO, from 0 to 1: a number, or a schedule of the
            number of updates. Default: 0.5.
        num_samples: Number K of draws of z for each example. Default: 5.
        gradient: As in `Bound`. Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> tfvae.objectives.CombinedImportanceWeighted(beta=0.5, num_samples=64).beta
    0.5

    Reference: Rainforth et al., "Tighter variational bounds are not necessarily
    better", 2018, https://arxiv.org/abs/1802.04537.
    """

    def __init__(
        self,
        beta: Weight = 0.5,
        num_samples: int = 5,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, gradient, penalties, **kwargs)
        self.beta = as_weight("beta", beta, most=1.0)

    def _weighting(self, context: Context) -> Weighting:
        return Combination(weight_at(self.beta, context.step, tf.float64))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {"beta": weight_config(self.beta)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CombinedImportanceWeighted":
        """Makes the objective again from `get_config()`."""
        return cls(**weights_from_config(config, "beta"))
