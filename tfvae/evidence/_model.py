"""What the estimators ask of a model: densities, draws and the kind of its latents.

Every function takes a checked model and tensors; seeds are int32[2].
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae._math import fold_in, standard_noise
from tfvae.evidence._draws import noise_of_draws
from tfvae.evidence._over_draws import BLOCK, static_size
from tfvae.objectives import Terms

__all__ = [
    "as_decoded",
    "draw_prior",
    "has_real_latents",
    "log_joint",
    "numpy64",
    "once",
    "over_examples",
    "require_real_latents",
    "rows_at_once",
    "samples_per_pass",
    "spread_of_posterior",
    "spread_of_prior",
    "terms_at_draws",
]

_NUMBERS_PER_PASS = 3_300_000
"""Numbers in the largest tensor that one pass of the decoder makes, about: enough for
the cores, and few for the memory."""

_MOST_PER_PASS = 1000
"""The largest number of draws for each example in a pass."""

_NARROWEST = 200
"""Hidden layers are seldom narrower than this many units."""

_PROBES = (-1e3, -2.0, -0.5, 0.0, 0.5, 2.0, 1e3)
"""Values that every element of a latent over the real numbers can have."""

_DRAWS_FOR_SPREAD = 200


def once(vae: Any, build: Callable[..., Any], *arguments: Any) -> Any:
    """Returns `build(vae, *arguments)`, which is made at the first call for a model.

    What is built holds graphs, which take a second to trace. Not an attribute: Keras
    would take it for a part of the model.
    """
    built = vae.__dict__.setdefault("_built_for_evidence", {})
    if (build, arguments) not in built:
        built[build, arguments] = build(vae, *arguments)
    return built[build, arguments]


def samples_per_pass(vae: Any, num_samples: int, batch_size: Any = BLOCK) -> Any:
    """Returns how many draws for each example of a block one pass should take.

    All passes are of about one size.

    Args:
        vae: The model.
        num_samples: Number S of draws for each example.
        batch_size: Number of examples in the block, an int or an int32 scalar.

    Returns:
        What the number of examples is: an int or an int32 scalar.
    """
    known = isinstance(batch_size, int)
    low, high = (min, max) if known else (tf.minimum, tf.maximum)
    elements = high(batch_size, 1) * once(vae, _width)
    most = high(low(_NUMBERS_PER_PASS // elements, _MOST_PER_PASS), 1)
    passes = (num_samples + most - 1) // most
    return (num_samples + passes - 1) // passes


def _width(vae: Any) -> int:
    """Numbers in the largest tensor that the decoder makes of one z."""
    layer = vae.posterior_layer
    spec = tf.TensorSpec((None, *layer.event_shape), layer.variable_dtype)

    @tf.function(autograph=False)
    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        likelihood = vae.decoder(z, training=False)
        return vae.likelihood_layer.parameters(likelihood)

    with tf.init_scope():
        operations = decode.get_concrete_function(spec).graph.get_operations()
    shapes = [t.shape for operation in operations for t in operation.outputs]
    # A tensor with no number of examples is a weight, or one for all of them.
    sizes = [s[1:].num_elements() for s in shapes if s.rank and s[0] is None]
    x = math.prod(vae.likelihood_layer.event_shape)
    return max(x, _NARROWEST, *(size for size in sizes if size is not None))


def terms_at_draws(
    vae: Any, x: tf.Tensor, q: tfd.Distribution, seed: tf.Tensor
) -> Callable[[Any, Any], Terms]:
    """Returns the map from the first draw and their number s to the terms, [s, B].

    A draw is the same in whatever pass it is made.
    """
    layer = vae.posterior_layer
    shape = layer.noise_shape

    def terms(first: Any, count: Any) -> Terms:
        size = static_size(x)
        draws = first, count
        noise = noise_of_draws(layer.noise, shape, seed, draws, size, x.dtype)
        noise = tf.ensure_shape(noise, (None, *q.batch_shape, *shape))
        z, log_q = layer.transform(q, noise)
        return vae.terms_at(x, q, z, log_q)

    return terms


def log_joint(vae: Any, x: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns log p(x|z) and log p(z), [*lead, B] nats, at z [*lead, B, *latent]."""
    likelihood = vae.likelihood_layer.observe(vae.decode(z), x)
    return likelihood.log_prob(x), vae.prior.log_prob(z)


def draw_prior(vae: Any, num_samples: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draws from the prior, [num_samples, *latent]."""
    prior = vae.prior_layer
    if prior.noise is None:
        return prior.distribution.sample(num_samples, seed=seed)
    shape, dtype = prior.noise_shape, vae.posterior_layer.variable_dtype
    noise = standard_noise(prior.noise, (num_samples, *shape), seed, dtype)
    return prior.transform(noise)


def rows_at_once(vae: Any, count: int, most: int = 2**31) -> int:
    """Returns how many rows of `count` latents fit one pass of the decoder."""
    width = max(math.prod(vae.likelihood_layer.event_shape), _NARROWEST)
    return max(1, min(most, _NUMBERS_PER_PASS // (count * width)))


def over_examples(
    function: Callable[..., Any], size: int, seed: tf.Tensor, *arrays: Any
) -> tuple[np.ndarray, ...]:
    """Calls a function on `size` examples at a time and joins what it returns.

    Args:
        function: Maps parts of the arrays, and a seed, to tensors or arrays whose
            first axis is that of the examples.
        size: The number of examples in a part.
        seed: The seed that those of the parts are made from, int32[2].
        *arrays: Tensors or arrays whose first axis has the examples.

    Returns:
        The results as arrays, joined along the first axis.
    """
    starts = range(0, len(arrays[0]), size)
    parts = [
        function(*(a[start : start + size] for a in arrays), fold_in(seed, i))
        for i, start in enumerate(starts)
    ]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def numpy64(value: Any) -> np.ndarray:
    """Returns a tensor as a float64 array."""
    return np.asarray(value, np.float64)


def spread_of_prior(vae: Any, seed: tf.Tensor) -> tf.Tensor:
    """Returns standard deviations of draws from the prior, [*latent]."""
    return _spread(draw_prior(vae, 10 * _DRAWS_FOR_SPREAD, seed))


def spread_of_posterior(vae: Any, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns standard deviations of draws from q(z|x), [B, *latent]."""
    q = vae.encoder(x, training=False)
    draws = vae.posterior_layer.sample_and_log_prob(q, (_DRAWS_FOR_SPREAD,), seed)[0]
    return _spread(draws)


def _spread(draws: tf.Tensor) -> tf.Tensor:
    # Of a draw that cannot vary nothing is known: it must not stop the others.
    return tf.maximum(tf.math.reduce_std(draws, axis=0), 1e-6)


def as_decoded(vae: Any, z: np.ndarray) -> np.ndarray:
    """Returns latents [*lead, ...] of the model's dtype as the decoder will see them.

    An input of the decoder may be in single precision where the model is in double.
    """
    inputs = getattr(vae.decoder, "inputs", None)
    dtype = vae.posterior_layer.variable_dtype
    return z.astype(inputs[0].dtype if inputs else dtype).astype(dtype)


def has_real_latents(vae: Any) -> bool:
    """Returns whether z takes all real values."""
    layer = vae.posterior_layer
    if layer.measure != "lebesgue":
        return False
    dtype = layer.variable_dtype
    probes = (tf.fill(layer.event_shape, tf.constant(p, dtype)) for p in _PROBES)
    return not any(np.any(layer.unsupported(z)) for z in probes)


def require_real_latents(vae: Any, caller: str) -> None:
    """Raises ValueError unless z takes all real values, as `caller` needs."""
    layer = vae.posterior_layer
    if not has_real_latents(vae):
        raise ValueError(
            f"`{caller}` needs latents that take all real values, and those of "
            f"{layer!r} do not. Use tfvae.evidence.importance."
        )
