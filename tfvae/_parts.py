"""The parts of a model are checked against each other before it is made."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import _checks
from tfvae._math import as_seed
from tfvae.layers import DistributionLayer
from tfvae.priors import Fixed, Prior, StandardNormal, UniformSphere

__all__ = ["as_prior", "check_parts", "check_seed"]

_MEASURES = {
    "lebesgue": "a density over real numbers",
    "counting": "a mass for each of separate values",
    "sphere": "a density on the unit sphere",
    "simplex": "a density on the probability simplex",
    "mixed": "a density over values of several kinds",
}

_ADVICE = {
    "simplex": "Use tfvae.priors.RelaxedUniform(event_shape, temperature).",
    "counting": (
        "Use a tfd.Distribution over the same values, of a floating dtype. Its draws "
        "carry no gradient, so that the ELBO cannot train it: for that take "
        "tfvae.layers.RelaxedOneHotCategorical."
    ),
    "mixed": "Use a tfd.Distribution over the same values.",
}

_DEFAULTS: dict[str, Callable[..., Prior]] = {
    "lebesgue": StandardNormal,
    "sphere": UniformSphere,
}
"""Priors that know nothing, by what they are a density over."""


def as_prior(prior: Any, posterior_layer: DistributionLayer, encoder: Any) -> Prior:
    """Returns the `prior` argument of a model as a `Prior` that fits the posterior.

    Raises:
        ValueError: If it is no prior, has another event shape or dtype, or is a density
            over something else.
    """
    shape, dtype = posterior_layer.event_shape, posterior_layer.variable_dtype
    if prior is None:
        prior = _default(posterior_layer)
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
    prior.bind(encoder)
    if prior.measure != posterior_layer.measure:
        raise ValueError(
            f"`prior` must be over the same values as {posterior_layer!r}, "
            f"with {_MEASURES[posterior_layer.measure]}: KL(q || p) is infinite or "
            f"meaningless otherwise. Received {prior!r}, with "
            f"{_MEASURES[prior.measure]}."
        )
    if isinstance(prior, Fixed):
        _check_reach(prior, posterior_layer)
    prior_dtype = tf.as_dtype(prior.distribution.dtype).name
    if prior_dtype != dtype:
        raise ValueError(
            f"`prior` must have the dtype {dtype} of the encoder's distribution. "
            f"Received the dtype {prior_dtype}."
        )
    return prior


_PROBES = (-1e3, -2.0, -0.5, 0.0, 0.5, 2.0, 1e3)
"""Values of z, of which those that a posterior gives must have a prior density."""


def _check_reach(prior: Fixed, posterior_layer: DistributionLayer) -> None:
    """Refuses a prior over a part of the values that the posterior gives.

    Densities of TensorFlow Probability are often no number or not zero outside of their
    support, so that it is not the density that is asked.
    """
    if posterior_layer.measure != "lebesgue":
        return
    # How TensorFlow Probability says that it does not know where a density ends.
    try:
        support = prior.distribution.experimental_default_event_space_bijector()
    except NotImplementedError:
        return
    if support is None:
        return
    dtype = posterior_layer.variable_dtype
    for probe in _PROBES:
        z = tf.fill(posterior_layer.event_shape, tf.constant(probe, dtype))
        if np.any(posterior_layer.unsupported(z)):
            continue
        if not np.all(np.isfinite(support.inverse(z))):
            raise ValueError(
                "`prior` must have a density wherever the posterior has one, or "
                f"KL(q || p) is infinite: {posterior_layer!r} gives values such as "
                f"{probe:g}, which are outside of the support of {prior.distribution}."
            )


def _default(posterior_layer: DistributionLayer) -> Prior:
    make = _DEFAULTS.get(posterior_layer.measure)
    if make is None:
        raise ValueError(
            f"`prior` must be given for {posterior_layer!r}, with "
            f"{_MEASURES[posterior_layer.measure]}: there is no standard one. "
            f"{_ADVICE[posterior_layer.measure]}"
        )
    return make(posterior_layer.event_shape, dtype=posterior_layer.variable_dtype)


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
    if posterior_layer.takes_data:
        raise ValueError(
            f"`encoder` must not end in {posterior_layer!r}: it takes a parameter from "
            "the data whose likelihood it is, and z is no data."
        )
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
