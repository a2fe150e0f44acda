"""What all bounds share: draws, a weighting, a gradient estimator, penalties."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae import _checks
from tfvae.objectives.base import Context, Estimate, Objective
from tfvae.objectives.gradients import GRADIENTS, encoder_surrogate, surrogate
from tfvae.objectives.penalties.base import Penalty, as_penalties
from tfvae.objectives.terms import Terms
from tfvae.objectives.weightings import Weighting

__all__ = ["Bound"]


class Bound(Objective):
    """Base class of the objectives F(v) + r, a product of small choices.

        loss = -(F(v) + r) + sum of penalties

    v [S, B] are the log weights log p(x|z) + log p(z) - log q(z|x) of the draws unless
    a subclass says otherwise, F puts them together, and r [B] has a closed form.

    Args:
        num_samples: Number S of draws of z for each example. Default: 1.
        gradient: The estimator of the gradient: "reparameterized", "stl", "dreg" or
            "score"; `tfvae.objectives.gradients` says what each is.
            Default: "reparameterized".
        penalties: `tfvae.objectives.Penalty` objects, whose weighted values are added
            to the loss. Default: none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is none of these, or `gradient="score"` is given
            fewer than two draws.
    """

    def __init__(
        self,
        num_samples: int = 1,
        gradient: str = "reparameterized",
        penalties: Sequence[Penalty] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(num_samples, **kwargs)
        self.gradient = _checks.one_of("gradient", gradient, GRADIENTS)
        self.penalties = as_penalties(penalties)
        if gradient != "score":
            return
        if self.num_draws < 2:
            raise ValueError(
                'gradient="score" compares the draws of an example with each other: '
                f"`num_samples` must be at least 2. Received: {num_samples}."
            )
        for penalty in self.penalties:
            if penalty.needs_paths:
                raise ValueError(
                    f'gradient="score" sends no gradient through the draws of z, which '
                    f"{type(penalty).__name__} in `penalties` is trained through."
                )

    @property
    def pathwise(self) -> bool:
        """Whether gradients flow through the draws of z."""
        return self.gradient != "score"

    def estimate(self, terms: Terms, context: Context) -> Estimate:
        """Returns the bound and the losses, all [B], nats.

        Raises:
            ValueError: If it is for training, and the gradient asks for more than the
                posterior or the number of draws can give.
        """
        if context.training:
            self._check_draws(terms)
        rest, penalty = self._rest(terms, context), self._penalty(terms, context)

        def values(log_posterior: tf.Tensor) -> tf.Tensor:
            return self._values(terms, log_posterior, context)

        weighting = self._weighting(context)
        bound = weighting.value(values(terms.log_posterior)) + rest
        loss = penalty - bound

        def with_gradient_of(upward: tf.Tensor) -> tf.Tensor:
            downward = penalty - rest - upward
            return tf.stop_gradient(loss) + (downward - tf.stop_gradient(downward))

        for_encoder = for_decoder = loss
        if context.training and self.gradient != "reparameterized":
            upward = surrogate(self.gradient, weighting, values, terms)
            for_encoder = for_decoder = with_gradient_of(upward)
        of_encoder = self._weighting_of_encoder(context)
        if context.training and (of_encoder is not None or self.gradient == "dreg"):
            upward = encoder_surrogate(
                self.gradient, of_encoder or weighting, values, terms
            )
            for_encoder = with_gradient_of(upward)
        return Estimate(
            bound,
            encoder_loss=for_encoder,
            decoder_loss=for_decoder,
            reconstruction=terms.reconstruction,
            kl=self._divergence(terms),
        )

    # What a bound says of itself.

    @abc.abstractmethod
    def _weighting(self, context: Context) -> Weighting:
        """F."""

    def _weighting_of_encoder(self, context: Context) -> Weighting | None:
        """F for the gradient of the encoder, None where it is the same."""
        return None

    def _values(
        self, terms: Terms, log_posterior: tf.Tensor, context: Context
    ) -> tf.Tensor:
        """The values v of the draws whose log q(z|x) is given: [S, B]."""
        return terms.log_likelihood + terms.log_prior - log_posterior

    def _rest(self, terms: Terms, context: Context) -> tf.Tensor:
        """What is not estimated from draws: [B]."""
        return tf.zeros_like(terms.log_posterior[0])

    def _divergence(self, terms: Terms) -> tf.Tensor:
        """KL(q(z|x) || p(z)) as the logs have it: [B]."""
        return terms.kl()

    # What every bound does with it.

    def _penalty(self, terms: Terms, context: Context) -> tf.Tensor:
        """The sum of the penalties, [B]."""
        total = tf.zeros_like(terms.log_posterior[0])
        for penalty in self.penalties:
            total += penalty.value(terms, context)
        return total

    def _check_draws(self, terms: Terms) -> None:
        layer = terms.posterior_layer
        if self.gradient != "score" and not layer.reparameterized:
            raise ValueError(
                f'`gradient="{self.gradient}"` goes through the draws of z, and those '
                f"of {layer!r} carry no gradient to its parameters. Use "
                'gradient="score" with two draws or more, or a posterior that is '
                "reparameterised, such as tfvae.layers.Normal or "
                "tfvae.layers.RelaxedOneHotCategorical."
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "gradient": self.gradient,
            "penalties": [
                keras.saving.serialize_keras_object(penalty)
                for penalty in self.penalties
            ],
        }
