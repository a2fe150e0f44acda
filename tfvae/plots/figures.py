"""The public figures: one panel each, and the report that composes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae._checks import describe
from tfvae.plots import curves, images, style, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

__all__ = ["latent", "reconstructions", "report", "samples", "training"]


def training(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draws the ELBO per epoch.

    Args:
        history: The `history` of what `fit` returns: `elbo` and, if there were
            validation data, `val_elbo`, in nats per example.

    Returns:
        A figure.

    Example:
    >>> figure = tfvae.plots.training({"elbo": [-40.0, -30.0, -28.0]})
    """
    figure = style.new_figure(6, 4)
    curves.draw_training(figure, history)
    return figure


def reconstructions(x: np.ndarray, x_hat: np.ndarray) -> Figure:
    """Draws data next to, or for tables against, their reconstructions.

    Args:
        x: Images [B, height, width, channels] or a table [B, D].
        x_hat: What `reconstruct(x)` returns, in the shape of `x`.

    Returns:
        A figure of as many examples, or columns, as can be read.

    Raises:
        ValueError: If `x` is neither, or the shapes differ.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> figure = tfvae.plots.reconstructions(x, 0.9 * x)
    """
    x, x_hat = _data("x", x), _data("x_hat", x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(
            f"`x_hat` must have the shape {x.shape} of `x`. Received: {x_hat.shape}."
        )
    figure = style.new_figure(6, 4)
    _draw_reconstructions(figure, x, x_hat)
    return figure


def samples(x: np.ndarray, data: np.ndarray | None = None) -> Figure:
    """Draws samples of the model; of a table, the distribution of its columns.

    Args:
        x: What `sample(n)` returns: images or a table.
        data: Data to compare the columns of a table with. Default: None.

    Returns:
        A figure.

    Raises:
        ValueError: If `x` is neither images nor a table.

    Example:
    >>> figure = tfvae.plots.samples(np.random.default_rng(0).normal(size=(99, 2)))
    """
    figure = style.new_figure(6, 4)
    other = None if data is None else _data("data", data)
    _draw_samples(figure, _data("x", x), other, rows=None)
    return figure


def latent(mean: np.ndarray, labels: np.ndarray | None = None) -> Figure:
    """Draws where the encoder puts the data.

    Two latent axes are drawn as they are, more are projected on their first two
    principal components. A unit is active when its posterior mean has a variance of
    more than 0.01 over the data.

    Args:
        mean: Posterior means [B, D].
        labels: A class or number [B] to colour them by. Default: None.

    Returns:
        A figure.

    Raises:
        ValueError: If `mean` is not [B, D], or `labels` is not one per row of it.

    Example:
    >>> z = np.random.default_rng(0).normal(size=(100, 8))
    >>> figure = tfvae.plots.latent(z, labels=z[:, 0] > 0)

    Reference: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders",
    2016, appendix C, https://arxiv.org/abs/1509.00519.
    """
    mean = np.asarray(mean)
    if mean.ndim != 2:
        raise ValueError(f"`mean` must be [B, D]. Received: {describe(mean)}.")
    if labels is not None and len(labels) != len(mean):
        raise ValueError(
            f"`labels` must hold {len(mean)} entries, one per row of `mean`. "
            f"Received: {len(labels)}."
        )
    figure = style.new_figure(6, 5)
    curves.draw_latent(figure, mean, labels)
    return figure


def report(
    vae: Any,
    x: np.ndarray,
    *,
    history: Mapping[str, Sequence[float]] | None = None,
    labels: np.ndarray | None = None,
    title: str = "",
    subtitle: str = "",
    seed: int = 0,
) -> Figure:
    """Composes one figure of a model: training, reconstructions, codes and samples.

    Args:
        vae: A `tfvae.VAE`.
        x: Test data, as the model takes them; at most 2,000 are looked at.
        history: The `history` of what `fit` returned. Default: None, no curve.
        labels: A class or number [B] to colour the codes by. Default: None.
        title: Heading of the figure. Default: none.
        subtitle: One line under the heading, such as the test ELBO. Default: none.
        seed: Seed of the samples. Default: 0.

    Returns:
        A figure.

    Raises:
        ValueError: If `x` is neither images nor a table.
    """
    x = _data("x", x)[:2000]
    labels = None if labels is None else np.asarray(labels)[: len(x)]
    mean = np.asarray(vae.encode(x).mean())
    drawn = vae.sample(120 if images.is_image(x) else len(x), seed=seed)

    figure = style.new_figure(12, 8.4)
    head, body = figure.subfigures(2, 1, height_ratios=[0.08, 1])
    head.text(0.0125, 0.62, title, size=17, weight="bold", color=style.INK, va="center")
    head.text(0.013, 0.1, subtitle, size=10, color=style.MUTED, va="center")
    (top_left, top_right), (low_left, low_right) = body.subfigures(2, 2)
    if history:
        curves.draw_training(top_left, history)
    _draw_reconstructions(top_right, x, vae.reconstruct(x))
    curves.draw_latent(low_left, mean.reshape(len(mean), -1), labels)
    _draw_samples(low_right, drawn, x, rows=6)
    return figure


def _data(name: str, x: Any) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim not in (2, 4) or x.size == 0:
        raise ValueError(
            f"`{name}` must be images [B, height, width, channels] or a table [B, D]. "
            f"Received: {describe(x)}."
        )
    return x


def _draw_reconstructions(figure: FigureBase, x: np.ndarray, x_hat: np.ndarray) -> None:
    draw = images.draw_pairs if images.is_image(x) else tables.draw_fit
    draw(figure, x, x_hat)


def _draw_samples(
    figure: FigureBase, x: np.ndarray, data: np.ndarray | None, rows: int | None
) -> None:
    if images.is_image(x):
        images.draw_images(figure, x, rows)
    else:
        tables.draw_distributions(figure, x, data)
