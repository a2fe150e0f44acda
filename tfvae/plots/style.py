"""Paper, ink and type that all figures share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

__all__ = [
    "CLASSES",
    "DATA",
    "INK",
    "MODEL",
    "MUTED",
    "caption",
    "heading",
    "new_figure",
    "plain_axes",
    "small_multiples",
]

INK, MUTED, RULE = "#1f2933", "#66717e", "#dde2e7"
DATA, MODEL = "#9aa5b1", "#1f6fb4"

# Petroff (2021), arXiv:2107.02270: ten colours that stay apart for everyone.
CLASSES = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)


def new_figure(width: float, height: float) -> Figure:
    """Makes an empty white figure, in inches, that belongs to no window."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.04)
    return Figure((width, height), dpi=150, layout=layout, facecolor="white")


def plain_axes(figure: FigureBase, title: str, x: str, y: str = "") -> Axes:
    """Makes axes with a heading, two labels and a light grid."""
    axes = figure.subplots()
    heading(axes, title)
    axes.set_xlabel(x, color=MUTED, fontsize=9)
    axes.set_ylabel(y, color=MUTED, fontsize=9)
    axes.grid(color=RULE, linewidth=0.6)
    _quiet(axes)
    return axes


def small_multiples(figure: FigureBase, title: str, count: int) -> list[Axes]:
    """Makes `count` small axes under one heading, up to three side by side."""
    wide = min(3, count)
    grid = figure.subplots(math.ceil(count / wide), wide, squeeze=False)
    figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=11)
    for spare in grid.flat[count:]:
        spare.set_axis_off()
    cells = list(grid.flat[:count])
    for axes in cells:
        _quiet(axes)
    return cells


def heading(axes: Axes, text: str) -> None:
    """Writes the title of a panel."""
    axes.set_title(text, loc="left", pad=9, color=INK, fontsize=11)


def caption(axes: Axes, text: str) -> None:
    """Writes the title of one of several small axes."""
    axes.set_title(text, loc="left", pad=4, color=MUTED, fontsize=8.5)


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(colors=MUTED, labelsize=8, length=0)
    axes.set_axisbelow(True)
