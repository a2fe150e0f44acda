"""Integrals over one or two dimensions of densities that are known up to a factor."""

from collections.abc import Callable

import numpy as np

__all__ = ["log_integral"]

Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]

_DEPTH = 45.0
"""Nats below its maximum at which an integrand is left out: 3e-20 of it."""

_SEARCH_NODES = {1: 129, 2: 33}
_FIRST_NODES = {1: 65, 2: 33}
_MOST_NODES = {1: 2**17 + 1, 2: 2**11 + 1}

_MOST_SEARCHES = 80


def log_integral(
    log_integrand: Integrand, starts: np.ndarray, tolerance: float, rounding: float
) -> np.ndarray:
    """Integrates exp of a function over all z, for each of N examples.

        log integral of exp(f_n(z)) dz

    The window of each example begins with `starts`. It is moved out while its edges
    hold mass, and in to where the function is within 45 nats of its largest value.
    Then the trapezium rule, whose error falls faster than any power of the distance
    of nodes where the integrand is smooth, doubles its nodes until they change nothing.

    Args:
        log_integrand: Maps the indices [n] of examples and points [G, n, D] to the
            logarithms [G, n] of the integrand, in float64.
        starts: Points [P, N, D] where the integrand has mass; D is 1 or 2.
        tolerance: The change that ends the doubling, nats.
        rounding: What the function is rounded by, as a share of it.

    Returns:
        An array [N], nats.

    Raises:
        ValueError: If a window or an integral does not settle.
    """
    low, high = _windows(log_integrand, starts)
    size = starts.shape[-1]
    found = np.full(len(low), np.nan)
    left, before = np.arange(len(low)), np.full(len(low), np.inf)
    nodes = _FIRST_NODES[size]
    while len(left):
        if nodes > _MOST_NODES[size]:
            raise _unsettled(left, len(low))
        grid, spacing = _grid(low[left], high[left], nodes)
        value = _log_sum(log_integrand(left, grid)) + np.sum(np.log(spacing), axis=-1)
        allowed = tolerance + rounding * np.abs(value)
        settled = np.abs(value - before) <= allowed
        found[left[settled]] = value[settled]
        left, before = left[~settled], value[~settled]
        nodes = 2 * nodes - 1
    return found


def _windows(
    log_integrand: Integrand, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest z of each example that the integral needs, [N, D]."""
    _, count, size = starts.shape
    low, high = starts.min(axis=0), starts.max(axis=0)
    at_starts = _numbers(log_integrand(np.arange(count), starts))
    peak = at_starts.max(axis=0)
    left = np.arange(count)
    for _ in range(_MOST_SEARCHES):
        width = high[left] - low[left]
        grid, spacing = _grid(low[left], high[left], _SEARCH_NODES[size])
        values = _numbers(log_integrand(left, grid))
        peak[left] = np.maximum(peak[left], values.max(axis=0))
        floor = peak[left] - _DEPTH
        points = np.concatenate([grid, starts[:, left]])
        heights = np.concatenate([values, at_starts[:, left]])
        inside = ((heights >= floor) & np.isfinite(heights))[..., None]
        lowest = np.where(inside, points, np.inf).min(axis=0) - spacing
        highest = np.where(inside, points, -np.inf).max(axis=0) + spacing
        # Half a node, for what is equal up to rounding.
        at_low = lowest < low[left] - 0.5 * spacing
        at_high = highest > high[left] + 0.5 * spacing
        low[left] = np.where(at_low, low[left] - width, lowest)
        high[left] = np.where(at_high, high[left] + width, highest)
        narrower = (high[left] - low[left]) < 0.7 * width
        moved = np.any(at_low | at_high | narrower, axis=-1)
        left = left[moved | ~np.isfinite(peak[left])]
        if not len(left):
            return low, high
    raise _unsettled(left, count)


def _grid(
    low: np.ndarray, high: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [nodes^D, N, D] of each window, and their distances [N, D]."""
    size = low.shape[-1]
    axes = np.meshgrid(*[np.linspace(0, 1, nodes)] * size, indexing="ij")
    share = np.stack([axis.reshape(-1) for axis in axes], axis=-1)[:, None]
    return low + (high - low) * share, (high - low) / (nodes - 1)


def _numbers(values: np.ndarray) -> np.ndarray:
    """What is no number has no density."""
    return np.where(np.isnan(values), -np.inf, values)


def _log_sum(values: np.ndarray) -> np.ndarray:
    values = _numbers(values)
    largest = values.max(axis=0)
    return largest + np.log(np.exp(values - largest).sum(axis=0))


def _unsettled(left: np.ndarray, count: int) -> ValueError:
    return ValueError(
        f"The integral over z does not settle for {len(left)} of {count} examples, "
        f"such as that at [{left[0]}]: p(x, z) is too narrow, has too heavy tails or "
        "is not smooth. Use tfvae.evidence.importance or tfvae.evidence.annealed."
    )
