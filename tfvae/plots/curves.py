"""Panels that images and tables share: training curves and the latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

__all__ = ["draw_latent", "draw_training"]

_ACTIVE = 0.01  # Burda et al. (2016): least variance of an active unit's mean


def draw_training(figure: FigureBase, history: Mapping[str, Sequence[float]]) -> None:
    """Draws the ELBO per epoch, of training and of validation data."""
    axes = style.plain_axes(figure, "ELBO, nats per example", "epoch")
    axes.locator_params(axis="x", integer=True)
    settled = []
    curves = [("elbo", "training", style.DATA), ("val_elbo", "validation", style.MODEL)]
    for key, name, colour in curves:
        if key not in history:
            continue
        values = np.asarray(history[key], dtype=float)
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, linewidth=1.8, label=name)
        axes.plot(epochs[-1:], values[-1:], "o", color=colour, markersize=4)
        # The first epochs climb from far below: leave their foot out of sight.
        settled.append(values[min(len(values) // 20, 10) :])
    shown = np.concatenate([np.zeros(0), *settled])
    shown = shown[np.isfinite(shown)]
    if shown.size:
        low, high = float(shown.min()), float(shown.max())
        margin = 0.06 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
        axes.legend(frameon=False, loc="lower right", labelcolor=style.INK, fontsize=9)


def draw_latent(
    figure: FigureBase, mean: np.ndarray, labels: np.ndarray | None
) -> None:
    """Draws posterior means [B, D] in two dimensions, or a histogram of one."""
    active = int(np.sum(mean.var(axis=0) > _ACTIVE))
    title = f"Posterior means of test data, {active} of {mean.shape[1]} units active"
    if mean.shape[1] == 1:
        axes = style.plain_axes(figure, title, "z", "examples")
        axes.hist(mean[:, 0], bins=40, color=style.MODEL, alpha=0.75)
        return
    points, names = _project(mean)
    axes = style.plain_axes(figure, title, *names)
    size = float(np.clip(7000 / len(mean), 4, 22))
    dots: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.75}
    if labels is None:
        axes.scatter(*points.T, color=style.MODEL, **dots)
        return
    labels = np.asarray(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) > len(style.CLASSES):
        values = labels if labels.dtype.kind in "iuf" else codes
        shades = axes.scatter(*points.T, c=values, cmap="viridis", **dots)
        bar = figure.colorbar(shades, ax=axes, fraction=0.04)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=style.MUTED, labelsize=8, length=0)
        return
    for code, name in enumerate(classes):
        chosen = points[codes == code]
        axes.scatter(*chosen.T, color=style.CLASSES[code], label=str(name), **dots)
    _legend(axes, size)


def _legend(axes: Axes, size: float) -> None:
    axes.legend(
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        labelcolor=style.INK,
        fontsize=9,
        markerscale=6 / size**0.5,
        handletextpad=0.1,
    )


def _project(mean: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Returns coordinates [B, 2] of the posterior means, and their names."""
    if mean.shape[1] == 2:
        return mean, ("z 1", "z 2")
    centred = mean - mean.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    first, second = variances[:-3:-1] / max(float(variances.sum()), 1e-12)
    names = (
        f"first principal component ({first:.0%} of variance)",
        f"second ({second:.0%})",
    )
    return centred @ axes[:, :-3:-1], names
