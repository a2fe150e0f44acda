"""What is known of a family."""

import abc
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Parameters = dict[str, Array]


class Family(abc.ABC):
    """What is known of a family: p(x | parameters) and how raw numbers become them.

    Parameters keep the axes that their elements have: [B, N, ...] for what each element
    has of its own, where N counts the elements of an event laid out flat.
    """

    discrete = False
    sizes: dict[str, int]  # raw numbers of each parameter for one event
    noise: str
    """The noise of `draw`; families without a `draw` need none."""

    @abc.abstractmethod
    def constrain(self, raw: Array) -> Parameters:
        """Parameters [B, ...] from raw numbers [B, sum(sizes)]."""

    @abc.abstractmethod
    def log_prob(self, x: Array, p: Parameters) -> Array:
        """Log p(x) for x [*S, B, N], summed over N: [*S, B], nats."""

    @abc.abstractmethod
    def location(self, p: Parameters) -> Array:
        """The mean [B, N], or the point that the layer documents in its place."""

    @abc.abstractmethod
    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        """One draw for each example: [B, N]."""

    @abc.abstractmethod
    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """Points x [M, N] and weights [M] that integrate p(x), B = 1, smallest N.

        Of a discrete family: the values that hold all of the mass, with weights 1.
        """

    def uniforms(self, x: Array, p: Parameters) -> Array:
        """Independent uniforms [S, B, M] if x [S, B, N] are draws.

        Continuous families only: a discrete one is compared by its masses.
        """
        # No test asks a discrete family: an abstract method would have each refuse.
        raise NotImplementedError(f"{type(self).__name__} has no uniforms.")


class Drawn(Family):
    """A family whose draws are a documented function of the noise."""

    noise_size: int
    """Numbers of noise for one event."""

    @abc.abstractmethod
    def draw(self, noise: Array, p: Parameters) -> Array:
        """The draw [*S, B, N] that belongs to the noise [*S, B, noise_size]."""

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        batch = max(len(value) for value in p.values() if np.ndim(value))
        shape = (batch, self.noise_size)
        normal = self.noise == "normal"
        return self.draw(rng.normal(size=shape) if normal else rng.random(shape), p)


def softplus(raw: Array) -> Array:
    """Log(1 + e^raw) without overflow."""
    return np.logaddexp(0.0, raw)


def smallest_scale(raw: Array) -> Array:
    """Positive numbers as the layers document them: softplus(raw) + 1e-6."""
    return softplus(raw) + 1e-6
