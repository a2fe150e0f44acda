"""The evidence lower bound."""

from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.base import Context, Estimate, Objective
from tfvae.objectives.terms import KL_METHODS, Terms

__all__ = ["ELBO"]


@keras.saving.register_keras_serializable("tfvae")
class ELBO(Objective):
    """The evidence lower bound, with a weight on the KL.

        ELBO(x) = E_q(z|x)[log p(x|z)] - beta KL(q(z|x) || p(z)) <= log p(x)

    The inequality holds for beta >= 1; the ELBO proper has beta = 1. The expectation
    is the mean over `num_samples` draws. Logs hold the ELBO proper under `elbo`
    whatever beta is; the weighted value is the negative of `loss`.

    Args:
        num_samples: Number S of draws of z for each example. Default: 1.
        beta: Weight of the KL: a non-negative number, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the number of
            updates. Default: 1.
        kl: "analytic" for the closed form, "monte_carlo" for the mean over the
            draws, "auto" for the closed form where there is one. Default: "auto".
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
    >>> tfvae.objectives.ELBO(num_samples=5, beta=4.0).beta
    4.0

    Reference: Kingma and Welling, "Auto-encoding variational Bayes", 2014,
    https://arxiv.org/abs/1312.6114; Higgins et al., "beta-VAE", 2017,
    https://openreview.net/forum?id=Sy2fzU9gl.
    """

    reports_bound = False

    def __init__(
        self,
        num_samples: int = 1,
        beta: float | keras.optimizers.schedules.LearningRateSchedule = 1.0,
        kl: str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, **kwargs)
        if not isinstance(beta, keras.optimizers.schedules.LearningRateSchedule):
            beta = _checks.finite_number("beta", beta)
            if beta < 0:
                raise ValueError(f"`beta` must not be negative. Received: {beta}.")
        self.beta = beta
        self.kl = _checks.one_of("kl", kl, KL_METHODS)

    def estimate(self, terms: Terms, context: Context) -> Estimate:
        """Returns the bound and the losses, all [B], nats.

        Raises:
            ValueError: If it is for training, and draws from the posterior carry no
                gradient to its parameters.
        """
        layer = terms.posterior_layer
        if context.training and not layer.reparameterized:
            raise ValueError(
                "The ELBO is trained through the draws of z, and those of "
                f"{layer!r} carry no gradient to its parameters. Use a posterior that "
                "is reparameterised, such as tfvae.layers.Normal or "
                "tfvae.layers.RelaxedOneHotCategorical."
            )
        reconstruction, kl = terms.reconstruction, terms.kl(self.kl)
        beta = self.beta(context.step) if callable(self.beta) else self.beta
        bound = reconstruction - tf.cast(beta, kl.dtype) * kl
        loss = -bound
        return Estimate(bound, loss, loss, reconstruction, kl)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        beta = self.beta
        if callable(beta):
            beta = keras.optimizers.schedules.serialize(beta)
        return super().get_config() | {"beta": beta, "kl": self.kl}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ELBO":
        """Makes the objective again from `get_config()`."""
        if isinstance(config["beta"], dict):
            beta = keras.optimizers.schedules.deserialize(config["beta"])
            config = config | {"beta": beta}
        return cls(**config)
