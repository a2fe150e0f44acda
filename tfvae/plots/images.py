"""Panels of images, each drawn as one picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tfvae.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

__all__ = ["draw_images", "draw_pairs", "is_image"]

_ASPECT = 1.7  # width over height of a panel of the report


def is_image(x: np.ndarray) -> bool:
    """Whether `x` is [B, height, width, channels]."""
    return x.ndim == 4


def draw_pairs(figure: FigureBase, x: np.ndarray, x_hat: np.ndarray) -> None:
    """Draws rows of images, each with its reconstructions right below it."""
    pairs = np.stack([x, x_hat], axis=1)
    _draw(figure, "Test data, each with its reconstruction below", pairs, rows=3)


def draw_images(figure: FigureBase, x: np.ndarray, rows: int | None) -> None:
    """Draws samples, in so many rows or in as many as show them all."""
    if rows is None:
        held = (
            n for n in range(1, len(x) + 1) if n * _columns(x[:, None], n) >= len(x)
        )
        rows = next(held)
    _draw(figure, "Samples from the prior", x[:, None], rows)


def _draw(figure: FigureBase, title: str, x: np.ndarray, rows: int) -> None:
    axes = figure.subplots()
    style.heading(axes, title)
    axes.imshow(_mosaic(x, rows), interpolation="nearest")
    axes.set_anchor("W")
    axes.set_axis_off()


def _mosaic(x: np.ndarray, rows: int) -> np.ndarray:
    """Sets [B, group, height, width, channels] as columns of groups on white paper.

    Returns:
        An RGB picture in [0, 1]; one channel becomes ink on paper.
    """
    _, group, height, width, channels = x.shape
    columns = _columns(x, rows)
    rows = min(rows, math.ceil(len(x) / columns))
    x = x[: rows * columns, ..., : 3 if channels >= 3 else 1].astype(float)
    low, high = min(0.0, x.min()), max(x.max(), 1e-12)
    x = (x - low) / (high - low)
    if x.shape[-1] == 1:
        x = 1 - 0.93 * np.repeat(x, 3, axis=-1)

    gap = max(1, round(0.09 * height))
    block = group * (height + gap) + (gap if group > 1 else 0)
    paper = np.ones((rows * block - gap, columns * (width + gap) - gap, 3))
    for i, images in enumerate(x):
        left = (i % columns) * (width + gap)
        for j, image in enumerate(images):
            top = (i // columns) * block + j * (height + gap)
            paper[top : top + height, left : left + width] = image
    return paper


def _columns(x: np.ndarray, rows: int) -> int:
    """How many groups stand side by side in so many rows."""
    _, group, height, width, _ = x.shape
    return max(1, min(len(x), round(_ASPECT * rows * group * height / width)))
