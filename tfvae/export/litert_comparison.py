"""A `.tflite` file is compared with the model it came from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfvae.export.check import (
    Arrays,
    Calls,
    Difference,
    compare,
    differences,
    inputs_for,
    noise,
    same_mean,
)
from tfvae.export.latency import interpreter
from tfvae.export.signatures import DRAWING, Signature

__all__ = ["compared", "compared_draws"]

_ROWS = 17
"""Examples of a comparison number by number, at least."""

_DRAWS = 256
"""Examples of a comparison of means."""

_RELATIVE = {"float16": 0.02, "dynamic_int8": 0.25, "int8": 0.25}
"""How large differences may be, of the outputs: roots of the means of squares."""

Run = Callable[[str, Arrays], Arrays]


def compared(
    vae: Any,
    content: bytes,
    signatures: dict[str, Signature],
    batch_size: int,
    precision: str,
    max_elbo_loss: float,
    examples: np.ndarray | None,
) -> tuple[dict[str, Difference], float | None]:
    """Compares a file that takes its noise with the model, on the same noise.

    Args:
        vae: The model.
        content: The file.
        signatures: Its signatures, of any number of examples.
        batch_size: The number of examples B in the file.
        precision: The precision of the file.
        max_elbo_loss: Nats by which the ELBO and log p(x) may differ in a precision
            other than float32.
        examples: Data [N, *event] to compare on, or None for draws from the model.

    Returns:
        How far each signature is from the model, and the nats of the ELBO that are
        lost in a precision other than float32, None there.

    Raises:
        ValueError: If a signature is too far from the model, or gives no number.
    """
    run = _in_batches(content, batch_size)
    rows = -(-_ROWS // batch_size) * batch_size
    inputs = inputs_for(vae, signatures, examples, sizes=(rows,))
    outputs: Calls = {
        name: [run(name, call) for call in calls] for name, calls in inputs.items()
    }
    if precision == "float32":
        return compare(signatures, inputs, outputs), None
    found = differences(signatures, inputs, outputs)
    for name, calls in inputs.items():
        for call, output in zip(calls, outputs[name], strict=True):
            want = {k: np.asarray(v) for k, v in signatures[name](**call).items()}
            if name not in DRAWING:
                _close(name, want, output, _RELATIVE[precision])
            elif not all(np.isfinite(value).all() for value in output.values()):
                raise ValueError(
                    f"In {precision} the exported signature `{name}` gives what is no "
                    "number. Nothing was written."
                )
    losses = {
        name: _loss(vae, signatures[name], run, name, batch_size, examples)
        for name in ("elbo", "log_prob")
    }
    for name, loss in losses.items():
        if not abs(loss) <= max_elbo_loss:
            raise ValueError(
                f"In {precision} `{name}` changes by {-loss:+.3g} nats per example, "
                f"and `max_elbo_loss` is {max_elbo_loss:g}. Nothing was written."
            )
    return found, losses["elbo"]


def compared_draws(
    vae: Any,
    content: bytes,
    signatures: dict[str, Signature],
    batch_size: int,
    precision: str,
    max_elbo_loss: float,
    examples: np.ndarray | None,
) -> dict[str, Difference]:
    """Compares what a file draws by itself with draws of the model, in the mean.

    Args:
        vae: As in `compared`, like the rest.
        content: The file.
        signatures: Its signatures with their noise as an input.
        batch_size: The number of examples B in the file.
        precision: The precision of the file.
        max_elbo_loss: Nats that are allowed beside six standard errors.
        examples: Data [N, *event] to compare on, or None for draws from the model.

    Returns:
        How far each signature that draws is from the model.

    Raises:
        ValueError: If one is too far, gives no number or draws the same again.
    """
    run = _in_batches(content, batch_size)
    slack = 0.0 if precision == "float32" else max_elbo_loss
    x = _rows(vae, batch_size, examples)
    found = {}
    for name in ("elbo", "log_prob"):
        noisy = _with_noise(signatures[name], x, seed=3)
        ours = signatures[name](**noisy)[name].numpy()
        found[name] = same_mean(name, name, ours, run(name, {"x": x})[name], slack)
    first, again = (_drawn(run, batch_size) for _ in range(2))
    if np.array_equal(first, again):
        raise ValueError(
            "The exported signature `sample` draws the same again. Nothing was written."
        )
    ours = vae.sample(_DRAWS, seed=2)
    slack = 0.0 if precision == "float32" else float(np.std(ours))
    # Means and spreads within an example, and how far examples are from one another.
    for measure in (np.mean, np.std, _step):
        mine, theirs = (measure(v.reshape(len(v), -1), axis=1) for v in (ours, first))
        found["sample"] = max(
            same_mean("sample", "x", mine, theirs, slack),
            found.get("sample", Difference(0.0, 0.0, "x")),
        )
    return found


def _step(flat: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(flat - np.roll(flat, 1, axis=0)).mean(axis)


def _drawn(run: Run, batch_size: int) -> np.ndarray:
    calls = -(-_DRAWS // batch_size)
    return np.concatenate([run("sample", {})["x"] for _ in range(calls)])


def _in_batches(content: bytes, batch_size: int) -> Run:
    """Runs signatures of a file, which takes B examples at a time, on several B."""
    loaded = interpreter(content)

    def run(name: str, call: Arrays) -> Arrays:
        runner = loaded.get_signature_runner(name)
        if not call:
            return runner()
        # Draws of `log_prob` have the samples as their first axis.
        axes = {key: int((name, key) == ("log_prob", "noise_z")) for key in call}
        count = {array.shape[axes[key]] for key, array in call.items()}.pop()
        parts = [
            runner(
                **{
                    key: array.take(range(start, start + batch_size), axis=axes[key])
                    for key, array in call.items()
                }
            )
            for start in range(0, count, batch_size)
        ]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    return run


def _close(name: str, want: Arrays, got: Arrays, relative: float) -> None:
    for key, value in want.items():
        distance = np.sqrt(np.mean((value - got[key]) ** 2, dtype=float))
        size = np.sqrt(np.mean(value**2, dtype=float))
        if not distance <= relative * size + 1e-3:
            raise ValueError(
                f"The exported signature `{name}` differs from the model: its output "
                f"`{key}` is off by {distance:.3g}, and is {size:.3g} itself. Nothing "
                "was written."
            )


def _rows(vae: Any, batch_size: int, examples: np.ndarray | None) -> np.ndarray:
    x = vae.sample(_DRAWS, seed=1) if examples is None else examples[:_DRAWS]
    return np.resize(x, (-(-_DRAWS // batch_size) * batch_size, *x.shape[1:]))


def _with_noise(signature: Signature, x: np.ndarray, seed: int) -> Arrays:
    generator = np.random.default_rng(seed)
    call = {"x": x}
    for spec in signature.inputs[1:]:
        shape = [len(x) if size is None else size for size in spec.shape]
        dtype = spec.dtype.as_numpy_dtype
        call[spec.name] = noise(signature.noise[spec.name], shape, generator, dtype)
    return call


def _loss(
    vae: Any,
    signature: Signature,
    run: Run,
    name: str,
    batch_size: int,
    examples: np.ndarray | None,
) -> float:
    """Nats per example by which a file is below the model, on the same noise."""
    call = _with_noise(signature, _rows(vae, batch_size, examples), seed=3)
    ours = signature(**call)[name].numpy()
    return float(np.mean(ours - run(name, call)[name]))
