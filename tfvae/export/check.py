"""An exported model is compared with the model it came from, number by number."""

from collections.abc import Sequence
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
    "noise",
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

_SIZES = (1, 17)
"""Numbers of examples drawn from the model, where any number of them may come."""

_GIVEN = 8
"""Examples taken of those that are given."""

_ERRORS = 6.0
"""Standard errors between two means of draws; by chance it is one in 500 million."""


def noise(
    kind: str, shape: Sequence[int], generator: np.random.Generator, dtype: Any
) -> np.ndarray:
    """Draws noise as a caller of an artefact would: "normal" or "uniform" on (0, 1)."""
    if kind == "normal":
        return generator.normal(size=shape).astype(dtype)
    # The middles of cells, since a number that is rounded to 1 has no quantile.
    return ((generator.integers(2**23, size=shape) + 0.5) / 2**23).astype(dtype)


def inputs_for(
    vae: Any,
    signatures: dict[str, Signature],
    examples: np.ndarray | None = None,
    raw: np.ndarray | None = None,
    sizes: Sequence[int] = _SIZES,
) -> Calls:
    """Makes inputs of each signature: data drawn from the model, noise, a seed.

    Args:
        vae: The model.
        signatures: Name to signature, of any number of examples.
        examples: Data for one more call of the signatures that take data, if given.
        raw: Values for the signatures that take them, if there are such.
        sizes: Numbers of examples in the calls.

    Returns:
        The inputs of several calls of each signature.
    """
    generator = np.random.default_rng(0)

    def value(spec: tf.TensorSpec, kind: str | None, size: int, given: Any) -> Any:
        shape = [size if axis is None else axis for axis in spec.shape]
        dtype = spec.dtype.as_numpy_dtype
        if spec.name == "seed":
            return np.array([1, 2], dtype)
        if spec.name == "num_samples":
            return np.array(size, dtype)
        if spec.name == "x":
            x = vae.sample(size, seed=0) if given is None else np.resize(given, shape)
            return x.astype(dtype)
        if spec.name == "raw" and raw is not None:
            return np.resize(raw, shape)
        return noise(kind or "normal", shape, generator, dtype)

    def calls(signature: Signature) -> list[Arrays]:
        chosen: list[tuple[int, Any]] = [(size, None) for size in sizes]
        takes_data = any(spec.name == "x" for spec in signature.inputs)
        if takes_data and examples is not None:
            size = min(len(examples), _GIVEN) if sizes is _SIZES else sizes[0]
            chosen.append((size, examples))
        return [
            {
                spec.name: value(spec, signature.noise.get(spec.name), size, given)
                for spec in signature.inputs
            }
            for size, given in chosen
        ]

    return {name: calls(signature) for name, signature in signatures.items()}


def differences(
    signatures: dict[str, Signature], inputs: Calls, outputs: Calls
) -> dict[str, Difference]:
    """Compares outputs of an artefact with those of the model.

    Allowed are 1e-4 of the value for nats and 1e-5 of it for the rest, element by
    element, and 1e-5 more for either, since a value near zero is a difference of
    larger ones; nats are sums over x, for each element of which 1e-7 is added, the
    rounding of float32. One element in a thousand of a draw may differ altogether:
    where a uniform number falls on the edge between two counts, rounding decides.

    Args:
        signatures: The signatures, called eagerly on the model.
        inputs: Inputs of each signature.
        outputs: What the artefact gave for them.

    Returns:
        For each signature the largest difference, in the output where it is the
        largest share of what is allowed.
    """
    found = {}
    # The artefact is run on the CPU: other processors multiply in fewer digits.
    with tf.device("CPU"):
        for name, calls in inputs.items():
            found[name] = max(
                _difference(key, np.asarray(tensor), np.asarray(actual[key]), given)
                for given, actual in zip(calls, outputs[name], strict=True)
                for key, tensor in signatures[name](**given).items()
            )
    return found


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
    name: str,
    output: str,
    ours: np.ndarray,
    theirs: np.ndarray,
    slack: float = 0.0,
) -> Difference:
    """Refuses draws of an artefact whose mean is not that of the model's draws.

    Args:
        name: The signature.
        output: The name of the output.
        ours: Numbers [N] from the model.
        theirs: Numbers [M] from the artefact.
        slack: What is allowed beside the chance of the draws.

    Returns:
        The difference of the means. Six of its standard errors are allowed.

    Raises:
        ValueError: If the difference is larger, or is no number.
    """
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError(
            f"The exported signature `{name}` differs from the model: it draws what is "
            "no number. Nothing was written."
        )
    error = np.hypot(*(np.std(draws) / np.sqrt(len(draws)) for draws in (ours, theirs)))
    # Sums in float32 differ by more than draws that never vary.
    allowed = _ERRORS * error + 1e-4 * abs(np.mean(ours)) + 1e-5 + slack
    distance = float(abs(np.mean(ours) - np.mean(theirs)))
    share = float(distance / allowed)
    if not share <= 1:
        raise ValueError(
            f"The exported signature `{name}` differs from the model: the mean of its "
            f"draws is off by {share:.3g} times what is allowed. Nothing was written."
        )
    return Difference(share, distance, output)


def report(found: dict[str, Difference], runtime: str, exact: bool = True) -> None:
    """Prints how far each signature is from the model.

    Args:
        found: The differences.
        runtime: Where they were found.
        exact: Whether the numbers were to be the same to rounding.
    """
    print(f"Compared with the model in {runtime}:")
    for name, difference in found.items():
        share = f", {difference.share:.2g} of the tolerance" if exact else ""
        print(
            f"  {name:<16} largest difference {difference.absolute:.2g} in "
            f"`{difference.output}`{share}"
        )


def _difference(
    key: str, want: np.ndarray, got: np.ndarray, given: Arrays
) -> Difference:
    if want.shape != got.shape or not (
        np.isfinite(want).all() and np.isfinite(got).all()
    ):
        return Difference(np.inf, np.inf, key)
    distance = np.abs(want - got).ravel()
    allowed = 1e-5 + 1e-5 * np.abs(want).ravel()
    if key in _NATS:
        x = given["x"] if "x" in given else given["raw"]
        allowed = 1e-5 + 1e-7 * x[0].size + 1e-4 * np.abs(want).ravel()
    order = np.argsort(distance / allowed)
    kept = order[: order.size - (order.size // 1000 if key in _DRAWS else 0)]
    if not kept.size:
        return Difference(0.0, 0.0, key)
    share = distance[kept[-1]] / allowed[kept[-1]]
    return Difference(float(share), float(distance[kept].max()), key)
