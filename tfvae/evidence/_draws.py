"""Noise of numbered draws, which is the same in whatever pass it is made.

Random bits are a function of a key and a counter (Philox), and one operation makes
those of counters that follow each other. Draws that follow each other are such a range
for 1, 1, 2, 4, ... examples, each with counters of its own: the bits of any pass are a
few operations, and those of an example depend neither on the number of draws nor on
the examples behind it.
"""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfvae._math import normals_from_uniforms, uniforms_from_bits
from tfvae.evidence._over_draws import BLOCK

__all__ = ["noise_of_draws"]

_PHILOX = 1
_BITS_OF_A_COUNTER = 128


def noise_of_draws(
    kind: str,
    shape: Sequence[int],
    seed: tf.Tensor,
    draws: tuple[Any, Any],
    batch_size: Any,
    dtype: tf.DType,
) -> tf.Tensor:
    """Noise of some draws for each example, as `standard_noise` has it.

    Args:
        kind: "normal" or "uniform".
        shape: The shape of the noise of one draw for one example.
        seed: A seed, int32[2].
        draws: The number of the first draw and how many there are, ints or int32
            scalars.
        batch_size: The number of examples B, an int, or an int32 scalar of at most
            256, the examples of a block.
        dtype: A floating dtype.

    Returns:
        A tensor [number of draws, B, *shape].
    """
    size, count, dtype = math.prod(shape), draws[1], tf.as_dtype(dtype)
    # A pair of uniforms makes a pair of normals.
    needed = size + size % 2 if kind == "normal" else size
    noise = uniforms_from_bits(_bits(needed, seed, draws, batch_size, dtype), dtype)
    if kind == "normal":
        noise = tf.concat(normals_from_uniforms(*tf.split(noise, 2, axis=-1)), axis=-1)
    if needed > size:
        noise = noise[..., :size]
    return tf.reshape(noise, (count, batch_size, *shape))


def _bits(
    size: int,
    seed: tf.Tensor,
    draws: tuple[Any, Any],
    batch_size: Any,
    dtype: tf.DType,
) -> tf.Tensor:
    """Random bits [number of draws, B, size], as many in each as the dtype has."""
    kind = tf.uint64 if dtype == tf.float64 else tf.uint32
    of_a_counter = _BITS_OF_A_COUNTER // (8 * kind.size)
    counters = -(-size // of_a_counter)
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    first, count = tf.cast(draws[0], tf.uint64), draws[1]
    parts: list[tf.Tensor] = []
    start, step = 0, 1
    # As many parts as there are examples for; where that is not known before, the
    # others are empty.
    known = batch_size if isinstance(batch_size, int) else BLOCK
    while start < max(known, 1):
        here = tf.where(batch_size > start, step, 0)
        skipped = tf.stack(
            [first * (step * counters), tf.constant(len(parts), tf.uint64)]
        )
        flat = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[count * here * counters * of_a_counter],
            key=key,
            counter=counter + skipped,
            alg=_PHILOX,
            dtype=kind,
        )
        parts.append(tf.reshape(flat, (count, here, counters * of_a_counter)))
        start, step = start + step, max(start + step, 1)
    return tf.concat(parts, axis=1)[:, :batch_size, :size]
