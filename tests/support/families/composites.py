"""Families made of other families: mixtures and tables."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special
from support.families.base import Array, Drawn, Parameters

__all__ = ["Mixture", "Table"]


def _own_noise(family: Drawn, noise: Array) -> Array:
    """The noise of a family from uniforms: a normal takes two (Box and Muller)."""
    if family.noise == "uniform":
        return noise
    u, v = np.split(noise, 2, axis=-1)
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)


def _noise_size(family: Drawn) -> int:
    return family.noise_size * (2 if family.noise == "normal" else 1)


class Mixture(Drawn):
    """A mixture of K distributions with independent elements.

    `component` makes the family of a component for events of so many elements.
    """

    noise = "uniform"

    def __init__(
        self, size: int, component: Callable[[int], Drawn], num_components: int
    ) -> None:
        self.size, self.count = size, num_components
        self.component, self.element = component(size), component(1)
        self.discrete = self.component.discrete
        own = self.component.sizes
        self.sizes = {"mixture_logits": num_components}
        self.sizes |= {name: num_components * width for name, width in own.items()}
        self.noise_size = 1 + _noise_size(self.component)

    def constrain(self, raw: Array) -> Parameters:
        batch, count = len(raw), self.count
        widths = list(self.sizes.values())
        logits, *parts = np.split(raw, np.cumsum(widths)[:-1], axis=-1)
        rows = [part.reshape(batch * count, -1) for part in parts]
        folded = self.component.constrain(np.concatenate(rows, axis=-1))
        return {"mixture_logits": logits} | {
            name: value.reshape(batch, count, *value.shape[1:]) if value.ndim else value
            for name, value in folded.items()
        }

    def _parts(self, p: Parameters) -> list[Parameters]:
        """The parameters of each component."""
        own = {name: value for name, value in p.items() if name != "mixture_logits"}
        return [
            {name: value[:, k] if value.ndim else value for name, value in own.items()}
            for k in range(self.count)
        ]

    def _log_joint(self, x: Array, p: Parameters) -> Array:
        """Log of the weight and the density of each component: [*S, B, K]."""
        each = [self.component.log_prob(x, part) for part in self._parts(p)]
        return np.stack(each, axis=-1) + special.log_softmax(p["mixture_logits"], -1)

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return special.logsumexp(self._log_joint(x, p), axis=-1)

    def location(self, p: Parameters) -> Array:
        means = [self.component.location(part) for part in self._parts(p)]
        weights = special.softmax(p["mixture_logits"], axis=-1)
        return np.einsum("bk,kbn->bn", weights, np.stack(means))

    def draw(self, noise: Array, p: Parameters) -> Array:
        own = _own_noise(self.component, noise[..., 1:])
        draws = np.stack([self.component.draw(own, part) for part in self._parts(p)])
        reached = np.cumsum(special.softmax(p["mixture_logits"], axis=-1), axis=-1)
        chosen = (noise[..., :1] >= reached[..., :-1]).sum(-1)
        return np.take_along_axis(draws, chosen[None, ..., None], axis=0)[0]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """Those of each component, where the component has its share of the mass."""
        if self.discrete:
            return self.component.nodes(self._parts(p)[0])
        points, weights = [], []
        for k, part in enumerate(self._parts(p)):
            x, weight = self.component.nodes(part)
            share = special.softmax(self._log_joint(x[:, None], p)[:, 0], axis=-1)
            points.append(x)
            weights.append(weight * share[:, k])
        return np.concatenate(points), np.concatenate(weights)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        """Of each element given those before it."""
        logits = special.log_softmax(p["mixture_logits"], axis=-1)
        logits = np.broadcast_to(logits, (*x.shape[:-1], self.count))
        columns = []
        for j in range(self.size):
            one = x[..., j : j + 1]
            parts = [
                {n: v[..., j : j + 1] if v.ndim else v for n, v in part.items()}
                for part in self._parts(p)
            ]
            below = [self.element.uniforms(one, part)[..., 0] for part in parts]
            weights = special.softmax(logits, axis=-1)
            columns.append((weights * np.stack(below, axis=-1)).sum(-1))
            densities = [self.element.log_prob(one, part) for part in parts]
            logits = logits + np.stack(densities, axis=-1)
        return np.stack(columns, axis=-1)


class Table(Drawn):
    """Columns of several families, one after the other.

    `columns` are names with families, each with its number of elements.
    """

    noise = "uniform"

    def __init__(self, columns: dict[str, tuple[int, Any]]) -> None:
        self.columns = columns
        self.discrete = all(family.discrete for _, family in columns.values())
        self.sizes = {
            f"{name}_{key}": width
            for name, (_, family) in columns.items()
            for key, width in family.sizes.items()
        }
        self.noise_size = sum(_noise_size(family) for _, family in columns.values())

    def _split(self, values: Array, sizes: list[int]) -> list[Array]:
        return np.split(values, np.cumsum(sizes)[:-1], axis=-1)

    def _each(self, x: Array, p: Parameters) -> list[tuple[Any, Array, Parameters]]:
        """Family, values and parameters of each column."""
        parts = self._split(x, [size for size, _ in self.columns.values()])
        return [
            (family, part, self._own(name, p))
            for (name, (_, family)), part in zip(
                self.columns.items(), parts, strict=True
            )
        ]

    def _own(self, column: str, p: Parameters) -> Parameters:
        start = f"{column}_"
        return {n[len(start) :]: v for n, v in p.items() if n.startswith(start)}

    def constrain(self, raw: Array) -> Parameters:
        families = [family for _, family in self.columns.values()]
        widths = [sum(family.sizes.values()) for family in families]
        return {
            f"{name}_{key}": value
            for name, family, part in zip(
                self.columns, families, self._split(raw, widths), strict=True
            )
            for key, value in family.constrain(part).items()
        }

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return sum(family.log_prob(part, own) for family, part, own in self._each(x, p))

    def location(self, p: Parameters) -> Array:
        locations = [
            family.location(self._own(name, p))
            for name, (_, family) in self.columns.items()
        ]
        return np.concatenate(locations, axis=-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        families = [family for _, family in self.columns.values()]
        parts = self._split(noise, [_noise_size(family) for family in families])
        draws = [
            family.draw(_own_noise(family, part), self._own(name, p))
            for name, family, part in zip(self.columns, families, parts, strict=True)
        ]
        return np.concatenate(draws, axis=-1)

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """Every point of one column with every point of the others."""
        points, weights = np.zeros((1, 0)), np.ones(1)
        for name, (_, family) in self.columns.items():
            x, weight = family.nodes(self._own(name, p))
            points = np.concatenate(
                [np.repeat(points, len(x), 0), np.tile(x, (len(points), 1))], axis=-1
            )
            weights = np.outer(weights, weight).ravel()
        return points, weights

    def uniforms(self, x: Array, p: Parameters) -> Array:
        parts = [family.uniforms(part, own) for family, part, own in self._each(x, p)]
        return np.concatenate(parts, axis=-1)
