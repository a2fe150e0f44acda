"""What an exported model says of itself: what goes in and out, and where it is from."""

import datetime
import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.export.check import Difference
from tfvae.export.signatures import Signature

__all__ = ["NAME", "card", "from_json", "plain", "sums_of", "to_json", "versions"]

NAME = "tfvae.json"
"""The file of a card, where an artefact has files."""

_SUM = "sum"

_INPUTS = {
    "x": "data in the support of the likelihood",
    "z": "latents",
    "raw": "values as they are stored, which become data inside",
    "seed": "a pair of integers that fixes the draws",
    "num_samples": "number of draws",
}
_OUTPUTS = {
    "mean": "the mean, or the documented location where there is none",
    "stddev": "the standard deviation",
    "x": "draws of x",
    "elbo": "evidence lower bound, nats",
    "reconstruction": "E_q[log p(x|z)] at one draw, nats",
    "kl": "KL(q(z|x) || p(z)), nats",
    "log_prob": "importance-weighted estimate of log p(x), nats",
}
_NOISE = {"normal": "standard normals", "uniform": "uniforms on (0, 1)"}


def card(
    vae: Any,
    signatures: dict[str, Signature],
    functions: dict[str, Any],
    runtime: str,
    found: dict[str, Difference],
    metrics: dict[str, Any] | None,
    **facts: Any,
) -> dict[str, Any]:
    """Makes the card of an artefact.

    Args:
        vae: The model.
        signatures: Name to signature.
        functions: Name to the concrete function of the signature.
        runtime: Where the artefact was compared with the model.
        found: How far it is from it.
        metrics: Figures of the model that its owner wants to keep with it, or None.
        **facts: What the format adds, such as `format`.

    Returns:
        What JSON can hold.
    """
    posterior, likelihood = vae.posterior_layer, vae.likelihood_layer
    layers = {
        "posterior": posterior,
        "likelihood": likelihood,
        "prior": vae.prior_layer,
    }
    return {
        **facts,
        "checks": {
            "runtime": runtime,
            "differences": {name: one._asdict() for name, one in found.items()},
        },
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "model": {
            "name": vae.name,
            **{role: type(layer).__name__ for role, layer in layers.items()},
            "event_shape": list(likelihood.event_shape),
            "latent_shape": list(posterior.event_shape),
            "weights": int(vae.count_params()),
        },
        "training": {
            "objective": _objective(vae),
            "steps": 0 if vae.objective is None else int(vae.optimizer.iterations),
            "metrics": metrics,
        },
        "signatures": {
            name: {
                "inputs": {
                    spec.name: _described(spec, _input_meaning(spec.name, signature))
                    for spec in signature.inputs
                },
                "outputs": {
                    key: _described(spec, _OUTPUTS.get(key, "a parameter"))
                    for key, spec in functions[name].structured_outputs.items()
                },
            }
            for name, signature in signatures.items()
        },
    }


def plain(metrics: Any) -> dict[str, Any] | None:
    """Returns figures as JSON can hold them.

    Raises:
        ValueError: If they are no dict of names and finite numbers or texts.
    """
    if metrics is None:
        return None
    try:
        found = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in metrics.items()
        }
        json.dumps(found, allow_nan=False)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            "`metrics` must hold names and finite numbers or texts. Received: "
            f"{metrics!r} ({error})."
        ) from error
    return found


def to_json(content: dict[str, Any]) -> str:
    """Returns a card as indented JSON, with a sum that tells damage."""
    return (
        json.dumps({**content, _SUM: _sum(content)}, indent=1, allow_nan=False) + "\n"
    )


def from_json(text: str | bytes) -> dict[str, Any]:
    """Reads a card.

    Raises:
        ValueError: If it is none, or is damaged.
    """
    try:
        found = json.loads(text)
        told = found.pop(_SUM)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{NAME} is no card of a model, or damaged") from error
    if told != _sum(found):
        raise ValueError(f"{NAME} is damaged: it is not what was written")
    return found


def _sum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sums_of(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file in a folder, by its path in it."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that make the numbers."""
    packages = ("tfvae", "tensorflow", "keras", "tensorflow-probability", "numpy")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _objective(vae: Any) -> Any:
    if vae.objective is None:
        return None
    found = keras.saving.serialize_keras_object(vae.objective)
    return {"class": found["class_name"], **found["config"]}


def _input_meaning(name: str, signature: Signature) -> str:
    if name in signature.noise:
        return _NOISE[signature.noise[name]]
    return _INPUTS[name]


def _described(spec: tf.TensorSpec, meaning: str) -> dict[str, Any]:
    return {
        "shape": spec.shape.as_list(),
        "dtype": spec.dtype.name,
        "meaning": meaning,
    }
