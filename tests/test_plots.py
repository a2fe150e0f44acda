"""Figures: the right numbers are drawn, nothing overlaps, no global state."""

import types

import matplotlib
import matplotlib._pylab_helpers
import matplotlib.image
import matplotlib.text
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA

from tfvae import plots

HISTORY = {"elbo": [-90.0, -40.0, -30.0], "val_elbo": [-95.0, -45.0, -36.0]}


class LinearModel:
    """The methods of a VAE that a report needs, by probabilistic PCA."""

    def __init__(self, x, size):
        self._shape = x.shape[1:]
        self._pca = PCA(size).fit(x.reshape(len(x), -1))

    def encode(self, x):
        z = self._pca.transform(x.reshape(len(x), -1))
        return types.SimpleNamespace(mean=lambda: z)

    def reconstruct(self, x):
        return self._decode(self.encode(x).mean())

    def sample(self, count, seed):
        scale = self._pca.explained_variance_**0.5
        z = np.random.default_rng(seed).normal(size=(count, len(scale)))
        return self._decode(z * scale)

    def _decode(self, z):
        return self._pca.inverse_transform(z).reshape(-1, *self._shape)


DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS.reshape(-1, 8, 8, 1)
WINE = load_wine().data
WINE = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0)
COLOUR = np.random.default_rng(0).uniform(size=(40, 5, 9, 3))


def boxes(figure):
    """Boxes of all titles, axis labels and free texts that are not empty."""
    figure.draw_without_rendering()
    texts = [
        text
        for text in figure.findobj(matplotlib.text.Text)
        if text.get_visible() and text.get_text().strip()
    ]
    ticks = figure.findobj(matplotlib.axis.Tick)
    inside = {text for tick in ticks for text in tick.findobj(matplotlib.text.Text)}
    return [(t.get_text(), t.get_window_extent()) for t in texts if t not in inside]


@pytest.mark.parametrize(
    ("x", "size", "labels"),
    [
        (DIGITS, 10, LABELS),
        (DIGITS[:3], 2, None),
        (COLOUR, 3, np.array(["horse", "aeroplane"] * 20)),
        (WINE, 4, np.linspace(0, 1, len(WINE))),
        (WINE, 2, None),
        (WINE[:, :1], 1, None),
        (WINE[:, :2], 1, np.arange(len(WINE)) % 3),
    ],
)
def test_report_of_any_data_overlaps_nowhere(x, size, labels, tmp_path):
    figure = plots.report(
        LinearModel(x, size),
        x,
        history=HISTORY,
        labels=labels,
        title="a title",
        subtitle="one line of figures",
    )
    figure.savefig(tmp_path / "report.png")
    width, height = figure.bbox.size
    found = boxes(figure)
    assert {"a title", "one line of figures"} <= {text for text, _ in found}
    for i, (text, box) in enumerate(found):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
        for other, other_box in found[:i]:
            assert not box.overlaps(other_box), (text, other)
    assert matplotlib.image.imread(tmp_path / "report.png").std() > 0.05


def test_training_draws_the_history():
    (axes,) = plots.training(HISTORY).axes
    curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 3]
    np.testing.assert_array_equal(curves, [HISTORY["elbo"], HISTORY["val_elbo"]])


def test_images_keep_their_pixels():
    (axes,) = plots.reconstructions(DIGITS[:20], 16 - DIGITS[:20]).axes
    picture = np.asarray(axes.images[0].get_array())[..., 0]
    ink = (1 - picture) / 0.93 * 16
    np.testing.assert_allclose(ink[:8, :8], DIGITS[0, ..., 0], atol=1e-9)
    np.testing.assert_allclose(ink[9:17, :8], 16 - DIGITS[0, ..., 0], atol=1e-9)
    np.testing.assert_allclose(ink[:8, 9:17], DIGITS[1, ..., 0], atol=1e-9)


def test_tables_show_the_columns_that_vary_most():
    x = WINE * np.arange(1, 14)
    titles = [axes.get_title("left") for axes in plots.samples(x, x).axes]
    assert titles == [f"column {j}" for j in range(8, 14)]
    fits = [axes.get_title("left") for axes in plots.reconstructions(x, x).axes]
    assert all(title.endswith("R² 1.00") for title in fits)


def test_latent_of_many_units_shows_principal_components():
    (axes,) = plots.latent(WINE).axes
    points = axes.collections[0].get_offsets()
    expected = PCA(2).fit_transform(WINE)
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-6)
    assert "13 of 13 units active" in axes.get_title("left")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.reconstructions(WINE, WINE[:3]), "`x_hat`.*Received"),
        (lambda: plots.samples(WINE[0]), "`x`.*Received"),
        (lambda: plots.samples(WINE[:0]), "`x`.*Received"),
        (lambda: plots.latent(WINE[0]), "`mean`.*Received"),
        (lambda: plots.latent(WINE, labels=[1, 2]), "`labels`.*Received"),
    ],
)
def test_errors_name_the_argument(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_no_global_state_is_touched():
    before = dict(matplotlib.rcParams)
    plots.latent(WINE)
    assert dict(matplotlib.rcParams) == before
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []


def test_a_picture_of_samples_shows_them_all() -> None:
    """Each image has a grey of its own, and every grey is in the picture."""
    for count in (1, 7, 64, 65):
        greys = np.linspace(0.1, 1.0, count)
        x = np.ones((count, 8, 8, 1)) * greys[:, None, None, None]
        (axes,) = plots.samples(x).axes
        picture = np.asarray(axes.images[0].get_array())[..., 0]
        assert len(np.unique(picture.round(6))) == count + (count > 1)
