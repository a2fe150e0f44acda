"""A mixture of Gaussians as a prior, learned or fitted to encoded data."""

import math
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import MIN_SCALE, normal_from_uniforms, positive, positive_inverse
from tfvae.distributions import Normal as NormalDistribution
from tfvae.layers.components import select
from tfvae.priors.base import Prior
from tfvae.priors.mixture import mixture

__all__ = ["GaussianMixture"]


@keras.saving.register_keras_serializable("tfvae")
class GaussianMixture(Prior):
    """A mixture of K Gaussians with independent elements.

        p(z) = sum_k w_k prod_i N(z_i; loc_ki, scale_ki^2)

    The weights are a softmax and the scales `softplus(raw) + 1e-6`. It starts with
    equal weights, unit scales and means drawn from a standard normal. It is trained
    with the model, or fitted afterwards to encoded data with `fit`.

    Args:
        event_shape: Shape of one latent z: a positive int or a non-empty sequence.
        num_components: The number of components K, a positive int. Default: 10.
        seed: An int that fixes the first means, or None. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If `num_components` is no positive int, or `seed` is none of these.

    Example:
    >>> prior = tfvae.priors.GaussianMixture(2, num_components=3, seed=0)
    >>> prior.distribution.log_prob(np.zeros((5, 2))).shape
    TensorShape([5])
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_components: int = 10,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, **kwargs)
        self.num_components = _checks.positive_int("num_components", num_components)
        self.seed = _checks.seed(seed)
        one = float(positive_inverse(1.0))
        shape = (self.num_components, *self.event_shape)
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
        self.logits = self._weight("logits", shape[:1], "zeros")
        self.loc = self._weight("loc", shape, normal)
        self.raw_scale = self._weight(
            "raw_scale", shape, keras.initializers.Constant(one)
        )

    def _weight(self, name: str, shape: Sequence[int], initializer: Any) -> Any:
        return self.add_weight(
            shape=shape, initializer=initializer, autocast=False, name=name
        )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        logits, loc, scale = self._parameters()
        elements = NormalDistribution(loc, scale)
        return mixture(logits, tfd.Independent(elements, len(self.event_shape)))

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "uniform"."""
        return "uniform"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise of one draw: a component, and two for each element."""
        return (1 + 2 * math.prod(self.event_shape),)

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns uniforms [*lead, 1 + 2 D] into draws z [*lead, *event].

        The first chooses a component; the others make two and two a normal.
        """
        logits, loc, scale = self._parameters()
        noise = tf.cast(noise, loc.dtype)
        chosen = select(logits, {"loc": loc, "scale": scale}, noise[..., 0])
        normal = normal_from_uniforms(*tf.split(noise[..., 1:], 2, axis=-1))
        normal = tf.reshape(normal, tf.shape(chosen["loc"]))
        return chosen["loc"] + chosen["scale"] * normal

    def fit(self, z: Any, seed: int | None = None, max_iter: int = 100) -> Self:
        """Sets the mixture to the one of maximum likelihood for latents z.

        The second stage of a two-stage sampler: train with a simple prior, draw a
        latent for each example, fit the mixture to them and make a model with it:

            z = vae.encode(x).sample()
            prior = tfvae.priors.GaussianMixture(latent_size, 10).fit(z)
            better = tfvae.VAE(vae.encoder, vae.decoder, prior)

        It is draws that a prior must fit: means alone are less spread than they are.

        Args:
            z: Draws of latents [N, *event], finite, with N >= K.
            seed: An int that fixes where the search starts, or None. Default: None.
            max_iter: The largest number of steps of expectation maximisation.
                Default: 100.

        Returns:
            The prior itself.

        Raises:
            ImportError: If scikit-learn is not installed.
            ValueError: If `z` is not such an array, or another argument no such int.

        Reference: Ghosh et al., "From variational to deterministic autoencoders",
        2020, https://openreview.net/forum?id=S1g7tpEYDS.
        """
        z = self._check_latents(z)
        try:
            from sklearn.mixture import GaussianMixture as Mixture
        except ImportError as error:
            raise ImportError(
                "GaussianMixture.fit needs scikit-learn: pip install 'tfvae[mixture]'."
            ) from error
        fitted = Mixture(
            self.num_components,
            covariance_type="diag",
            max_iter=_checks.positive_int("max_iter", max_iter),
            random_state=_checks.seed(seed),
        ).fit(z)
        # A variance below what a scale can be would have no raw number.
        scale = np.maximum(np.sqrt(fitted.covariances_), 2 * MIN_SCALE)
        self.logits.assign(np.log(np.maximum(fitted.weights_, 1e-30)))
        for weight, value in (
            (self.loc, fitted.means_),
            (self.raw_scale, positive_inverse(scale)),
        ):
            weight.assign(value.reshape(weight.shape))
        return self

    def _check_latents(self, z: Any) -> np.ndarray:
        z = np.asarray(z)
        want = ", ".join(["N", *map(str, self.event_shape)])
        if z.shape[1:] != self.event_shape or z.dtype.kind not in "fiu":
            raise ValueError(
                f"`z` must be an array of numbers of the shape [{want}], such as "
                f"`vae.encode(x).sample()`. Received: {_checks.describe(z)}."
            )
        if len(z) < self.num_components:
            raise ValueError(
                f"`z` must hold at least {self.num_components} latents, one for each "
                f"component. Received: {len(z)}."
            )
        if not np.all(np.isfinite(z)):
            count = int(np.sum(~np.isfinite(z)))
            raise ValueError(f"`z` must be finite. Received: {count} numbers not so.")
        return z.reshape(len(z), -1).astype(np.float64)

    def _parameters(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        logits, loc, raw_scale = (
            tf.convert_to_tensor(w) for w in (self.logits, self.loc, self.raw_scale)
        )
        return logits, loc, positive(raw_scale)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return super().get_config() | {
            "num_components": self.num_components,
            "seed": self.seed,
        }
