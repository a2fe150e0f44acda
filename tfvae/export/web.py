"""Export as a web page in which the model runs: a folder for any static host."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tfvae._math import as_seed
from tfvae.evidence._model import draw_prior
from tfvae.export.litert import export_litert
from tfvae.export.placing import place
from tfvae.export.values import values_of

__all__ = ["export_web", "is_web_export"]

PAGE = Path(__file__).with_name("page")
"""The page itself, with LiteRT.js under `vendor/`, which hatch_build.py put there."""

_MODEL, _DESCRIPTION, _ENTRY = "model.tflite", "model.json", "index.html"
_NOT_SERVED = ("package.json", "package-lock.json", ".*")

_FORMAT = 1
"""Version of model.json; `main.js` refuses another."""

_MOST_EXAMPLES = 64
_MOST_NUMBERS = 2**19
"""Of the examples together, so that model.json stays a few megabytes."""

_PRIOR_DRAWS = 1000
_KEPT_DRAWS = 64
_TAIL = 0.002
"""Part of the draws beyond either end of a slider."""

_SMALLEST_SIDE = 4
"""Arrays with a shorter side are shown as numbers, not as an image."""


def export_web(
    vae: Any,
    path: str | os.PathLike[str],
    num_samples: int = 64,
    examples: Any = None,
    name: str | None = None,
    verbose: bool = False,
) -> dict[str, float]:
    """Writes a folder with a page that runs the model in the browser.

    The folder holds the page, LiteRT.js, `model.tflite` with a batch of one, and
    `model.json`, which describes the model. Any web server can serve it.

    Args:
        vae: The model.
        path: The folder to make, which must not exist yet.
        num_samples: Number S of draws in `log_prob`. Default: 64.
        examples: Data [N, *event] to begin with, of which the first 64 at most are
            kept. Default: draws from the model.
        name: What the page calls the model. Default: the name of the folder.
        verbose: Whether to print the largest differences. Default: False.

    Returns:
        For each signature, the largest difference from the model relative to what
        is allowed: at most 1.

    Raises:
        FileExistsError: If `path` exists already.
        FileNotFoundError: If LiteRT.js was not fetched when tfvae was installed.
        ImportError: If the LiteRT interpreter is not installed.
        ValueError: If the examples are no data of the model, or it cannot be
            exported; nothing is put in place.
    """
    path = Path(path)
    if path.suffix in (".tflite", ".keras", ".html"):
        raise ValueError(
            f"`filepath` must name a folder, which a page is. Received: {str(path)!r}."
        )
    if path.exists():
        raise FileExistsError(
            f"{path} exists already, and a page that may be in use is never "
            "overwritten. Export to another folder."
        )
    _require_vendor()
    x = _examples(vae, examples)
    with place(path) as beside:
        shutil.copytree(PAGE, beside, ignore=shutil.ignore_patterns(*_NOT_SERVED))
        differences = export_litert(
            vae, beside / _MODEL, 1, num_samples, verbose=verbose
        )
        description = _describe(vae, name or path.name, num_samples, x)
        description["signatures"] = _signatures(vae, beside / _MODEL)
        text = json.dumps(description, ensure_ascii=False, allow_nan=False)
        (beside / _DESCRIPTION).write_text(text, "utf-8")
    return differences


def is_web_export(path: str | os.PathLike[str]) -> bool:
    """Returns whether a folder is what `export_web` writes."""
    return all((Path(path) / name).is_file() for name in (_ENTRY, _MODEL, _DESCRIPTION))


def _require_vendor() -> None:
    if (PAGE / "vendor" / "package-lock.json").is_file():
        return
    raise FileNotFoundError(
        "The page needs LiteRT.js, which could not be fetched when tfvae was "
        "installed. Install Node.js with its npm, then tfvae once more: "
        "pip install --force-reinstall --no-deps with what you gave pip before."
    )


def _examples(vae: Any, examples: Any) -> np.ndarray:
    layer = vae.likelihood_layer
    size = math.prod(layer.event_shape)
    count = max(1, min(_MOST_EXAMPLES, _MOST_NUMBERS // size))
    if examples is None:
        return vae.sample(count, seed=0)
    x = np.asarray(examples)[:count]
    shape = tuple(layer.event_shape)
    if x.shape[1:] != shape or not len(x) or x.dtype.kind not in "buif":
        raise ValueError(
            f"`examples` must be numbers of the shape [N, {str(shape)[1:-1]}]. "
            f"Received: shape {x.shape}, dtype {x.dtype}."
        )
    x = x.astype(layer.variable_dtype)
    if np.any(layer.unsupported(x)):
        raise ValueError(
            f"`examples` must be in the support of {layer!r}: {layer.support}."
        )
    return x


def _describe(vae: Any, name: str, num_samples: int, x: np.ndarray) -> dict[str, Any]:
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
    except NotImplementedError:
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


def _signatures(vae: Any, file: Path) -> dict[str, Any]:
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
