"""The density p(x) of a model as a distribution."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks

__all__ = ["Marginal"]


class Marginal(tfd.Distribution):
    """The density p(x) of a model, with draws and an estimate of its logarithm.

        p(x) = integral of p(x|z) p(z) dz

    Draws are exact. Densities are importance-weighted estimates as in `vae.log_prob`,
    lower bounds in expectation. Their draws of z have the seed 0 unless another one is
    given, so that `log_prob(x)` repeats itself and can be compared between data:

        log_prob(x, seed=0)

    The weights of the model are read when they are needed, as they are then.

    Args:
        vae: The `tfvae.VAE`.
        num_samples: Number S of draws of z in `log_prob`. Default: 1000.
        name: Name of the distribution.

    Raises:
        ValueError: If `num_samples` is no positive integer, or in `log_prob` if `x` is
            not of the shape [*lead, *event], with any leading axes, or not in the
            support of the likelihood.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> decoder = keras.Sequential([keras.Input((2,)), tfvae.layers.Normal(4)])
    >>> p = tfvae.VAE(encoder, decoder).marginal(num_samples=10)
    >>> p.log_prob(p.sample(3)).shape
    TensorShape([3])

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, https://arxiv.org/abs/1509.00519.
    """

    def __init__(
        self, vae: Any, num_samples: int = 1000, name: str = "Marginal"
    ) -> None:
        parameters = dict(locals())
        self.num_samples = _checks.positive_int("num_samples", num_samples)
        self._vae = vae
        super().__init__(
            dtype=tf.as_dtype(vae.likelihood_layer.variable_dtype),
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @property
    def vae(self) -> Any:
        """The model."""
        return self._vae

    @classmethod
    def _parameter_properties(
        cls, dtype: Any, num_classes: Any = None
    ) -> dict[str, Any]:
        return {}

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape(self._vae.likelihood_layer.event_shape)

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._vae.likelihood_layer.event_shape, tf.int32)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return self._vae.draw(tf.cast(n, tf.int32), self._vae._seed(seed))

    def _log_prob(self, x: tf.Tensor, seed: Any = 0) -> tf.Tensor:
        x = _check_shape(x, tuple(self.event_shape))
        lead = tf.shape(x)[: tf.rank(x) - len(self.event_shape)]
        rows = tf.reshape(x, (-1, *self.event_shape))
        return tf.reshape(self._vae.log_prob(rows, self.num_samples, seed), lead)


def _check_shape(x: tf.Tensor, event: tuple[int, ...]) -> tf.Tensor:
    """Returns x [*lead, *event]; axes that a graph does not know yet, it checks."""
    if x.shape.rank is None:
        return x
    _checks.ends_with("x", x.shape, event)
    return tf.ensure_shape(x, (*[None] * (x.shape.rank - len(event)), *event))
