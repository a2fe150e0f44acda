"""The terms of log p(x) that one pass through a model gives an objective."""

import dataclasses
import functools

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.distributions import closed_form_kl, kl_method
from tfvae.layers import DistributionLayer

__all__ = ["KL_METHODS", "Terms"]


KL_METHODS = ("auto", "analytic", "monte_carlo")


@dataclasses.dataclass(frozen=True, eq=False)
class Terms:
    """Everything that bounds and penalties are made of, for one batch of data.

    S is the number of samples of z for each example, B the batch. Each term is
    computed when it is first asked for, so an objective pays for what it uses.

    Attributes:
        x: The data [B, *event].
        z: Draws from q(z|x): [S, B, *latent].
        log_posterior: log q(z|x) at the draws: [S, B], nats.
        posterior: q(z|x), batch shape [B].
        likelihood: p(x|z), batch shape [S, B].
        prior: p(z), batch shape [].
        posterior_layer: The layer that made `posterior`, for its `detach`.
        likelihood_layer: The layer that made `likelihood`, for its `detach`.
        sample_weight: What each example counts for, [B], or None for one each.
        pathwise: Whether gradients flow through the draws.
    """

    x: tf.Tensor
    z: tf.Tensor
    log_posterior: tf.Tensor
    posterior: tfd.Distribution
    likelihood: tfd.Distribution
    prior: tfd.Distribution
    posterior_layer: DistributionLayer
    likelihood_layer: DistributionLayer
    sample_weight: tf.Tensor | None = None
    pathwise: bool = True

    @functools.cached_property
    def log_likelihood(self) -> tf.Tensor:
        """Log p(x|z): [S, B], nats."""
        return self.likelihood.log_prob(self.x)

    @functools.cached_property
    def log_prior(self) -> tf.Tensor:
        """Log p(z): [S, B], nats."""
        return self.prior.log_prob(self.z)

    @functools.cached_property
    def log_weights(self) -> tf.Tensor:
        """Log p(x|z) + log p(z) - log q(z|x): [S, B], nats."""
        return self.log_likelihood + self.log_prior - self.log_posterior

    @functools.cached_property
    def log_posterior_detached(self) -> tf.Tensor:
        """Log q(z|x) as a function of the draws alone: [S, B], nats.

        Its gradient reaches the parameters of q through z, and not by themselves.
        """
        return self.posterior_layer.detach(self.posterior).log_prob(self.z)

    @functools.cached_property
    def reconstruction(self) -> tf.Tensor:
        """E_q[log p(x|z)], the mean over the draws: [B], nats."""
        return tf.reduce_mean(self.log_likelihood, axis=0)

    @property
    def kl_method(self) -> str:
        """What `kl()` uses for this pair: "analytic" or "monte_carlo"."""
        return kl_method(self.posterior, self.prior)

    def kl(self, method: str = "auto") -> tf.Tensor:
        """KL(q(z|x) || p(z)) of each example.

        Args:
            method: "analytic" for the closed form, "monte_carlo" for the mean of
                log q(z|x) - log p(z) over the draws, "auto" for the closed form
                where one is registered and Monte Carlo elsewhere. Default: "auto".

        Returns:
            A tensor [B] in nats.

        Raises:
            ValueError: If `method` is none of these, or is "analytic" and no closed
                form is registered for this pair.
        """
        _checks.one_of("method", method, KL_METHODS)
        closed = None
        if method != "monte_carlo":
            closed = closed_form_kl(self.posterior, self.prior)
        if closed is not None:
            return closed
        if method == "analytic":
            raise ValueError(
                f'kl="analytic" needs a closed form of KL(q || p), and none is '
                f"registered for q = {self.posterior} and p = {self.prior}. Use "
                'kl="auto" or kl="monte_carlo".'
            )
        return tf.reduce_mean(self.log_posterior - self.log_prior, axis=0)
