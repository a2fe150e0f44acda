"""Mixtures of the distributions of another layer."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.layers.base import DistributionLayer
from tfvae.layers.components import noise_size, own_noise, select

__all__ = ["Mixture"]


@keras.saving.register_keras_serializable("tfvae")
class Mixture(DistributionLayer):
    """A mixture of K distributions of one family.

        p(x) = sum_k w_k p_k(x),   w = softmax(mixture_logits)

    The features give the weights and the parameters of each component. What the
    component's layer learns by itself, such as a scale that is shared, is the same in
    all components. Its projection is not used: the mixture has its own.

    A draw chooses a component and takes a draw from it. The gradient goes to the
    parameters of the chosen component, and none to the weights. `location` is the mean
    where the component's is, else the location of the most probable component.

    Args:
        component: The layer whose distributions are mixed, with the event shape of the
            mixture: any but a `Mixture`, and none that takes parameters from the data.
        num_components: The number K of components, a positive int.
        **kwargs: Arguments of `DistributionLayer` but for the event shape. Default of
            `dtype`: that of the component.

    Raises:
        ValueError: If an argument is none of these, or the component computes in
            another dtype than the mixture.

    Example:
    >>> layer = tfvae.layers.Mixture(tfvae.layers.Normal(2), num_components=5)
    >>> p = layer(keras.ops.ones((8, 3)))
    >>> p.batch_shape, p.event_shape
    (TensorShape([8]), TensorShape([2]))

    Reference: Bishop, "Mixture density networks", 1994,
    https://publications.aston.ac.uk/id/eprint/373.
    """

    noise = "uniform"
    reparameterized = False

    def __init__(
        self, component: DistributionLayer, num_components: int, **kwargs: Any
    ) -> None:
        mixed = isinstance(component, DistributionLayer)
        if not mixed or isinstance(component, Mixture) or component.takes_data:
            raise ValueError(
                "`component` must be a distribution layer, but no mixture and none "
                f"that takes parameters from the data. Received: {component!r}."
            )
        dtype = kwargs.pop("dtype", None)
        dtype = component.dtype_policy if dtype is None else dtype
        super().__init__(component.event_shape, dtype=dtype, **kwargs)
        if component.variable_dtype != self.variable_dtype:
            raise ValueError(
                f"`component` must compute in {self.variable_dtype}, the dtype of the "
                f"mixture. Received: one in {component.variable_dtype}."
            )
        self.component = component
        self.supports_jit = component.supports_jit
        self.num_components = _checks.positive_int("num_components", num_components)

    @property
    def support(self) -> str:  # type: ignore[override]
        """The values that have a density, in words for an error message."""
        return self.component.support

    @property
    def measure(self) -> str:  # type: ignore[override]
        """What the density is one of: that of the component."""
        return self.component.measure

    @property
    def density_inverts(self) -> bool:  # type: ignore[override]
        """Whether the density of a given value takes an inversion."""
        return self.component.density_inverts

    @property
    def location_is_mean(self) -> bool:  # type: ignore[override]
        """Whether `location` is the mean."""
        return self.component.location_is_mean

    @property
    def bits_per_dimension(self) -> bool:  # type: ignore[override]
        """Whether the bound is also reported as bits for each number of the data."""
        return self.component.bits_per_dimension

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one draw takes."""
        return (noise_size(self.component),)

    def _add_weights(self) -> None:
        # Those of the component but for its projection.
        self.component._add_weights()
        self.component.built = True

    def _count_step(self) -> None:
        self.component._count_step()

    def _lead(self) -> tuple[int, ...]:
        return ()

    def _raw_shapes(self) -> dict[str, tuple[int, ...]]:
        count = self.num_components
        components = self.component._raw_shapes().items()
        shapes = {name: (count, *shape) for name, shape in components}
        return {"mixture_logits": (count,)} | shapes

    def _constrain(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        shapes = self.component._raw_shapes().items()
        folded = {name: tf.reshape(raw[name], (-1, *shape)) for name, shape in shapes}

        def unfold(name: str, value: tf.Tensor) -> tf.Tensor:
            if self.component.is_shared(name):
                return value
            return tf.reshape(value, (-1, self.num_components, *value.shape[1:]))

        constrained = self.component._constrain(folded).items()
        parameters = {name: unfold(name, value) for name, value in constrained}
        return {"mixture_logits": raw["mixture_logits"]} | parameters

    def _distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        logits = parameters.pop("mixture_logits")
        return _mixture(logits, self.component._distribution(**parameters))

    def parameters(self, q: tfd.Distribution) -> dict[str, tf.Tensor]:
        """Returns `mixture_logits` [*batch, K], and those of the component.

        They have the axes [*batch, K, ...], where they are not shared.
        """
        components = self.component.parameters(q.components_distribution)
        return {"mixture_logits": q.mixture_distribution.logits} | components

    def detach(self, q: tfd.Distribution) -> tfd.Distribution:
        """Returns `q` with no gradient through its parameters."""
        logits = tf.stop_gradient(q.mixture_distribution.logits)
        return _mixture(logits, self.component.detach(q.components_distribution))

    def _map(self, q: tfd.Distribution, function: Any) -> tfd.Distribution:
        logits = function("mixture_logits", q.mixture_distribution.logits)
        return _mixture(
            logits, self.component._map(q.components_distribution, function)
        )

    def location(self, q: tfd.Distribution) -> tf.Tensor:
        """Returns the mean, or the location of the most probable component."""
        logits = q.mixture_distribution.logits
        if self.component.location_is_mean:
            weights = tf.nn.softmax(logits)
        else:
            first = tf.argmax(logits, axis=-1, output_type=tf.int32)
            weights = tf.one_hot(first, self.num_components, dtype=logits.dtype)
        locations = self.component.location(q.components_distribution)
        return _weighted(weights, locations, len(self.event_shape))

    def stddev(self, q: tfd.Distribution) -> tf.Tensor | None:
        """Returns the standard deviations [*batch, *event]; None where none is known.

        The variance is the mean of those of the components and of the squared
        distances of their means.
        """
        deviations = self.component.stddev(q.components_distribution)
        if deviations is None:
            return None
        axes = len(self.event_shape)
        weights = tf.nn.softmax(q.mixture_distribution.logits)
        means = self.component.location(q.components_distribution)
        mean = tf.expand_dims(_weighted(weights, means, axes), -1 - axes)
        squares = tf.square(deviations) + tf.math.squared_difference(means, mean)
        return tf.sqrt(_weighted(weights, squares, axes))

    def _transform(
        self, q: tfd.Distribution, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        parameters = self.parameters(q)
        logits = parameters.pop("mixture_logits")
        own = {
            name: value
            for name, value in parameters.items()
            if not self.component.is_shared(name)
        }
        chosen = select(logits, own, noise[..., 0])
        component = self.component._map(
            q.components_distribution, lambda name, value: chosen.get(name, value)
        )
        own_numbers = own_noise(self.component, noise[..., 1:])
        x, _ = self.component.transform(component, own_numbers)
        return x, q.log_prob(x)

    def _in_support(self, x: tf.Tensor) -> tf.Tensor:
        return self.component._in_support(x)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, and the event shape."""
        return super().get_config() | {
            "component": keras.saving.serialize_keras_object(self.component),
            "num_components": self.num_components,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Mixture":
        """Makes the layer from what `get_config` returned."""
        arguments = {key: config[key] for key in config.keys() - {"event_shape"}}
        component = keras.saving.deserialize_keras_object(arguments["component"])
        return cls(**arguments | {"component": component})


def _mixture(logits: tf.Tensor, components: tfd.Distribution) -> tfd.Distribution:
    return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components)


def _weighted(weights: tf.Tensor, values: tf.Tensor, axes: int) -> tf.Tensor:
    """The sum over K of weights [*batch, K] times values [*batch, K, *event]."""
    weights = weights[(..., *[None] * axes)]
    return tf.reduce_sum(weights * values, axis=-1 - axes)
