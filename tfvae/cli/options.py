"""What a training run is told, and what it fills in by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfvae.datasets import Arrays

__all__ = ["Options", "parse_sizes", "resolve"]

_MANY = 10_000


@dataclasses.dataclass(frozen=True)
class Options:
    """Everything that a training run is told, with nothing left open.

    Only `binarize` may be None: the likelihood then decides.
    """

    network: str
    hidden: tuple[int, ...]
    filters: tuple[int, ...]
    activation: str
    latent: int
    likelihood: str
    beta: float
    binarize: str | None
    scale: str
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    evidence_samples: int
    seed: int


def resolve(flags: Mapping[str, Any], data: Arrays) -> Options:
    """Fills in the flags that were not given, by the number of training examples.

    Large sets get the networks of Burda et al. (2016) for one stochastic layer.

    Args:
        flags: A value for every field of `Options`, or None if it was not given.
        data: The data.

    Returns:
        The options.

    Raises:
        ValueError: If the network cannot take the data.
    """
    if flags["network"] == "conv" and not data.is_image:
        raise ValueError(
            f"--network conv takes images, {data.name} holds a table: choose mlp."
        )
    many = len(data.x_train) >= _MANY
    activation = "tanh" if many else "elu"
    defaults = {
        "hidden": (200, 200),
        "activation": activation if flags["network"] == "mlp" else "relu",
        "latent": min(50 if many else 16, max(1, data.x_train[0].size // 2)),
        "epochs": 100 if many else 150,
        "batch_size": 100 if many else 32,
        "learning_rate": 3e-3 if many else 2e-3,
    }
    return Options(
        **{**flags, **{k: v for k, v in defaults.items() if flags[k] is None}}
    )


def parse_sizes(text: str) -> tuple[int, ...]:
    """Reads sizes such as `200,200`.

    Args:
        text: Positive integers between commas; an empty text holds none.

    Returns:
        The sizes.

    Raises:
        ValueError: If the text is anything else.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"expected positive integers between commas such as 200,200, received "
            f"{text!r}."
        )
    return tuple(int(part) for part in parts)
