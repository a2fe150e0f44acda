"""Where integrands over one or two dimensions have their mass."""

from collections.abc import Callable

import numpy as np

from tfvae.evidence._lattice import Lattice

__all__ = ["DEPTH", "Integrand", "Integrands", "Unsettled", "windows"]

Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]

DEPTH = 45.0
"""Nats below its maximum at which an integrand is left out: 3e-20 of it."""

_LOWEST = -1e30
"""Stands for no density at all, so that differences are numbers."""

_MOST_WINDOWS = 80
_MOST_CLIMBERS = 512
_MOST_STEPS = 60
_FLAT = 1.0
"""Nats between the places around a climber that leave nothing to be climbed."""


class Unsettled(Exception):
    """Some examples have no window that holds their mass, or no mass.

    Args:
        rows: Which of the examples, [K].
    """

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__(rows)
        self.rows = rows


class Integrands:
    """The integrands of K examples, with Q points where they are known to have mass.

    Args:
        log_integrand: Maps indices of all examples and points to logarithms, [M] each.
        chosen: The indices of the K examples among all.
        starts: Points [P, K, D]; those that are no numbers are left out.

    Attributes:
        rows: The examples, [K].
        owners: Which of the examples each known point belongs to, [Q].
        points: The known points, [Q, D].
        heights: The logarithms of the integrands there, [Q].
    """

    def __init__(
        self, log_integrand: Integrand, chosen: np.ndarray, starts: np.ndarray
    ) -> None:
        self.log_integrand, self.chosen = log_integrand, chosen
        self.rows = np.arange(len(chosen))
        points = starts.reshape(-1, starts.shape[-1])
        numbers = np.all(np.isfinite(points), axis=1)
        self.owners = np.tile(self.rows, len(starts))[numbers]
        self.points = points[numbers]
        empty = np.bincount(self.owners, minlength=len(chosen)) == 0
        if np.any(empty):
            raise Unsettled(np.flatnonzero(empty))
        self.heights = self.look(self.owners, self.points)

    def look(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The logarithms of the integrands; what is no number has no density."""
        values = self.log_integrand(self.chosen[rows], points)
        return np.maximum(np.where(np.isnan(values), _LOWEST, values), _LOWEST)

    def peaks(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The largest values, among these [M] of some examples and the known, [K]."""
        peaks = np.full(len(self.rows), _LOWEST)
        np.maximum.at(peaks, self.owners, self.heights)
        np.maximum.at(peaks, rows, values)
        known = (peaks > _LOWEST) & np.isfinite(peaks)
        if not np.all(known):
            raise Unsettled(np.flatnonzero(~known))
        return peaks

    def climb(self, lattice: Lattice, left: np.ndarray, values: np.ndarray) -> None:
        """Finds the modes that can be seen from all nodes of the examples `left`.

        A narrow mode stands on a wide hill of the logarithm: from each local maximum of
        values [len(left), *lattice], the highest first, a climber goes towards the top
        in steps that it halves where none leads up, until it is flat around all or they
        have had their steps. Where they end become known points.
        """
        if not len(left):
            return
        owners, points, heights = _local_maxima(lattice, left, values)
        stride = np.ones((len(owners), 1))
        for _ in range(_MOST_STEPS):
            around = points + lattice.spacing[owners] * stride * lattice.directions
            tried = self.look(
                np.tile(owners, len(around)), around.reshape(-1, points.shape[1])
            ).reshape(around.shape[:2])
            best, here = np.argmax(tried, axis=0), np.arange(len(owners))
            if np.all(np.ptp(tried, axis=0) < _FLAT):
                break
            up = tried[best, here] > heights
            points = np.where(up[:, None], around[best, here], points)
            heights = np.where(up, tried[best, here], heights)
            stride = np.where(up[:, None], stride, stride / 2)
        self.owners = np.concatenate([self.owners, owners])
        self.points = np.concatenate([self.points, points])
        self.heights = np.concatenate([self.heights, heights])


def windows(examples: Integrands, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest z of each example that the integral needs, [K, D].

    The window begins with the known points. It is moved out until its edges hold no
    mass and nothing rises across them, and then in to what holds some.
    """
    low, high = _widened(examples, count)
    left = examples.rows
    for _ in range(_MOST_WINDOWS):
        lattice = Lattice.over(low, high, count)
        nodes, values = _whole(examples, lattice, left)
        floor = examples.peaks(lattice.rows(nodes), values.reshape(-1)) - DEPTH
        owners = np.concatenate([lattice.rows(nodes), examples.owners])
        points = np.concatenate([lattice.points(nodes), examples.points])
        heights = np.concatenate([values.reshape(-1), examples.heights])
        inside = heights >= floor[owners]
        first, last = np.full_like(low, np.inf), np.full_like(low, -np.inf)
        np.minimum.at(first, owners[inside], points[inside])
        np.maximum.at(last, owners[inside], points[inside])
        width = high - low
        low[left] = (first - lattice.spacing)[left]
        high[left] = (last + lattice.spacing)[left]
        narrower = np.any(high - low < 0.7 * width, axis=1)[left]
        examples.climb(lattice, left[~narrower], values[~narrower])
        left = left[narrower | _escaped(examples, low, high, floor)[left]]
        if not len(left):
            return low, high
    raise Unsettled(left)


def _widened(examples: Integrands, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The windows [K, D] that are as wide as can be."""
    shape = (len(examples.rows), examples.points.shape[1])
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    np.minimum.at(low, examples.owners, examples.points)
    np.maximum.at(high, examples.owners, examples.points)
    left = examples.rows
    for _ in range(_MOST_WINDOWS):
        lattice = Lattice.over(low, high, count)
        nodes, values = _whole(examples, lattice, left)
        floor = examples.peaks(lattice.rows(nodes), values.reshape(-1)) - DEPTH
        out = _open_edges(values, floor[left])
        half = (high - low)[left] / 2
        low[left] -= half * out[0]
        high[left] += half * out[1]
        moved = np.any(out[0] | out[1], axis=1)
        examples.climb(lattice, left[~moved], values[~moved])
        left = left[moved]
        if not len(left):
            return low, high
    raise Unsettled(left)


def _escaped(
    examples: Integrands, low: np.ndarray, high: np.ndarray, floor: np.ndarray
) -> np.ndarray:
    """Whether known points with mass are outside the windows, [K]."""
    owners, points = examples.owners, examples.points
    outside = np.any((points < low[owners]) | (points > high[owners]), axis=1)
    lost = outside & (examples.heights >= floor[owners])
    return np.bincount(owners, lost, len(examples.rows)) > 0


def _whole(
    examples: Integrands, lattice: Lattice, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All nodes of some examples, [M], and values there, [len(left), count, ...]."""
    nodes = lattice.all(left)
    values = examples.look(lattice.rows(nodes), lattice.points(nodes))
    return nodes, values.reshape(len(left), *[lattice.count] * lattice.size)


def _open_edges(values: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Whether the lower and upper edges hold mass, or rise outwards, [2, K, D]."""
    out = []
    for axis in range(1, values.ndim):
        along = np.moveaxis(values, axis, 1).reshape(*values.shape[:2], -1)
        pairs = (along[:, 0], along[:, 1]), (along[:, -1], along[:, -2])
        out.append(
            [
                np.any(
                    (edge >= floor[:, None]) | (_tops(edge) & (edge > inner)), axis=1
                )
                for edge, inner in pairs
            ]
        )
    return np.moveaxis(np.array(out), 0, 2)


def _local_maxima(
    lattice: Lattice, left: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest local maxima: their examples [Q], points [Q, D] and heights [Q]."""
    tops = values > _LOWEST
    for axis in range(1, values.ndim):
        tops &= np.moveaxis(_tops(np.moveaxis(values, axis, -1)), -1, axis)
    heights = np.where(tops, values, _LOWEST).reshape(len(left), -1)
    number = min(_MOST_CLIMBERS, heights.shape[1])
    chosen = np.argpartition(heights, -number, axis=1)[:, -number:]
    row, place = np.nonzero(np.take_along_axis(heights, chosen, axis=1) > _LOWEST)
    nodes = lattice.all(left).reshape(len(left), -1)[row, chosen[row, place]]
    return left[row], lattice.points(nodes), heights[row, chosen[row, place]]


def _tops(values: np.ndarray) -> np.ndarray:
    """Where values are at least those before and behind along the last axis."""
    pads = [(0, 0)] * (values.ndim - 1) + [(1, 1)]
    padded = np.pad(values, pads, constant_values=-np.inf)
    return (values >= padded[..., :-2]) & (values >= padded[..., 2:])
