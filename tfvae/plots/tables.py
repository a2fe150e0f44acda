"""Panels of tables: one small plot for each of the columns that vary most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

__all__ = ["draw_distributions", "draw_fit"]

_MOST = 6


def draw_fit(figure: FigureBase, x: np.ndarray, x_hat: np.ndarray) -> None:
    """Draws the reconstruction of every value against the value."""
    columns = _columns(x)
    cells = style.small_multiples(
        figure, "Reconstructions against test data" + _some(columns, x), len(columns)
    )
    for axes, j in zip(cells, columns, strict=True):
        truth, model = x[:, j], x_hat[:, j]
        middle = float(np.median(truth))
        axes.axline((middle, middle), slope=1, color=style.MUTED, linewidth=0.8)
        axes.plot(truth, model, "o", color=style.MODEL, alpha=0.35, ms=2.8, mew=0)
        share = np.mean((truth - model) ** 2) / max(np.var(truth), 1e-12)
        style.caption(axes, f"column {j + 1},  R² {1 - share:.2f}")


def draw_distributions(
    figure: FigureBase, x: np.ndarray, data: np.ndarray | None
) -> None:
    """Draws histograms of samples, on those of data if there are any."""
    reference = x if data is None else data
    columns = _columns(reference)
    title = "Samples from the prior" + ("" if data is None else ", and test data")
    cells = style.small_multiples(figure, title + _some(columns, x), len(columns))
    for axes, j in zip(cells, columns, strict=True):
        low, high = np.percentile(reference[:, j], [0.5, 99.5])
        margin = 0.15 * (high - low) or 1.0
        bins = np.linspace(low - margin, high + margin, 31)
        if data is not None:
            axes.hist(data[:, j], bins, color=style.DATA, alpha=0.6, **_density("data"))
        line = {"histtype": "step", "color": style.MODEL, "linewidth": 1.5}
        axes.hist(x[:, j], bins, **line, **_density("samples"))
        axes.set_yticks([])
        style.caption(axes, f"column {j + 1}")
    if data is not None:
        cells[0].legend(
            frameon=False,
            fontsize=7.5,
            labelcolor=style.INK,
            loc="upper right",
            borderaxespad=0,
            handlelength=1.2,
        )
        cells[0].margins(y=0.35)


def _density(label: str) -> dict[str, Any]:
    return {"density": True, "label": label}


def _columns(x: np.ndarray) -> list[int]:
    order = np.argsort(-x.var(axis=0), kind="stable")[:_MOST]
    return sorted(int(j) for j in order)


def _some(columns: list[int], x: np.ndarray) -> str:
    if len(columns) == x.shape[1]:
        return ""
    return f", {len(columns)} of {x.shape[1]} columns"
