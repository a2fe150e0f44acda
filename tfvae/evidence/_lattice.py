"""Sets of nodes on lattices of one or two dimensions, one lattice for each example."""

import numpy as np

__all__ = ["Lattice"]


class Lattice:
    """Equidistant points over the windows of N examples.

        point = low_n + spacing_n i,   0 <= i_d < count

    A node is one integer, and sets of nodes are sorted arrays:

        node = (n side + i_1) side + i_2,   side = count + 1

    so that the next node along an axis is a number further, and the one behind the
    last of a row is in no set.

    Args:
        low: The lowest point of each window, [N, D].
        spacing: Distances of the nodes, [N, D].
        count: The number of nodes along each axis.

    Attributes:
        directions: The steps to the neighbours of a node and to itself, [3^D, 1, D].
    """

    def __init__(self, low: np.ndarray, spacing: np.ndarray, count: int) -> None:
        self.low, self.spacing, self.count = low, spacing, count
        self.size, side = low.shape[1], count + 1
        self.strides = side ** np.arange(self.size)[::-1]
        self._per_example = side**self.size
        steps = np.indices((3,) * self.size).reshape(self.size, -1).T - 1
        self.directions = steps[:, None]

    @classmethod
    def over(cls, low: np.ndarray, high: np.ndarray, count: int) -> "Lattice":
        """The lattice whose first and last nodes are on the edges of the windows."""
        return cls(low.copy(), (high - low) / (count - 1), count)

    def finer(self) -> "Lattice":
        """The lattice with nodes at half the distance."""
        return Lattice(self.low, self.spacing / 2, 2 * self.count - 1)

    def all(self, rows: np.ndarray) -> np.ndarray:
        """All nodes of some examples."""
        indices = np.indices((self.count,) * self.size).reshape(self.size, -1)
        return self._nodes(rows[:, None], indices.T).reshape(-1)

    def corners(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The lowest corners, [Q], of the cells around points [Q, D]."""
        indices = np.floor((points - self.low[rows]) / self.spacing[rows])
        indices = np.clip(indices, 0, self.count - 2).astype(np.int64)
        return self._nodes(rows, indices)

    def rows(self, nodes: np.ndarray) -> np.ndarray:
        """The examples that nodes belong to."""
        return nodes // self._per_example

    def points(self, nodes: np.ndarray) -> np.ndarray:
        """The points of nodes [M], [M, D]."""
        rows = self.rows(nodes)
        return self.low[rows] + self.spacing[rows] * self.indices(nodes)

    def refine(self, nodes: np.ndarray) -> np.ndarray:
        """The nodes of the finer lattice at nodes, and half way to their neighbours."""
        finer = self.finer()
        indices = 2 * self.indices(nodes)[:, None] + self.directions[:, 0]
        inside = np.all((indices >= 0) & (indices < finer.count), axis=-1)
        found = np.sort(finer._nodes(self.rows(nodes)[:, None], indices)[inside])
        return found[np.diff(found, prepend=-1) > 0]

    def find(
        self, nodes: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where in the set `nodes` others are, and whether they are there at all."""
        places = np.minimum(np.searchsorted(nodes, wanted), len(nodes) - 1)
        return places, nodes[places] == wanted

    def cells(
        self, nodes: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What a concave function with these values may reach in each cell.

        From a corner it rises no faster than it rose on the way to the corner; each of
        the corners gives such a bound, and the lowest is taken:

            f <= f(corner) + sum_d max(0, f(corner) - f(neighbour outside the cell))

        Returns:
            The places in `nodes` of the corners of each cell, [C, 2^D], the lowest one
            first, and the bounds, [C].
        """
        corners = np.indices((2,) * self.size).reshape(self.size, -1).T
        places, met = self.find(nodes, nodes[:, None] + corners @ self.strides)
        places = places[np.all(met, axis=1)]
        bounds = np.full(len(places), np.inf)
        for corner, place in zip(corners, places.T, strict=True):
            bound = values[place]
            for outwards in (2 * corner - 1) * self.strides:
                outside, met = self.find(nodes, nodes[place] + outwards)
                rise = np.maximum(values[place] - values[outside], 0)
                bound = bound + np.where(met, rise, np.inf)
            bounds = np.minimum(bounds, bound)
        return places, np.maximum(bounds, values[places].max(axis=1))

    def indices(self, nodes: np.ndarray) -> np.ndarray:
        """The numbers i of nodes [M] along the axes, [M, D]."""
        return nodes[:, None] // self.strides % (self.count + 1)

    def _nodes(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return rows * self._per_example + indices @ self.strides
