"""The expected log likelihood by itself."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae.objectives.base import Context
from tfvae.objectives.bound import Bound
from tfvae.objectives.penalties import Penalty
from tfvae.objectives.terms import Terms
from tfvae.objectives.weightings import Mean, Weighting

__all__ = ["Reconstruction"]


@keras.saving.register_keras_serializable("tfvae")
class Reconstruction(Bound):
    """The expected log likelihood alone, which is no bound on log p(x).

        E_q(z|x)[log p(x|z)]

    A posterior that shrinks to a point maximises it: without the KL nothing holds
    q(z|x) to the prior, draws from the prior meet a decoder that was trained elsewhere,
    and log p(x) falls while the reconstruction rises. It is here to see that, and as
    the base of objectives that replace the KL by a penalty.

    Args:
        num_samples: Number S of draws of z for each example. Default: 1.
        gradient: "reparameterized" or "score". Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> mmd = tfvae.objectives.MaximumMeanDiscrepancy(weight=10.0)
    >>> wae = tfvae.objectives.Reconstruction(penalties=[mmd])
    """

    reports_bound = False

    def __init__(
        self,
        num_samples: int = 1,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, gradient, penalties, **kwargs)
        if gradient in ("stl", "dreg"):
            raise ValueError(
                f'gradient="{gradient}" is one for log q(z|x), which `Reconstruction` '
                'does not hold: use "reparameterized" or "score".'
            )

    def _weighting(self, context: Context) -> Weighting:
        return Mean()

    def _values(
        self, terms: Terms, log_posterior: tf.Tensor, context: Context
    ) -> tf.Tensor:
        return terms.log_likelihood
