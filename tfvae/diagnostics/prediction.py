"""Training and held-out examples for predictions of factors, and their accuracy."""

import dataclasses

import numpy as np

from tfvae import _checks
from tfvae.diagnostics.factors import classes, scikit_learn

__all__ = ["Split", "balanced_accuracy", "split"]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Examples to learn one factor from, and those to judge it on.

    Attributes:
        fitted: Indices of the former.
        held_out: Indices of the latter.
        target: The factor [N]: classes 0 to C - 1, or numbers.
        num_classes: C, or None for numbers.
    """

    fitted: np.ndarray
    held_out: np.ndarray
    target: np.ndarray
    num_classes: int | None


def split(function: str, factor: np.ndarray, test_size: float, seed: int) -> Split:
    """Holds out a share of the examples, of each class the same.

    Raises:
        ValueError: If the share is none, or leaves a class without examples to learn
            from or to judge on, or a factor of numbers without two different ones.
    """
    test_size = _checks.finite_number("test_size", test_size, above=0)
    if test_size >= 1:
        raise ValueError(f"`test_size` must be in (0, 1). Received: {test_size!r}.")
    labels = classes(factor)
    if labels is not None and np.bincount(labels).min() < 2:
        alone = np.unique(factor)[np.bincount(labels).argmin()]
        raise ValueError(
            f"diagnostics.{function} needs at least two examples of each class of a "
            f"factor, to learn from and to judge on. Received one with the value "
            f"{alone:g}."
        )
    fitted, held_out = scikit_learn(function, "model_selection").train_test_split(
        np.arange(len(factor)), test_size=test_size, random_state=seed, stratify=labels
    )
    for part, use in (fitted, "learn from"), (held_out, "judge on"):
        lacking = _lacking(factor, part, labels)
        if lacking:
            raise ValueError(
                f"`test_size` = {test_size:g} leaves diagnostics.{function} {lacking} "
                f"to {use}. Give more examples, or another share."
            )
    if labels is None:
        return Split(fitted, held_out, factor, None)
    return Split(fitted, held_out, labels, int(labels.max()) + 1)


def _lacking(factor: np.ndarray, part: np.ndarray, labels: np.ndarray | None) -> str:
    """Says what a part of the examples lacks; "" if nothing."""
    if labels is None:
        return "" if np.ptp(factor[part]) > 0 else "no two values of a factor"
    missing = np.setdiff1d(factor, factor[part])
    return f"no example with the value {missing[0]:g}" if len(missing) else ""


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the share of right predictions, as a mean over the classes of `truth`."""
    right = [np.mean(predicted[truth == label] == label) for label in np.unique(truth)]
    return float(np.mean(right))
