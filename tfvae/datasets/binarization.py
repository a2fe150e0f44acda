"""Dynamic and fixed binarisation of grey values."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfvae._math import as_seed

__all__ = ["binarize"]


def binarize(x: Any, seed: int | None = None) -> Any:
    """Draws every value from a Bernoulli distribution with that value as its mean.

        b = 1 if u < x else 0,   u ~ Uniform[0, 1)

    A `tf.data.Dataset` is drawn anew at every pass, which is dynamic binarisation:
    train on that. An array is drawn once: validate and test on that. Both equally
    serve as `dataset.apply(binarize)` and `dataset.map(binarize)`; only the first
    form can be repeated by a seed.

    Args:
        x: Probabilities in [0, 1]: an array or tensor of any shape, or a data set of
            such elements. Of elements that are tuples the first entry is drawn.
        seed: Makes the draws, of a data set those of all its passes, repeatable.
            Default: fresh draws.

    Returns:
        Zeros and ones in float32, in the shape and kind of `x`.

    Raises:
        ValueError: If `x` holds integers, such as the bytes of an image, or values
            outside [0, 1], or if `seed` is given inside `Dataset.map`.

    Example:
    >>> x = np.random.default_rng(0).uniform(size=(6, 4)).astype("float32")
    >>> x_test = tfvae.datasets.binarize(x, seed=1)
    >>> train = tf.data.Dataset.from_tensor_slices(x).batch(3)
    >>> train = tfvae.datasets.binarize(train, seed=0)
    >>> first_epoch, second_epoch = (np.concatenate(list(train)) for _ in range(2))
    >>> bool(np.any(first_epoch != second_epoch))
    True

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, section 5, https://arxiv.org/abs/1509.00519.
    """
    if isinstance(x, tf.data.Dataset):
        # Dataset.random gives every pass its own noise. A random op inside `map`
        # would repeat its draws each epoch once a global seed is set.
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
        spec = x.element_spec
        _check_floating((spec[0] if isinstance(spec, tuple) else spec).dtype)
        return tf.data.Dataset.zip(x, seeds.batch(2)).map(_binarize_element)
    if tf.executing_eagerly():
        pair = as_seed(np.random.randint(2**31, size=2) if seed is None else seed)
        drawn = _bernoulli(tf.convert_to_tensor(x), pair)
        return drawn if tf.is_tensor(x) else drawn.numpy()
    if seed is not None:
        raise ValueError(
            "`seed` must be None inside `Dataset.map`, where it would give every "
            f"batch the same noise: use `binarize(dataset, seed={seed!r})`."
        )
    pair = tf.numpy_function(
        lambda: np.random.randint(2**31, size=2), [], tf.int64, stateful=True
    )
    return _bernoulli(tf.convert_to_tensor(x), tf.ensure_shape(pair, [2]))


def _binarize_element(element: Any, seed: tf.Tensor) -> Any:
    """Draws the data of one element of a data set and leaves its weights alone."""
    if isinstance(element, tuple):
        return (_bernoulli(element[0], seed), *element[1:])
    return _bernoulli(element, seed)


def _bernoulli(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Checks that `x` holds probabilities and draws zeros and ones of its shape."""
    _check_floating(x.dtype)
    message = "`x` must hold probabilities in [0, 1]: divide 8-bit images by 255 first."
    valid = tf.reduce_all((x >= 0) & (x <= 1))
    if tf.executing_eagerly() and not valid:
        low, high = float(tf.reduce_min(x)), float(tf.reduce_max(x))
        raise ValueError(f"{message} Received: values from {low:g} to {high:g}.")
    with tf.control_dependencies([tf.debugging.Assert(valid, [message])]):
        noise = tf.random.stateless_uniform(tf.shape(x), seed, dtype=x.dtype)
    return tf.cast(noise < x, tf.float32)


def _check_floating(dtype: tf.DType) -> None:
    if not dtype.is_floating:
        raise ValueError(
            "`x` must hold probabilities in [0, 1] as floating-point numbers: divide "
            f"8-bit images by 255 first. Received: dtype {dtype.name}."
        )
