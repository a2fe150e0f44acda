"""Integrals over one or two dimensions of densities that are known up to a factor."""

from collections.abc import Callable

import numpy as np

from tfvae.evidence._lattice import Lattice
from tfvae.evidence._mass import DEPTH, Integrand, Integrands, Unsettled, windows

__all__ = ["log_integral"]

_COUNTS = {1: (513, 2**13 + 1), 2: (33, 2**9 + 1)}
"""Nodes along each axis in the first search, and the most in a repetition."""

_MOST_NODES = {1: 2**18, 2: 2**22}
"""The largest number of nodes of an example that is looked at."""

_FINEST = 2**28
"""The largest number of nodes along an axis, so that a node is an integer."""

_SLACK = 10.0
"""How many tolerances a repetition may change the integral by and be the last."""

_CHANCE = 100.0
"""Two searches that agree are believed up to this share of what the last lattice of the
second one changed: their nodes at the end are about as dense."""

_MARGINS = 0.37, 0.21
"""What is added to a window below and above, in first distances of nodes."""

_STEP = 0.5
"""Nats from a mode to the nearest node at most, where it is resolved. Sums over many
coarser modes may agree, their errors being alike, and be wrong."""

_HIDDEN = 20.0
"""Nats below the maximum at which a mode matters no more: 2e-9 of it."""


def log_integral(
    log_integrand: Integrand, starts: np.ndarray, tolerance: float, rounding: float
) -> tuple[np.ndarray, np.ndarray]:
    """Integrates exp of a function over all z, for each of N examples.

        log integral of exp(f_n(z)) dz

    The trapezium rule, whose error falls faster than any power of the distance of nodes
    where the integrand is smooth, halves that distance until it changes nothing and all
    known modes show. From one lattice to the next it looks again only in cells where f
    may be within 45 nats of its maximum: what f may reach between nodes follows from
    its slopes around the cell if f is concave there. Modes are known from `starts` and
    by climbing from nodes. What f hides from all of these is not found: the search is
    repeated with twice the nodes along each axis, until the integral stays as it is or
    there would be too many nodes.

    Args:
        log_integrand: Maps the indices [M] of examples and points [M, D], one for each,
            to the logarithms [M] of the integrand, in float64.
        starts: Points [P, N, D] that reach as far as the integrand has mass, if they
            can; D is 1 or 2.
        tolerance: The change that ends the doubling, nats.
        rounding: What the function is rounded by, as a share of it.

    Returns:
        The integrals, [N], nats, and what the last steps changed in them, [N], nats:
        infinity where nothing was found.
    """
    _, total, size = starts.shape
    count, most = _COUNTS[size]
    found, settled, change = np.full((3, total), np.inf)
    left = np.arange(total)

    def same(value: np.ndarray, change: np.ndarray, slack: float = 1.0) -> np.ndarray:
        return change <= slack * tolerance + rounding * np.abs(value)

    while len(left) and count <= most:
        try:
            chosen = Integrands(log_integrand, left, starts[:, left])
            value, inner = _search(chosen, count, settled[left], same)
        except Unsettled as error:
            change[left[error.rows]] = np.inf
            left = np.delete(left, error.rows)
            continue
        # What did not settle on its last lattice may still agree by chance.
        change[left] = np.maximum(np.abs(value - found[left]), inner / _CHANCE)
        again = ~same(value, change[left], _SLACK) & np.isfinite(inner)
        again |= np.isinf(found[left])
        settled[left] = np.where(same(value, inner), value, np.inf)
        found[left] = value
        left, count = left[again], 2 * count - 1
    return found, change


def _search(
    examples: Integrands,
    count: int,
    before: np.ndarray,
    same: Callable[..., np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """The integrals [K], found with `count` nodes along each axis to begin with.

    They are known where two lattices agree, or the second and a search `before` that
    settled. Also returns by how much: infinity while a known mode is hidden.
    """
    low, high = windows(examples, count)
    # Two searches never have the same nodes: if they agree, it means something.
    width = high - low
    lattice = Lattice.over(
        low - _MARGINS[0] * width / count, high + _MARGINS[1] * width / count, count
    )
    nodes = lattice.all(examples.rows)
    found, change = np.full((2, len(before)), np.inf)
    size, total = lattice.size, len(found)
    left = np.ones(total, bool)
    while True:
        rows = lattice.rows(nodes)
        values = examples.look(rows, lattice.points(nodes))
        peaks = examples.peaks(rows, values)
        corners, bounds, hides = _cells(examples, lattice, nodes, values, peaks)
        value = _log_sums(rows, values, peaks) + np.log(lattice.spacing).sum(axis=1)
        changed = np.abs(value - found)
        if lattice.count > count:
            changed = np.minimum(changed, np.abs(value - before))
        changed[hides] = np.inf
        found[left], change[left] = value[left], changed[left]
        kept = np.zeros(len(nodes), bool)
        kept[corners[bounds >= peaks[rows[corners[:, 0]]] - DEPTH]] = True
        number = np.bincount(rows[kept], minlength=total) * 2**size
        left &= ~same(value, changed) & (number <= _MOST_NODES[size])
        if not np.any(left) or lattice.count > _FINEST:
            return found, change
        nodes = nodes[kept & left[rows]]
        nodes, lattice = lattice.refine(nodes), lattice.finer()


def _cells(
    examples: Integrands,
    lattice: Lattice,
    nodes: np.ndarray,
    values: np.ndarray,
    peaks: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The corners of cells [C, 2^D], what they may hold [C], which peaks they hide [K].

    A known point tells of its cell, and is hidden while all corners are far below.
    """
    corners, bounds = lattice.cells(nodes, values)
    wanted = lattice.corners(examples.owners, examples.points)
    around, met = lattice.find(nodes[corners[:, 0]], wanted)
    heights, owners = examples.heights, examples.owners
    np.maximum.at(bounds, around[met], heights[met])
    shown = np.where(met, values[corners].max(axis=1)[around], -np.inf)
    hidden = (heights - shown > _STEP) & (heights > peaks[owners] - _HIDDEN)
    return corners, bounds, np.bincount(owners, hidden, len(peaks)) > 0


def _log_sums(rows: np.ndarray, values: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """The logarithms of the sums of the integrands over the nodes, [K]."""
    sums = np.bincount(rows, np.exp(values - peaks[rows]), len(peaks))
    # A lattice that misses a narrow mode is as good as empty.
    return peaks + np.log(np.maximum(sums, np.finfo(np.float64).tiny))
