"""A `.tflite` file is compared with the model it came from."""

from typing import Any

import numpy as np

from tfvae.export.check import (
    Arrays,
    Calls,
    Difference,
    compare,
    differences,
    inputs_for,
    same_mean,
)
from tfvae.export.latency import interpreter
from tfvae.export.signatures import DRAWING, Signature

__all__ = ["compared"]

_DRAWS = 256
"""Examples of a comparison of means."""


def compared(
    vae: Any,
    content: bytes,
    given: dict[str, Signature],
    noise: str,
    precision: str,
    examples: np.ndarray | None,
) -> tuple[dict[str, Difference], float | None]:
    """Compares a file with the model.

    Args:
        vae: The model.
        content: The file.
        given: Its signatures with their noise as an input.
        noise: Whether that is so in the file: "input" or "internal".
        precision: The precision of the file.
        examples: Data [N, *event] to compare on, or None for draws from the model.

    Returns:
        How far each signature is from the model, and the nats of the ELBO that are
        lost in a precision other than float32, None there.

    Raises:
        ValueError: If a signature of float32 is too far, or one gives no number.
    """
    loaded = interpreter(content)

    def run(name: str, call: Arrays) -> Arrays:
        return loaded.get_signature_runner(name)(**call)

    kept = [name for name in given if noise == "input" or name not in DRAWING]
    exact = {name: given[name] for name in kept}
    inputs = inputs_for(vae, exact, examples)
    outputs: Calls = {
        name: [run(name, call) for call in calls] for name, calls in inputs.items()
    }
    if precision == "float32":
        found = compare(exact, inputs, outputs)
    else:
        found = differences(exact, inputs, outputs)
        if not np.isfinite([difference.share for difference in found.values()]).all():
            raise ValueError(
                f"In {precision} a signature gives what is no number, where the model "
                "gives numbers. Nothing was written."
            )
    ours, theirs = _bounds(vae, given, run, noise, examples)
    if noise == "internal":
        found |= _same_draws(vae, given, run, precision, ours, theirs)
    loss = None if precision == "float32" else float(np.mean(ours - theirs))
    return found, loss


def _bounds(
    vae: Any,
    given: dict[str, Signature],
    run: Any,
    noise: str,
    examples: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ELBO of examples by the model and by the file."""
    signature = given["elbo"]
    size = signature.inputs[0].shape[0]
    x = vae.sample(_DRAWS, seed=1) if examples is None else examples[:_DRAWS]
    x = np.resize(x, (-(-_DRAWS // size) * size, *x.shape[1:]))
    spec = signature.inputs[1]
    kind = signature.noise["noise_z"]
    generator = np.random.default_rng(3)
    draw = generator.uniform if kind == "uniform" else generator.normal
    drawn = draw(size=(len(x), *spec.shape[1:])).astype(spec.dtype.as_numpy_dtype)
    ours = signature(x=x, noise_z=drawn)["elbo"].numpy()
    theirs = []
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        call = {"x": x[rows]} | ({"noise_z": drawn[rows]} if noise == "input" else {})
        theirs.append(run("elbo", call)["elbo"])
    return ours, np.concatenate(theirs)


def _same_draws(
    vae: Any,
    given: dict[str, Signature],
    run: Any,
    precision: str,
    ours: np.ndarray,
    theirs: np.ndarray,
) -> dict[str, Difference]:
    """Compares the draws of a file that draws its own noise with those of the model."""
    size = given["sample"].inputs[0].shape[0]
    calls = -(-_DRAWS // size)
    drawn = np.concatenate([run("sample", {})["x"] for _ in range(calls)])
    if not np.isfinite(drawn).all():
        raise ValueError("The exported signature `sample` draws what is no number.")
    if precision != "float32":
        return {}
    x = vae.sample(_DRAWS, seed=2)
    per_draw = [v.reshape(len(v), -1).mean(axis=1, dtype=float) for v in (x, drawn)]
    return {
        "elbo": same_mean("elbo", "elbo", ours, theirs),
        "sample": same_mean("sample", "x", *per_draw),
    }
