"""Families on the positive numbers and on the interval from 0 to 1."""

from typing import Any

import numpy as np
from scipy import special
from support.families.base import Array, Family, Parameters, smallest_scale
from support.families.counts import deviance, stirling_error

NODES = 40


class Gamma(Family):
    """Independent gamma variables."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sizes = {"concentration": size, "rate": size}

    def constrain(self, raw: Array) -> Parameters:
        a, b = np.split(smallest_scale(raw), 2, axis=-1)
        return {"concentration": a, "rate": b}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        a, b = p["concentration"], p["rate"]
        elements = a * np.log(b) + (a - 1) * np.log(x) - b * x - special.gammaln(a)
        return elements.sum(-1)

    def location(self, p: Parameters) -> Array:
        return p["concentration"] / p["rate"]

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        x = rng.gamma(p["concentration"]) / p["rate"]
        return np.maximum(x, 1e-30)

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """Gauss and Laguerre's, exact for the density times a polynomial."""
        a, b = p["concentration"].item(), p["rate"].item()
        y, weights = special.roots_genlaguerre(NODES, a - 1)
        return y[:, None] / b, weights / (y ** (a - 1) * np.exp(-y) * b)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return special.gammainc(p["concentration"], p["rate"] * x)


class Beta(Family):
    """Independent beta variables."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sizes = {"concentration1": size, "concentration0": size}

    def constrain(self, raw: Array) -> Parameters:
        a, b = np.split(smallest_scale(raw), 2, axis=-1)
        return {"concentration1": a, "concentration0": b}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        a, b = p["concentration1"], p["concentration0"]
        elements = (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - special.betaln(a, b)
        return elements.sum(-1)

    def location(self, p: Parameters) -> Array:
        return p["concentration1"] / (p["concentration1"] + p["concentration0"])

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        x = rng.beta(p["concentration1"], p["concentration0"])
        return np.clip(x, 1e-30, 1 - 1e-6)

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """Gauss and Jacobi's, exact for the density times a polynomial."""
        a, b = p["concentration1"].item(), p["concentration0"].item()
        y, weights = special.roots_jacobi(NODES, b - 1, a - 1)
        return (y[:, None] + 1) / 2, weights / (
            2 * ((1 + y) / 2) ** (a - 1) * ((1 - y) / 2) ** (b - 1)
        ) / 2 ** (a + b - 2)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return special.betainc(p["concentration1"], p["concentration0"], x)


def log_gamma_density(x: Any, a: Any, b: Any) -> Array:
    """Log densities of gamma variables of any size."""
    x, a, b = np.longdouble(x), np.longdouble(a), np.longdouble(b)
    peak = np.log(a / (2 * np.pi)) / 2 - stirling_error(a) - np.log(x)
    return np.float64(peak - deviance(a, b * x, a - b * x))


def log_beta_density(x: Any, a: Any, b: Any) -> Array:
    """Log densities of beta variables with parameters of any size."""
    x, a, b = np.longdouble(x), np.longdouble(a), np.longdouble(b)
    n, excess = a + b, a * (1 - x) - b * x
    peak = stirling_error(n) - stirling_error(a) - stirling_error(b)
    peak += np.log(a * b / (2 * np.pi * n)) / 2 - np.log(x) - np.log1p(-x)
    distance = deviance(a, n * x, excess) + deviance(b, n * (1 - x), -excess)
    return np.float64(peak - distance)
