"""The parts of a model are checked against each other before it is made."""

import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import as_seed
from tfvae.layers import DistributionLayer
from tfvae.priors import Fixed, Prior, StandardNormal

__all__ = ["as_prior", "check_parts", "check_seed"]


def as_prior(prior: Any, posterior_layer: DistributionLayer) -> Prior:
    """Returns the `prior` argument of a model as a `Prior` that fits the posterior.

    Raises:
        ValueError: If it is no prior, or has another event shape or dtype.
    """
    shape, dtype = posterior_layer.event_shape, posterior_layer.variable_dtype
    if prior is None:
        return StandardNormal(shape, dtype=dtype)
    if isinstance(prior, tfd.Distribution):
        prior = _fixed(prior)
    if not isinstance(prior, Prior):
        raise ValueError(
            "`prior` must be a tfvae.priors.Prior, a tfd.Distribution or None. "
            f"Received: {_checks.describe(prior)}."
        )
    if prior.event_shape != shape:
        raise ValueError(
            f"`prior` must have the event shape {list(shape)} of the encoder's "
            f"distribution. Received the event shape {list(prior.event_shape)}."
        )
    if prior.distribution.dtype.name != dtype:
        raise ValueError(
            f"`prior` must have the dtype {dtype} of the encoder's distribution. "
            f"Received the dtype {prior.distribution.dtype.name}."
        )
    return prior


def _fixed(prior: tfd.Distribution) -> Fixed:
    try:
        return Fixed(prior)
    except ValueError as error:
        raise ValueError(f"`prior` cannot be used: {error}") from error


def check_parts(
    encoder: keras.Model,
    decoder: keras.Model,
    posterior_layer: DistributionLayer,
    likelihood_layer: DistributionLayer,
) -> None:
    """Builds the two models if they are not yet, and checks that they fit together.

    Raises:
        ValueError: If shapes or dtypes do not fit, or a model called on data gives
            something other than the distribution of its layer.
    """
    x_shape, z_shape = likelihood_layer.event_shape, posterior_layer.event_shape
    _check_input("encoder", encoder, x_shape, "the decoder's distribution over x")
    _check_input("decoder", decoder, z_shape, "the encoder's distribution over z")
    if posterior_layer.variable_dtype != likelihood_layer.variable_dtype:
        raise ValueError(
            "The encoder's and the decoder's distribution must have one dtype. "
            f"Received: {posterior_layer.variable_dtype} and "
            f"{likelihood_layer.variable_dtype}."
        )
    for name, model, shape, layer in (
        ("encoder", encoder, x_shape, posterior_layer),
        ("decoder", decoder, z_shape, likelihood_layer),
    ):
        output = model(np.zeros((1, *shape), layer.variable_dtype), training=False)
        if (
            not isinstance(output, tfd.Distribution)
            or tuple(output.event_shape) != layer.event_shape
        ):
            raise ValueError(
                f"`{name}` must return the distribution of its layer {layer!r}. "
                f"Received: {_checks.describe(output)}."
            )


def check_seed(seed: Any) -> int | None:
    """Returns the `seed` argument of a model, which is an int or None.

    Raises:
        ValueError: If it is neither, or negative, or too large.
    """
    if seed is None:
        return None
    if not isinstance(seed, numbers.Integral):
        raise ValueError(
            f"`seed` must be a non-negative integer or None. Received: {seed!r}."
        )
    as_seed(seed)
    return int(seed)


def _check_input(
    name: str, model: keras.Model, shape: Sequence[int], source: str
) -> None:
    """Compares a model's declared input, where it declares one, with what it gets."""
    if not model.built or not getattr(model, "inputs", None):
        return
    if len(model.inputs) != 1:
        raise ValueError(
            f"`{name}` must have one input. Received a model with {len(model.inputs)}."
        )
    declared = tuple(model.inputs[0].shape)
    fits = len(declared) == len(shape) + 1 and all(
        size in (None, want) for size, want in zip(declared[1:], shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{name}` must take the event shape {list(shape)} of {source}. "
            f"Received a model for inputs of the shape {list(declared)}."
        )
