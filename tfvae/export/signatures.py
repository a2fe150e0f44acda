"""The named signatures of an exported model, as functions of tensors.

Each takes named tensors and returns a dict of named tensors:

    encode(x)         mean, stddev (where known) and the posterior's own parameters
    decode(z)         mean and the likelihood's own parameters
    reconstruct(x)    mean
    sample            x
    elbo(x)           elbo, reconstruction, kl
    log_prob(x)       log_prob

The last three draw. A SavedModel takes a `seed` for that; elsewhere the draws are a
function of noise that is given, so that two runtimes can be compared number by number,
or of noise that the runtime draws for itself.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._builtins import distinct
from tfvae._math import log_mean_exp
from tfvae.evidence._model import terms_at_draws
from tfvae.evidence._over_draws import blockwise
from tfvae.layers import DistributionLayer
from tfvae.objectives import Terms

__all__ = ["DRAWING", "Signature", "from_raw", "internal", "with_noise", "with_seed"]

DRAWING = ("sample", "elbo", "log_prob")
"""The signatures that draw."""

OF_DATA = ("encode", "reconstruct", "elbo", "log_prob")
"""The signatures that take `x`."""

Tensors = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function from named tensors to named tensors.

    Attributes:
        function: Takes its tensors by position, in the order of `inputs`.
        inputs: Specifications of the inputs, with their names.
        noise: Name of an input to the noise it takes, "normal" or "uniform".
    """

    function: Callable[..., Tensors]
    inputs: list[tf.TensorSpec]
    noise: dict[str, str] = dataclasses.field(default_factory=dict)

    def __call__(self, **tensors: Any) -> Tensors:
        """Calls the function on tensors by name."""
        return self.function(*(tensors[spec.name] for spec in self.inputs))


def with_seed(vae: Any, num_samples: int) -> dict[str, Signature]:
    """The signatures of a SavedModel: any batch size, draws from an int32[2] seed.

    Args:
        vae: The model.
        num_samples: Number S of draws in `log_prob`.

    Returns:
        Name to signature.
    """
    seed = tf.TensorSpec([2], tf.int32, "seed")
    count = tf.TensorSpec([], tf.int32, "num_samples")
    x = _x(vae, None)

    def elbo(x: tf.Tensor, seed: tf.Tensor) -> Tensors:
        def block(start: tf.Tensor, stop: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            part = x[start:stop]
            q = vae.encoder(part, training=False)
            terms = terms_at_draws(vae, part, q, seed)(0, 1)
            return tf.stack([terms.reconstruction, terms.kl()], axis=-1)

        both = blockwise(block, tf.shape(x)[0], seed, (2,), x.dtype)
        return _elbo(*tf.unstack(both, axis=-1))

    def log_prob(x: tf.Tensor, seed: tf.Tensor) -> Tensors:
        return {"log_prob": vae.log_prob(x, num_samples, seed)}

    def sample(num_samples: tf.Tensor, seed: tf.Tensor) -> Tensors:
        return {"x": vae.draw(num_samples, seed)}

    return _without_draws(vae, None) | {
        "sample": Signature(sample, [count, seed]),
        "elbo": Signature(elbo, [x, seed]),
        "log_prob": Signature(log_prob, [x, seed]),
    }


def with_noise(
    vae: Any, batch_size: int | None, num_samples: int
) -> dict[str, Signature]:
    """The signatures of a model for devices: draws from noise that is given.

    `noise_z` and `noise_x` are standard normals or uniforms on (0, 1), as the layers'
    and the prior's `noise` say.

    Args:
        vae: The model.
        batch_size: The number of examples B, or None for any.
        num_samples: Number S of draws in `log_prob`.

    Returns:
        Name to signature.

    Raises:
        ValueError: If draws from the prior are no function of noise.
    """
    prior = vae.prior_layer
    if prior.noise is None:
        raise ValueError(
            f"The signature `sample` needs draws of z as a function of noise, and "
            f"{prior!r} has none for {vae.prior}. Export as a SavedModel instead."
        )
    dtype = vae.posterior_layer.variable_dtype
    x = _x(vae, batch_size)

    def noise(name: str, source: Any, *lead: int) -> tf.TensorSpec:
        return tf.TensorSpec((*lead, batch_size, *source.noise_shape), dtype, name)

    noise_x = noise("noise_x", vae.likelihood_layer)
    noise_prior = noise("noise_z", prior)
    one = noise("noise_z", vae.posterior_layer)
    many = noise("noise_z", vae.posterior_layer, num_samples)

    def terms(x: tf.Tensor, noise: tf.Tensor) -> Terms:
        q = vae.encode(x)
        z, log_q = vae.posterior_layer.transform(q, noise)
        return vae.terms_at(x, q, z, log_q)

    def elbo(x: tf.Tensor, noise_z: tf.Tensor) -> Tensors:
        at_noise = terms(x, noise_z[None])
        return _elbo(at_noise.reconstruction, at_noise.kl())

    def log_prob(x: tf.Tensor, noise_z: tf.Tensor) -> Tensors:
        return {"log_prob": log_mean_exp(terms(x, noise_z).log_weights)}

    def sample(noise_z: tf.Tensor, noise_x: tf.Tensor) -> Tensors:
        likelihood = vae.decode(prior.transform(noise_z))
        return {"x": vae.likelihood_layer.transform(likelihood, noise_x)[0]}

    of_z = {"noise_z": vae.posterior_layer.noise}
    drawn = {"noise_z": prior.noise, "noise_x": vae.likelihood_layer.noise}
    return _without_draws(vae, batch_size) | {
        "sample": Signature(sample, [noise_prior, noise_x], drawn),
        "elbo": Signature(elbo, [x, one], of_z),
        "log_prob": Signature(log_prob, [x, many], of_z),
    }


def internal(signature: Signature) -> Signature:
    """The signature with its noise drawn inside, by the random op of the runtime."""
    given = [spec for spec in signature.inputs if spec.name not in signature.noise]

    def function(*tensors: tf.Tensor) -> Tensors:
        named = {spec.name: tensor for spec, tensor in zip(given, tensors, strict=True)}
        for spec in signature.inputs:
            if spec.name in signature.noise:
                named[spec.name] = _drawn(signature.noise[spec.name], spec)
        return signature(**named)

    return Signature(function, given)


def _drawn(kind: str, spec: tf.TensorSpec) -> tf.Tensor:
    # Seeds of zero leave the seed to the runtime, also where TensorFlow's own is set.
    options = {"dtype": spec.dtype, "seed": 0, "seed2": 0}
    shape = spec.shape.as_list()
    if kind == "normal":
        return tf.raw_ops.RandomStandardNormal(shape=shape, **options)
    # The runtime draws from [0, 1) in cells of 2**-23; their middles are in (0, 1).
    return tf.raw_ops.RandomUniform(shape=shape, **options) + 2.0**-24


def from_raw(
    signatures: dict[str, Signature], preprocessing: Any, raw: tf.TensorSpec
) -> dict[str, Signature]:
    """The signatures of data once more, of raw values that become data inside.

    Args:
        signatures: Name to signature.
        preprocessing: A Keras layer or model from raw values to data.
        raw: What it takes, with any batch size and the name "raw".

    Returns:
        `encode_raw`, `reconstruct_raw`, `elbo_raw` and `log_prob_raw`.
    """

    def make(signature: Signature) -> Signature:
        def function(raw: tf.Tensor, *others: tf.Tensor) -> Tensors:
            x = tf.cast(preprocessing(raw, training=False), signature.inputs[0].dtype)
            return signature.function(x, *others)

        return Signature(function, [raw, *signature.inputs[1:]], signature.noise)

    return {f"{name}_raw": make(signatures[name]) for name in OF_DATA}


def _without_draws(vae: Any, batch_size: int | None) -> dict[str, Signature]:
    x = _x(vae, batch_size)
    posterior, likelihood = vae.posterior_layer, vae.likelihood_layer
    latent = (batch_size, *posterior.event_shape)
    z = tf.TensorSpec(latent, posterior.variable_dtype, "z")

    def encode(x: tf.Tensor) -> Tensors:
        q = vae.encode(x)
        stddev = posterior.stddev(q)
        spread = {} if stddev is None else {"stddev": stddev}
        return {"mean": posterior.location(q)} | spread | _parameters(posterior, q)

    def decode(z: tf.Tensor) -> Tensors:
        p = vae.decode(z)
        return {"mean": likelihood.location(p)} | _parameters(likelihood, p)

    def reconstruct(x: tf.Tensor) -> Tensors:
        z = posterior.location(vae.encode(x))
        return {"mean": likelihood.location(likelihood.observe(vae.decode(z), x))}

    return {
        "encode": Signature(encode, [x]),
        "decode": Signature(decode, [z]),
        "reconstruct": Signature(reconstruct, [x]),
    }


def _x(vae: Any, batch_size: int | None) -> tf.TensorSpec:
    layer = vae.likelihood_layer
    return tf.TensorSpec((batch_size, *layer.event_shape), layer.variable_dtype, "x")


def _elbo(reconstruction: tf.Tensor, kl: tf.Tensor) -> Tensors:
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


def _parameters(layer: DistributionLayer, p: tfd.Distribution) -> Tensors:
    """The layer's own parameters; one shared by the batch gets the event's shape."""
    full = tf.shape(layer.location(p))
    return {
        name: distinct(tf.broadcast_to(value, full) if layer.is_shared(name) else value)
        for name, value in layer.exported_parameters(p).items()
    }
