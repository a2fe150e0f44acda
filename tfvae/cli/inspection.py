"""`tfvae inspect`: what an artefact holds."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from tfvae.cli.display import console, note
from tfvae.export.inspection import inspect as read

__all__ = ["inspect"]

_NATS = ("elbo", "reconstruction", "kl", "log_prob")


def inspect(path: pathlib.Path, as_json: bool) -> None:
    """Prints what an artefact holds.

    Args:
        path: A file or folder.
        as_json: Whether to print JSON for other programs.

    Raises:
        ValueError: If it is no artefact, or is damaged.
        OSError: If it cannot be read.
    """
    found = read(path)
    if as_json:
        console.print_json(json.dumps(found))
        return
    try:
        _show(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not hold what tfvae writes: {error!r}."
        ) from error


def _show(found: dict[str, Any]) -> None:
    console.print(f"[bold]{escape(_shown(found['path']))}[/bold]")
    for topic, text in _facts(found):
        note(topic, _shown(text))
    if "signatures" in found:
        console.print(_signatures(found))
    for part in found.get("parts", []):
        console.print()
        _show(part)


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    card = found.get("card") or {}
    kind = found["kind"]
    if "precision" in card:
        kind += f", {card['precision']}"
    yield "kind", kind
    yield "size", f"{found['bytes']:,} bytes"
    if found.get("versions"):
        yield "versions", ", ".join(str(version) for version in found["versions"])
    yield from _origin(found, card)
    metrics = found.get("metrics") or (card.get("training") or {}).get("metrics")
    if metrics:
        kept = {name: metrics[name] for name in _NATS if name in metrics}
        yield "metrics", ", ".join(_pairs(kept or metrics))
    if "checks" in card:
        yield "checked in", card["checks"]["runtime"]
    if card.get("elbo_loss") is not None:
        yield "ELBO", f"{-card['elbo_loss']:+.3g} nats for the precision"
    if kind not in ("folder of a model", "Keras file") and not card:
        yield "card", "none: an older tfvae or another program wrote this"


def _origin(found: dict[str, Any], card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    layers = found.get("layers") or card.get("model") or {}
    roles = [role for role in ("likelihood", "posterior", "prior") if layers.get(role)]
    if roles:
        yield "model", ", ".join(f"{role} {layers[role]}" for role in roles)
    if card:
        model, training = card["model"], card["training"]
        shapes = f"x {model['event_shape']}, z {model['latent_shape']}"
        yield "shapes", f"{shapes}, {model['weights']:,} weights"
        objective = (training["objective"] or {}).get("class", "not compiled")
        yield "training", f"{objective}, {training['steps']:,} steps"
        if "num_samples" in card:
            yield "log_prob", f"{card['num_samples']} samples"
        if "serving_default" in card:
            yield "default", card["serving_default"]
        yield "made", f"{card['created']} with {', '.join(_pairs(card['versions']))}"
    if found.get("objective"):
        yield "training", found["objective"]
    if "made" in found:
        yield "made", ", ".join(_pairs(found["made"]))


def _pairs(values: dict[str, Any]) -> list[str]:
    return [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    ]


def _signatures(found: dict[str, Any]) -> Table:
    card = found.get("card") or {}
    differences = (card.get("checks") or {}).get("differences", {})
    described = card.get("signatures", {})
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("signature", "inputs", "outputs", "largest difference"):
        table.add_column(heading)
    for name, signature in found["signatures"].items():
        noise = {
            key: value["meaning"]
            for key, value in described.get(name, {}).get("inputs", {}).items()
            if value["meaning"].endswith(("normals", "(0, 1)"))
        }
        inputs = [
            _tensor(key, spec) + (f" {noise[key]}" if key in noise else "")
            for key, spec in signature["inputs"].items()
        ]
        outputs = [_tensor(key, spec) for key, spec in signature["outputs"].items()]
        difference = differences.get(name)
        shown = "" if difference is None else f"{difference['absolute']:.1e}"
        columns = (escape(_shown("\n".join(lines))) for lines in (inputs, outputs))
        table.add_row(escape(_shown(name)), *columns, shown)
    return table


def _shown(text: str) -> str:
    """Text from a file without what would steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _tensor(name: str, spec: dict[str, Any]) -> str:
    sizes = ", ".join("B" if size is None else str(size) for size in spec["shape"])
    dtype = "" if spec["dtype"] == "float32" else f" {spec['dtype']}"
    return f"{name}{dtype} [{sizes}]"
