"""The evidence lower bound."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.base import Context
from tfvae.objectives.bound import Bound
from tfvae.objectives.penalties import Penalty
from tfvae.objectives.terms import KL_METHODS, Terms
from tfvae.objectives.weightings import Mean, Weighting
from tfvae.objectives.weights import (
    Weight,
    as_weight,
    weight_at,
    weight_config,
    weights_from_config,
)

__all__ = ["ELBO"]


@keras.saving.register_keras_serializable("tfvae")
class ELBO(Bound):
    """The evidence lower bound, with a weight on the KL.

        ELBO(x) = E_q(z|x)[log p(x|z)] - beta max(KL(q(z|x) || p(z)), free_nats)

    It is a lower bound on log p(x) for beta >= 1; the ELBO proper has beta = 1 and no
    free nats. The expectation is the mean over `num_samples` draws. Logs hold the ELBO
    proper under `elbo` whatever beta is; the weighted value is the negative of `loss`.

    Args:
        num_samples: Number S of draws of z for each example. Default: 1.
        beta: Weight of the KL: a non-negative number, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the number of
            updates, such as those of `tfvae.schedules`. Default: 1.
        kl: "analytic" for the closed form, "monte_carlo" for the mean over the
            draws, "auto" for the closed form where there is one and the gradient
            leaves the choice. Default: "auto".
        free_nats: The KL of an example, or its estimate from the draws, below which
            it has no gradient, nats: a non-negative number or a schedule, and 0 where
            another `gradient` than "reparameterized" takes the KL of the draws.
            Default: 0.
        gradient: "reparameterized", "stl" (which is "dreg" for this bound; its KL is
            that of the draws) or "score". Default: "reparameterized".
        penalties: As in `Bound`. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these, or `gradient` takes the KL of the
            draws and `kl` is "analytic" or there are free nats.

    Example:
    >>> tfvae.objectives.ELBO(num_samples=5, beta=4.0).beta
    4.0

    Reference: Kingma and Welling, "Auto-encoding variational Bayes", 2014,
    https://arxiv.org/abs/1312.6114; Higgins et al., "beta-VAE", 2017,
    https://openreview.net/forum?id=Sy2fzU9gl; Kingma et al., "Improved variational
    inference with inverse autoregressive flow", 2016,
    https://arxiv.org/abs/1606.04934 (free nats).
    """

    reports_bound = False

    def __init__(
        self,
        num_samples: int = 1,
        beta: Weight = 1.0,
        kl: str = "auto",
        free_nats: Weight = 0.0,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, gradient, penalties, **kwargs)
        self.beta = as_weight("beta", beta)
        self.kl = _checks.one_of("kl", kl, KL_METHODS)
        self.free_nats = as_weight("free_nats", free_nats)
        if gradient in ("stl", "dreg") and kl == "analytic":
            raise ValueError(
                f'gradient="{gradient}" needs the KL of the draws: `kl` must be "auto" '
                'or "monte_carlo". Received: "analytic".'
            )
        if gradient in ("stl", "dreg") or kl == "monte_carlo":
            self._check_free_nats()

    def _weighting(self, context: Context) -> Weighting:
        return Mean()

    def _values(
        self, terms: Terms, log_posterior: tf.Tensor, context: Context
    ) -> tf.Tensor:
        if self._closed_form(terms):
            return terms.log_likelihood
        _, factor = self._kl_weights(terms, context)
        return terms.log_likelihood + factor * (terms.log_prior - log_posterior)

    def _check_draws(self, terms: Terms) -> None:
        super()._check_draws(terms)
        if not self._closed_form(terms):
            self._check_free_nats()

    def _check_free_nats(self) -> None:
        """Draws decide whether their own KL counts, which only paths account for."""
        if self.gradient != "reparameterized" and self.free_nats != 0:
            raise ValueError(
                f'gradient="{self.gradient}" is biased where `free_nats` clip the KL '
                'of the draws: use gradient="reparameterized", or "score" with a KL '
                f"in closed form. Received: free_nats={self.free_nats!r}."
            )

    def _rest(self, terms: Terms, context: Context) -> tf.Tensor:
        constant, factor = self._kl_weights(terms, context)
        if self._closed_form(terms):
            return constant - factor * self._divergence(terms)
        return constant

    def _kl_weights(
        self, terms: Terms, context: Context
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The [B] c and f with -beta max(KL, free_nats) = c - f KL."""
        kl = self._divergence(terms)
        beta = weight_at(self.beta, context.step, kl.dtype)
        free = weight_at(self.free_nats, context.step, kl.dtype)
        # An estimate of the KL may be negative, which is nothing to be clipped.
        counts = tf.cast((kl >= free) | (free == 0), kl.dtype)
        return -beta * free * (1 - counts), beta * counts

    def _divergence(self, terms: Terms) -> tf.Tensor:
        return terms.kl(self.kl if self._closed_form(terms) else "monte_carlo")

    def _closed_form(self, terms: Terms) -> bool:
        if self.kl == "analytic":
            return True
        possible = self.kl == "auto" and self.gradient in ("reparameterized", "score")
        return possible and terms.kl_method == "analytic"

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "beta": weight_config(self.beta),
            "kl": self.kl,
            "free_nats": weight_config(self.free_nats),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ELBO":
        """Makes the objective again from `get_config()`."""
        return cls(**weights_from_config(config, "beta", "free_nats"))
