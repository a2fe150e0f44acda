"""The VampPrior: a mixture of the encoder's own posteriors."""

import dataclasses
import numbers
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae.layers import DistributionLayer, distribution_layer
from tfvae.layers.components import draw_component, noise_size
from tfvae.priors.base import Prior
from tfvae.priors.mixture import mixture

__all__ = ["VampPrior"]


@dataclasses.dataclass
class _Borrowed:
    """Holds a model that belongs to another one: Keras does not look in here."""

    encoder: keras.Model | None


@keras.saving.register_keras_serializable("tfvae")
class VampPrior(Prior):
    """A mixture of the posteriors of K pseudo-inputs, which are learned.

        p(z) = 1/K sum_k q(z | u_k)

    It is the prior that would be best for the ELBO, the posterior averaged over the
    data, with K learned points in place of the data. The encoder q is that of the
    model, called as for inference; it stays the model's, and is neither saved nor
    counted here a second time.

    Args:
        encoder: The encoder of the model that the prior is for, or None for whichever
            model the prior is given to; then both shapes must be given.
        num_pseudo_inputs: The number K of pseudo-inputs, a positive int. Default: 500.
        data_shape: Shape of one pseudo-input. Default: that of the encoder's input.
        event_shape: Shape of one latent z. Default: that of the encoder's
            distribution.
        initializer: Initialiser of the pseudo-inputs [K, *data_shape], or None for
            uniform numbers on (0, 1). `adapt` sets them to examples. Default: None.
        constraint: Constraint on the pseudo-inputs, such as
            `tfvae.priors.Interval(0, 1)`. Default: None.
        **kwargs: Arguments of `keras.layers.Layer`. Default of `dtype`: that of the
            encoder's distribution.

    Raises:
        ValueError: If the encoder does not end in a distribution layer, or a shape is
            not known or does not fit it.

    Example:
    >>> encoder = keras.Sequential([keras.Input((4,)), tfvae.layers.Normal(2)])
    >>> prior = tfvae.priors.VampPrior(encoder, num_pseudo_inputs=10)
    >>> prior.distribution.event_shape, len(prior.weights)
    (TensorShape([2]), 1)

    Reference: Tomczak and Welling, "VAE with a VampPrior", 2018,
    https://arxiv.org/abs/1705.07120.
    """

    def __init__(
        self,
        encoder: keras.Model | None,
        num_pseudo_inputs: int = 500,
        *,
        data_shape: int | Sequence[int] | None = None,
        event_shape: int | Sequence[int] | None = None,
        initializer: Any = None,
        constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if encoder is not None:
            layer = distribution_layer("encoder", encoder)
            if kwargs.get("dtype") is None:
                kwargs["dtype"] = layer.dtype_policy
            if event_shape is None:
                event_shape = layer.event_shape
            if data_shape is None:
                data_shape = _input_shape(encoder)
        if event_shape is None or data_shape is None:
            raise ValueError(
                "`event_shape` and `data_shape` must be given where `encoder` is None. "
                f"Received: event_shape={event_shape!r}, data_shape={data_shape!r}."
            )
        super().__init__(event_shape, **kwargs)
        self.num_pseudo_inputs = _checks.positive_int(
            "num_pseudo_inputs", num_pseudo_inputs
        )
        self.data_shape = _data_shape(data_shape)
        if initializer is None:
            initializer = keras.initializers.RandomUniform(0.0, 1.0)
        self.initializer = keras.initializers.get(initializer)
        self.constraint = keras.constraints.get(constraint)
        self._borrowed = _Borrowed(None)
        self.pseudo_inputs = self.add_weight(
            shape=(self.num_pseudo_inputs, *self.data_shape),
            initializer=self.initializer,
            constraint=self.constraint,
            autocast=False,
            name="pseudo_inputs",
        )
        if self.constraint is not None:
            self.pseudo_inputs.assign(self.constraint(self.pseudo_inputs))
        if encoder is not None:
            self.bind(encoder)

    def bind(self, encoder: keras.Model) -> None:
        """Tells the prior the encoder of the model it is part of.

        Raises:
            ValueError: If it has another encoder, or this one has another event shape
                or dtype.
        """
        bound = self._borrowed.encoder
        if bound is not None and bound is not encoder:
            raise ValueError(
                f"{self!r} was made for another encoder. Make a VampPrior with the "
                "encoder of the model."
            )
        layer = distribution_layer("encoder", encoder)
        if layer.event_shape != self.event_shape:
            raise ValueError(
                f"{self!r} needs an encoder with the event shape "
                f"{list(self.event_shape)}. Received: {list(layer.event_shape)}."
            )
        if layer.variable_dtype != self.variable_dtype:
            raise ValueError(
                f"{self!r} needs an encoder with a distribution in "
                f"{self.variable_dtype}. Received: {layer.variable_dtype}."
            )
        self._borrowed.encoder = encoder

    def adapt(self, x: Any, seed: int | None = None) -> Self:
        """Sets the pseudo-inputs to different examples, chosen at random.

        Args:
            x: Data [N, *data_shape], with N >= K.
            seed: An int that fixes the choice, or None. Default: None.

        Returns:
            The prior itself.

        Raises:
            ValueError: If `x` is not such an array, or `seed` is none of these.
        """
        x, count = np.asarray(x), self.num_pseudo_inputs
        if (
            x.shape[1:] != self.data_shape
            or len(x) < count
            or x.dtype.kind not in _REAL
        ):
            want = ", ".join([f"N >= {count}", *map(str, self.data_shape)])
            raise ValueError(
                f"`x` must be an array of numbers of the shape [{want}]. "
                f"Received: {_checks.describe(x)}."
            )
        rng = np.random.default_rng(_checks.seed(seed))
        rows = rng.choice(len(x), count, replace=False)
        chosen = x[rows].astype(self.variable_dtype)
        if not np.all(np.isfinite(chosen)):
            raise ValueError("`x` must be finite. Received: examples that are not.")
        if self.constraint is not None:
            chosen = self.constraint(chosen)
        self.pseudo_inputs.assign(chosen)
        return self

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution p(z), with batch shape [] and this event shape."""
        return mixture(self._logits(), self._posteriors())

    @property
    def noise(self) -> str:
        """The noise that `transform` takes: "uniform"."""
        return "uniform"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise of one draw: a component, and what the encoder's takes."""
        return (noise_size(self._layer()),)

    @property
    def measure(self) -> str:  # type: ignore[override]
        """What the density is one of: as the encoder's is."""
        return self._layer().measure

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Turns uniforms [*lead, *noise_shape] into draws z [*lead, *event]."""
        layer = self._layer()
        parameters = layer.parameters(self._posteriors())
        noise = tf.cast(noise, self.variable_dtype)
        return draw_component(layer, self._logits(), parameters, noise)

    def _logits(self) -> tf.Tensor:
        return tf.zeros([self.num_pseudo_inputs], self.variable_dtype)

    def _posteriors(self) -> tfd.Distribution:
        inputs = tf.convert_to_tensor(self.pseudo_inputs)
        return self._encoder()(inputs, training=False)

    def _layer(self) -> DistributionLayer:
        return distribution_layer("encoder", self._encoder())

    def _encoder(self) -> keras.Model:
        if self._borrowed.encoder is None:
            raise ValueError(
                f"{self!r} has no encoder yet: give it to a tfvae.VAE, or call "
                "`bind(encoder)`."
            )
        return self._borrowed.encoder

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, without the encoder."""
        return super().get_config() | {
            "encoder": None,
            "num_pseudo_inputs": self.num_pseudo_inputs,
            "data_shape": self.data_shape,
            "initializer": keras.initializers.serialize(self.initializer),
            "constraint": keras.constraints.serialize(self.constraint),
        }


_REAL = "biuf"
"""Kinds of NumPy dtypes that are numbers on the real line."""


def _data_shape(value: int | Sequence[int]) -> tuple[int, ...]:
    axes: Any = (value,) if isinstance(value, numbers.Number | str) else value
    return tuple(_checks.positive_int("data_shape", axis) for axis in axes)


def _input_shape(encoder: keras.Model) -> tuple[int, ...]:
    """The shape of one input, where the encoder declares it."""
    declared = getattr(encoder, "inputs", None)
    shape = declared[0].shape[1:] if declared else (None,)
    if None in shape:
        raise ValueError(
            "`data_shape` must be given for an encoder that does not declare the shape "
            f"of its input. Received: {encoder.name}."
        )
    return tuple(shape)
