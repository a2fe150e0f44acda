"""Which likelihood fits the data, and what the data need before they meet it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tfvae.cli.models import SavedModel
    from tfvae.datasets import Arrays

__all__ = ["Preparation", "prepare", "recorded"]

_EPSILON = 1e-12

_LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "binomial", "normal")


@dataclasses.dataclass(frozen=True)
class Preparation:
    """A likelihood and the way from stored values to its support.

        x = (stored - shift) / divisor, then drawn as 0 or 1 if `binarize` says so

    Args:
        likelihood: "bernoulli", "continuous_bernoulli", "binomial" or "normal".
        why: One clause that says why.
        total_count: Number of trials of "binomial". Default: None.
        scale: "none", "unit" or "standardize". Default: "none".
        shift: A number, or one per column. Default: 0.
        divisor: A number, or one per column. Default: 1.
        binarize: "dynamic", "static" or "none". Default: "none".
        seed: Seed of the draws. Default: 0.

    Raises:
        ValueError: If an argument is none of these, or not finite in float32.
    """

    likelihood: str
    why: str
    total_count: int | None = None
    scale: str = "none"
    shift: Any = 0.0
    divisor: Any = 1.0
    binarize: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what no training run records."""
        count = self.total_count
        if not (
            self.likelihood in _LIKELIHOODS
            and isinstance(self.why, str)
            and (count is None or (type(count) is int and count > 0))
            and self.scale in ("none", "unit", "standardize")
            and self.binarize in ("dynamic", "static", "none")
            and type(self.seed) is int
            and self.seed >= 0
        ):
            raise ValueError(f"{self} is no preparation of data.")
        shift, divisor = np.asarray(self.shift), np.asarray(self.divisor)
        if not {shift.dtype.kind, divisor.dtype.kind} <= set("if"):
            raise ValueError("`shift` and `divisor` must be numbers.")
        _to_float32(shift, "The mean")
        if np.any(_to_float32(divisor, "The standard deviation") <= 0):
            raise ValueError("`divisor` must be positive.")

    def scaled(self, stored: np.ndarray) -> np.ndarray:
        """Returns stored values, scaled, in float32.

        Raises:
            ValueError: If one of them is too large for that.
        """
        with np.errstate(over="ignore"):
            x = (stored - np.asarray(self.shift)) / self.divisor
        return _to_float32(x, "A scaled value")

    def fixed(self, stored: np.ndarray, *, test: bool = True) -> np.ndarray:
        """Returns what the model sees, with one fixed draw if values are binarised."""
        from tfvae.datasets import binarize

        x = self.scaled(stored)
        if self.binarize == "none":
            return x
        return binarize(x, seed=2 * self.seed + int(test))

    def restored(self, x: np.ndarray) -> np.ndarray:
        """Returns values of the model in the units of the data."""
        if self.binarize != "none":
            return x
        return x * np.asarray(self.divisor, np.float32) + np.asarray(
            self.shift, np.float32
        )

    def log_jacobian(self, event_size: int) -> float:
        """Nats to add to log densities of scaled values for those of stored values."""
        if self.likelihood not in ("normal", "continuous_bernoulli"):
            return 0.0
        logs = np.log(np.asarray(self.divisor, float))
        return -float(np.sum(np.broadcast_to(logs, np.shape(logs) or (event_size,))))


def prepare(
    data: Arrays,
    likelihood: str = "auto",
    binarize: str | None = None,
    scale: str = "auto",
    seed: int = 0,
) -> Preparation:
    """Chooses a likelihood and scaling for data, or checks those that are asked for.

    Args:
        data: Training and test data; the scaling is computed from the training data.
        likelihood: "auto", or one of those of `Preparation`.
        binarize: "dynamic", "static" or "none". Default: None, which draws images of
            one channel of grey values anew each epoch.
        scale: "none", "unit", "standardize", or "auto" for what the likelihood needs.
        seed: Seed of the binary draws.

    Returns:
        The preparation.

    Raises:
        ValueError: If the likelihood does not fit the data or the other choices, or
            values are too large for float32.
    """
    kind, top = data.kind, data.maximum
    if likelihood == "auto":
        likelihood, why = _choose(data, binarize)
    else:
        why = "as asked for"

    if likelihood == "bernoulli":
        if kind == "binary":
            return Preparation(likelihood, why, seed=seed)
        if kind == "real":
            raise ValueError(
                f"The Bernoulli likelihood takes 0 and 1, {data.name} holds real "
                "numbers: choose --likelihood normal."
            )
        if binarize == "none" or scale not in ("auto", "unit"):
            raise ValueError(
                f"The Bernoulli likelihood takes 0 and 1, {data.name} holds values up "
                f"to {top:g}: choose --binarize dynamic or static, or --likelihood "
                "continuous_bernoulli."
            )
        return Preparation(
            likelihood,
            why,
            scale="unit",
            divisor=top,
            binarize=binarize or "dynamic",
            seed=seed,
        )
    if binarize not in (None, "none"):
        raise ValueError(
            f"--binarize {binarize} makes binary data, which --likelihood {likelihood} "
            "is not for: choose bernoulli."
        )
    if likelihood == "binomial":
        if kind not in ("binary", "counts", "bytes") or scale not in ("auto", "none"):
            raise ValueError(
                "The binomial likelihood takes whole numbers from 0 to 255 as they "
                f"are, {data.name} holds {kind} values and --scale is {scale}."
            )
        return Preparation(likelihood, why, total_count=int(top), seed=seed)
    if likelihood == "continuous_bernoulli":
        if kind == "real" or scale not in ("auto", "unit"):
            raise ValueError(
                "The continuous Bernoulli likelihood takes values from 0 to 1 and "
                f"--scale unit, {data.name} holds {kind} values up to {top:g}."
            )
        return Preparation(likelihood, why, scale="unit", divisor=top, seed=seed)
    found = _normal(data, why, scale, seed)
    for part in (data.x_train, data.x_test):
        found.scaled(part)
    return found


def recorded(saved: SavedModel) -> Preparation | None:
    """Returns how the data of a model were prepared, or None if nothing says so."""
    if saved.record is None:
        return None
    try:
        return Preparation(**saved.record["preparation"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{saved.file.with_name('metrics.json')} does not say how the data were "
            "prepared, as `tfvae train` writes it."
        ) from error


def _choose(data: Arrays, binarize: str | None) -> tuple[str, str]:
    """Returns the likelihood that fits, and why."""
    kind, top = data.kind, data.maximum
    grey = kind in ("bytes", "unit") and data.is_image
    if kind == "binary":
        return "bernoulli", "every value is 0 or 1"
    if binarize in ("dynamic", "static") or (
        grey and data.event_shape[-1] == 1 and binarize is None
    ):
        return "bernoulli", f"grey values from 0 to {top:g} are drawn as 0 or 1"
    if kind == "counts":
        return "binomial", f"whole numbers from 0 to {top:g}"
    if grey:
        return "continuous_bernoulli", f"values from 0 to {top:g}, scaled to [0, 1]"
    return "normal", "real numbers"


def _normal(data: Arrays, why: str, scale: str, seed: int) -> Preparation:
    """Scales by the largest value, or by mean and standard deviation."""
    if scale == "auto":
        scale = "unit" if data.kind == "bytes" else "standardize"
    if scale == "unit":
        if data.kind == "real":
            raise ValueError(
                f"--scale unit takes values from 0 to a known largest one, {data.name} "
                "holds real numbers: choose standardize."
            )
        return Preparation("normal", why, scale=scale, divisor=data.maximum, seed=seed)
    if scale == "none":
        return Preparation("normal", why, seed=seed)
    axes = None if data.is_image else 0
    with np.errstate(over="ignore", invalid="ignore"):
        shift = data.x_train.mean(axis=axes, dtype=float)
        spread = data.x_train.std(axis=axes, dtype=float)
    # A column that never changes stays as it is.
    divisor = np.where(spread <= _EPSILON * (1 + np.abs(shift)), 1.0, spread)
    return Preparation(
        "normal",
        why,
        scale="standardize",
        shift=shift.tolist(),
        divisor=divisor.tolist(),
        seed=seed,
    )


def _to_float32(x: np.ndarray, what: str) -> np.ndarray:
    """Returns numbers in float32, or names what is too large for it."""
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError(
            f"{what} of the data is not finite in float32, in which models compute: "
            "use other units."
        )
    return x
