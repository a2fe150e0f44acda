"""An exported model is compared with the model it came from, number by number."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.export.signatures import Signature

__all__ = [
    "Arrays",
    "Calls",
    "Difference",
    "compare",
    "differences",
    "inputs_for",
    "report",
    "same_mean",
]

Arrays = dict[str, np.ndarray]

Calls = dict[str, list[Arrays]]
"""Name of a signature to the inputs, or the outputs, of several calls of it."""


class Difference(NamedTuple):
    """How far an output is from that of the model.

    Attributes:
        share: The largest difference relative to what is allowed.
        absolute: The largest difference.
        output: The name of the output.
    """

    share: float
    absolute: float
    output: str


_NATS = ("elbo", "reconstruction", "kl", "log_prob")
_DRAWS = ("x",)

_DRAWN = 3
"""Examples drawn from the model, where a signature takes any number of them."""

_GIVEN = 8
"""Examples taken of those that are given."""

_ERRORS = 6.0
"""Standard errors between two means of draws; by chance it is one in 500 million."""


def inputs_for(
    vae: Any,
    signatures: dict[str, Signature],
    examples: np.ndarray | None = None,
    raw: np.ndarray | None = None,
) -> Calls:
    """Makes inputs of each signature: data drawn from the model, noise, a seed.

    Args:
        vae: The model.
        signatures: Name to signature.
        examples: Data for a second call of the signatures that take data, if given.
        raw: Values for the signatures that take them, if there are such.

    Returns:
        The inputs of one or two calls. Where any number of examples may come, the two
        have different numbers of them.
    """
    generator = np.random.default_rng(0)

    def value(signature: Signature, spec: tf.TensorSpec, given: Any) -> np.ndarray:
        size = _DRAWN if given is None else min(len(given), _GIVEN)
        shape = [size if axis is None else axis for axis in spec.shape]
        dtype = spec.dtype.as_numpy_dtype
        if spec.name == "seed":
            return np.array([1, 2], dtype)
        if spec.name == "num_samples":
            return np.array(_DRAWN, dtype)
        if spec.name == "x" and given is not None:
            return np.resize(given, shape).astype(dtype)
        if spec.name == "x":
            return vae.sample(shape[0], seed=0)
        if spec.name == "raw" and raw is not None:
            return raw[: shape[0]]
        uniform = signature.noise.get(spec.name) == "uniform"
        draw = generator.uniform if uniform else generator.normal
        return draw(size=shape).astype(dtype)

    def calls(signature: Signature) -> list[Arrays]:
        takes_data = any(spec.name == "x" for spec in signature.inputs)
        batches = [None, examples] if takes_data and examples is not None else [None]
        return [
            {spec.name: value(signature, spec, given) for spec in signature.inputs}
            for given in batches
        ]

    return {name: calls(signature) for name, signature in signatures.items()}


def differences(
    signatures: dict[str, Signature], inputs: Calls, outputs: Calls
) -> dict[str, Difference]:
    """Compares outputs of an artefact with those of the model.

    Allowed are 1e-4 of the value for nats and 1e-5 of it for the rest, element by
    element, and 1e-5 more for either, since a value near zero is a difference of
    larger ones. One element in a thousand of a draw may differ altogether: where a
    uniform number falls on the edge between two counts, rounding decides.

    Args:
        signatures: The signatures, called eagerly on the model.
        inputs: Inputs of each signature.
        outputs: What the artefact gave for them.

    Returns:
        For each signature the largest difference, in the output where it is the
        largest share of what is allowed.
    """
    return {
        name: max(
            _difference(key, np.asarray(tensor), np.asarray(actual[key]))
            for given, actual in zip(calls, outputs[name], strict=True)
            for key, tensor in signatures[name](**given).items()
        )
        for name, calls in inputs.items()
    }


def compare(
    signatures: dict[str, Signature], inputs: Calls, outputs: Calls
) -> dict[str, Difference]:
    """Refuses an artefact whose outputs are not those of the model.

    Args:
        signatures: As in `differences`, like the rest.
        inputs: Inputs of each signature.
        outputs: What the artefact gave for them.

    Returns:
        What `differences` returns.

    Raises:
        ValueError: If a difference is larger than allowed, or is no number.
    """
    found = differences(signatures, inputs, outputs)
    for name, difference in found.items():
        if not difference.share <= 1:
            raise ValueError(
                f"The exported signature `{name}` differs from the model: its output "
                f"`{difference.output}` is off by {difference.share:.3g} times what is "
                "allowed. Nothing was written."
            )
    return found


def same_mean(
    name: str, output: str, ours: np.ndarray, theirs: np.ndarray
) -> Difference:
    """Refuses draws of an artefact whose mean is not that of the model's draws.

    Args:
        name: The signature.
        output: The name of the output.
        ours: Numbers [N] from the model.
        theirs: Numbers [M] from the artefact.

    Returns:
        The difference of the means. Six of its standard errors are allowed.

    Raises:
        ValueError: If the difference is larger, or is no number.
    """
    error = np.hypot(*(np.std(draws) / np.sqrt(len(draws)) for draws in (ours, theirs)))
    # Sums in float32 differ by more than draws that never vary.
    allowed = _ERRORS * error + 1e-4 * abs(np.mean(ours)) + 1e-5
    distance = float(abs(np.mean(ours) - np.mean(theirs)))
    share = float(distance / allowed)
    if not share <= 1:
        raise ValueError(
            f"The exported signature `{name}` differs from the model: the mean of its "
            f"draws is off by {share:.3g} times what is allowed. Nothing was written."
        )
    return Difference(share, distance, output)


def report(found: dict[str, Difference], runtime: str) -> None:
    """Prints how far each signature is from the model."""
    print(f"Compared with the model in {runtime}:")
    for name, difference in found.items():
        print(
            f"  {name:<16} largest difference {difference.absolute:.2g} in "
            f"`{difference.output}`, {difference.share:.2g} of what is allowed"
        )


def _difference(key: str, want: np.ndarray, got: np.ndarray) -> Difference:
    if want.shape != got.shape or not (
        np.isfinite(want).all() and np.isfinite(got).all()
    ):
        return Difference(np.inf, np.inf, key)
    distance = np.abs(want - got).ravel()
    allowed = 1e-5 + (1e-4 if key in _NATS else 1e-5) * np.abs(want).ravel()
    order = np.argsort(distance / allowed)
    kept = order[: order.size - (order.size // 1000 if key in _DRAWS else 0)]
    if not kept.size:
        return Difference(0.0, 0.0, key)
    share = distance[kept[-1]] / allowed[kept[-1]]
    return Difference(float(share), float(distance[kept].max()), key)
