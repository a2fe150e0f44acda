"""An exported model is compared with the model it came from, number by number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.export.signatures import Signature

__all__ = ["compare", "inputs_for"]

Arrays = dict[str, np.ndarray]

_NATS = ("elbo", "reconstruction", "kl", "log_prob")
_DRAWS = ("x",)

_EXAMPLES = 3
"""Examples in the batch that artefacts of any batch size are compared on."""


def inputs_for(vae: Any, signatures: dict[str, Signature]) -> dict[str, Arrays]:
    """Makes inputs for each signature: data drawn from the model, noise, a seed."""
    generator = np.random.default_rng(0)

    def value(name: str, spec: tf.TensorSpec) -> np.ndarray:
        shape = [_EXAMPLES if size is None else size for size in spec.shape]
        if spec.name == "seed":
            return np.array([1, 2], np.int32)
        if spec.name == "num_samples":
            return np.array(_EXAMPLES, np.int32)
        if spec.name == "x":
            return vae.sample(shape[0], seed=0)
        kind = "normal"
        if spec.name == "noise_x":
            kind = vae.likelihood_layer.noise
        elif spec.name == "noise_z":
            # `sample` draws z from the prior, the others from the posterior.
            source = vae.prior_layer if name == "sample" else vae.posterior_layer
            kind = source.noise
        draw = generator.uniform if kind == "uniform" else generator.normal
        return draw(size=shape).astype(spec.dtype.as_numpy_dtype)

    return {
        name: {spec.name: value(name, spec) for spec in signature.inputs}
        for name, signature in signatures.items()
    }


def compare(
    run: Callable[[str, Arrays], Arrays],
    signatures: dict[str, Signature],
    inputs: dict[str, Arrays],
) -> dict[str, float]:
    """Runs an artefact and the model on the same inputs.

    Allowed are 1e-4 of the value for nats and 1e-5 of it for the rest, element by
    element, and 1e-5 more for either, since a value near zero is a difference of
    larger ones. One element in a thousand of a draw may differ altogether: where a
    uniform number falls on the edge between two counts, rounding decides.

    Args:
        run: Calls a signature of the artefact by name.
        signatures: The signatures, called eagerly on the model.
        inputs: Inputs of each signature.

    Returns:
        For each signature, the largest difference relative to what is allowed.

    Raises:
        ValueError: If a difference is larger than allowed, or is no number.
    """
    worst = {}
    for name, signature in signatures.items():
        expected, actual = signature(**inputs[name]), run(name, inputs[name])
        ratios = {}
        for key, tensor in expected.items():
            want, got = np.asarray(tensor), np.asarray(actual[key])
            allowed = 1e-5 + (1e-4 if key in _NATS else 1e-5) * np.abs(want)
            ratio = np.abs(want - got) / allowed
            kept = ratio.size - (ratio.size // 1000 if key in _DRAWS else 0)
            largest = np.sort(ratio, axis=None)[:kept].max()
            # NaN sorts last, so it is looked for before the last are dropped.
            finite = np.isfinite(want).all() and np.isfinite(got).all()
            ratios[key] = float(largest) if finite else np.inf
        key = max(ratios, key=lambda key: ratios[key])
        if not ratios[key] <= 1:
            raise ValueError(
                f"The exported signature `{name}` differs from the model: its output "
                f"`{key}` is off by {ratios[key]:.3g} times what is allowed. Nothing "
                "was written."
            )
        worst[name] = ratios[key]
    return worst
