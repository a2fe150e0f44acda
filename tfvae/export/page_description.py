"""What the page in the browser is told of a model, as `model.json` holds it."""

from pathlib import Path
from typing import Any

import numpy as np

from tfvae._math import as_seed
from tfvae.evidence._model import draw_prior
from tfvae.export.values import values_of

__all__ = ["describe", "describe_signatures"]

_FORMAT = 1
"""Version of model.json; `main.js` refuses another."""

_PRIOR_DRAWS = 1000
_KEPT_DRAWS = 64
_TAIL = 0.002
"""Part of the draws beyond either end of a slider."""

_SMALLEST_SIDE = 4
"""Arrays with a shorter side are shown as numbers, not as an image."""


def describe(vae: Any, name: str, num_samples: int, x: np.ndarray) -> dict[str, Any]:
    """Returns what the page needs to know of a model.

    Args:
        vae: The model.
        name: What the page calls it.
        num_samples: Number S of draws in `log_prob`.
        x: Examples [N, *event].

    Returns:
        What JSON can hold.
    """
    posterior, likelihood = vae.posterior_layer, vae.likelihood_layer
    means = posterior.location(vae.encode(x)).numpy()
    draws = draw_prior(vae, _PRIOR_DRAWS, as_seed(0)).numpy()
    means, draws = (array.reshape(len(array), -1) for array in (means, draws))
    low, high = _ranges(draws, means, values_of(posterior))
    activity = means.var(axis=0)
    return {
        "format": _FORMAT,
        "name": name,
        "num_samples": num_samples,
        "x": {
            "shape": list(likelihood.event_shape),
            "layer": type(likelihood).__name__,
            "columns": values_of(likelihood),
            "image": _is_image(likelihood.event_shape, values_of(likelihood)),
            "location_is_mean": bool(likelihood.location_is_mean),
            "takes_data": bool(likelihood.takes_data),
            "range": _numbers([x.min(), x.max()]),
        },
        "z": {
            "shape": list(posterior.event_shape),
            "layer": type(posterior).__name__,
            "prior": _prior_name(vae.prior_layer),
            "columns": values_of(posterior),
            "low": _numbers(low),
            "high": _numbers(high),
            "prior_mean": _numbers(_prior_mean(vae, draws)),
            "prior_stddev": _numbers(draws.std(axis=0)),
            "activity": _numbers(activity),
            "order": np.argsort(-activity, kind="stable").tolist(),
            "draws": [_numbers(draw) for draw in draws[:_KEPT_DRAWS]],
        },
        "kl_method": vae.kl_method,
        "examples": [_numbers(example.ravel()) for example in x],
        "means": [_numbers(mean) for mean in means],
    }


def _prior_mean(vae: Any, draws: np.ndarray) -> np.ndarray:
    try:
        return vae.prior.mean().numpy().ravel()
    except NotImplementedError:  # TensorFlow Probability has no formula for this one
        return draws.mean(axis=0)


def _prior_name(prior: Any) -> str:
    inner = getattr(prior.distribution, "name", "")
    kind = type(prior).__name__
    return f"{kind}({inner})" if kind == "Fixed" and inner else kind


def _is_image(shape: tuple[int, ...], columns: list[dict[str, Any]]) -> bool:
    channels = shape[2] if len(shape) == 3 else 1
    sides = len(shape) in (2, 3) and min(shape[:2]) >= _SMALLEST_SIDE
    return sides and channels in (1, 3) and all(not c["joint"] for c in columns)


def _ranges(
    draws: np.ndarray, means: np.ndarray, columns: list[dict[str, Any]]
) -> list[np.ndarray]:
    """Lower and upper end of each slider: where z is, within where it can be."""
    low, high = np.quantile(draws, [_TAIL, 1 - _TAIL], axis=0)
    low, high = np.minimum(low, means.min(0)), np.maximum(high, means.max(0))
    room = 0.1 * (high - low) + 1e-3
    low, high = low - room, high + room
    start = 0
    for column in columns:
        part = slice(start, start + column["size"])
        start += column["size"]
        if column["joint"]:
            low[part], high[part] = column["lowest"], column["highest"]
        if column["lowest"] is not None:
            low[part] = np.maximum(low[part], column["lowest"])
        if column["highest"] is not None:
            high[part] = np.minimum(high[part], column["highest"])
        if column["whole"]:
            low[part], high[part] = np.floor(low[part]), np.ceil(high[part])
    return [low, high]


def describe_signatures(vae: Any, file: Path) -> dict[str, Any]:
    """Shapes from the file itself, and which noise each noise input takes."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file))
    found = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        source = vae.prior_layer if name == "sample" else vae.posterior_layer
        noise = {"noise_z": source.noise, "noise_x": vae.likelihood_layer.noise}
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        found[name] = {
            "inputs": {
                key: np.array(it["shape"]).tolist() for key, it in inputs.items()
            },
            "outputs": {
                key: np.array(it["shape"]).tolist() for key, it in outputs.items()
            },
            "same": _same(outputs),
            "noise": {key: noise[key] for key in inputs if key in noise},
        }
    return found


def _shapes(details: dict[str, Any]) -> dict[str, list[int]]:
    return {name: np.array(it["shape"]).tolist() for name, it in details.items()}


def _same(outputs: dict[str, Any]) -> list[list[str]]:
    """Names of one tensor, such as the mean and the location of a normal.

    LiteRT.js knows such a tensor by one of its names alone.
    """
    names: dict[int, list[str]] = {}
    for name, details in outputs.items():
        names.setdefault(details["index"], []).append(name)
    return [together for together in names.values() if len(together) > 1]


def _numbers(values: Any) -> list[float]:
    """Numbers as JSON holds them: whole ones short, others exact in float32."""
    return [
        int(value) if value == np.round(value) else float(f"{value:.9g}")
        for value in np.asarray(values, np.float64).ravel()
    ]
