"""The elements of distributions whose elements are independent."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import Normal
from tfvae.vae import VAE

__all__ = ["elements", "log_elements", "require_factorised"]


def elements(p: tfd.Distribution) -> tfd.Distribution:
    """Returns the distribution of each element of `p`, all axes being of its batch.

    Args:
        p: A distribution with independent elements, batch shape [*batch].

    Returns:
        A distribution of numbers, whose batch shape broadcasts with [*batch, *event].

    Raises:
        ValueError: If the class of `p` does not say that its elements are independent.
    """
    if isinstance(p, tfd.MultivariateNormalDiag):
        return Normal(p.mean(), p.stddev())
    if isinstance(p, tfd.Independent) and p.distribution.event_shape.rank == 0:
        return p.distribution
    if (
        isinstance(p, tfd.Sample)
        and p.distribution.event_shape.rank == 0
        and p.distribution.batch_shape.rank == 0
    ):
        return p.distribution
    raise ValueError(f"{p} has no independent elements.")


def require_factorised(diagnostic: str, vae: VAE, q: tfd.Distribution) -> None:
    """Raises ValueError unless posterior and prior both have independent elements."""
    for role, p in (("posterior q(z|x)", q), ("prior p(z)", vae.prior)):
        try:
            elements(p)
        except ValueError as error:
            raise ValueError(
                f"{diagnostic}() looks at each latent element alone, which needs a "
                f"{role} with independent elements, such as that of "
                f"tfvae.layers.Normal or tfvae.priors.Normal. Received: {p}. "
                "aggregate_kl() takes any posterior and prior with densities."
            ) from error


def log_elements(p: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Returns log p of each element of z [*lead, *event], as [*lead, D]."""
    values = elements(p).log_prob(z)
    lead = tf.shape(values)[: values.shape.rank - p.event_shape.rank]
    return tf.reshape(values, tf.concat([lead, [p.event_shape.num_elements()]], 0))
