"""Families with a location and a scale: Laplace, log-normal and Student's t."""

import numpy as np
from scipy import special, stats
from support.families.base import Array, Drawn, Parameters, smallest_scale


class _LocScale(Drawn):
    """`scale`: "elementwise", "shared", which starts at one, or 0.3."""

    def __init__(self, size: int, scale: str | float = "elementwise") -> None:
        self.size = self.noise_size = size
        self.scale = scale
        self.sizes = {"loc": size}
        if scale == "elementwise":
            self.sizes["scale"] = size

    def constrain(self, raw: Array) -> Parameters:
        loc = raw[:, : self.size]
        if self.scale == "elementwise":
            return {"loc": loc, "scale": smallest_scale(raw[:, self.size :])}
        return {"loc": loc, "scale": np.array(1.0 if self.scale == "shared" else 0.3)}

    def location(self, p: Parameters) -> Array:
        return p["loc"]

    @staticmethod
    def _first(p: Parameters) -> tuple[float, float]:
        """Location and scale of the first element."""
        scale = np.broadcast_to(p["scale"], p["loc"].shape)
        return float(p["loc"][0, 0]), float(scale[0, 0])


class Laplace(_LocScale):
    """Independent Laplace variables."""

    noise = "uniform"

    def log_prob(self, x: Array, p: Parameters) -> Array:
        # SciPy has the logarithm of a density that may be zero.
        distance = np.abs(x - p["loc"]) / p["scale"]
        return (-distance - np.log(2 * p["scale"])).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return stats.laplace.ppf(noise, p["loc"], p["scale"])

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        # Each side is an exponential density times a polynomial.
        loc, scale = self._first(p)
        distance, weights = special.roots_laguerre(60)
        weights = scale * weights * np.exp(distance)
        x = np.concatenate([loc + scale * distance, loc - scale * distance])
        return x[:, None], np.concatenate([weights, weights])

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.laplace.cdf(x, p["loc"], p["scale"])


class LogNormal(_LocScale):
    """Independent variables whose logarithms are normal."""

    noise = "normal"

    def log_prob(self, x: Array, p: Parameters) -> Array:
        y = np.log(x)
        return (stats.norm.logpdf(y, p["loc"], p["scale"]) - y).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return np.exp(p["loc"] + p["scale"] * noise)

    def location(self, p: Parameters) -> Array:
        return np.exp(p["loc"] + p["scale"] ** 2 / 2)

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        # Wide enough for second moments, whose weight lies two scales^2 further up.
        loc, scale = self._first(p)
        standard = np.linspace(-12, 12 + 2 * scale, 1001)
        x = np.exp(loc + scale * standard)
        return x[:, None], x * scale * (standard[1] - standard[0])

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(np.log(x), p["loc"], p["scale"])


class StudentT(_LocScale):
    """Student's t. `df`: "elementwise", "shared", which starts at five, or 4.0."""

    noise = "uniform"

    def __init__(
        self, size: int, df: str | float, scale: str | float = "elementwise"
    ) -> None:
        super().__init__(size, scale)
        self.df, self.noise_size = df, 2 * size
        if df == "elementwise":
            self.sizes = {"df": size} | self.sizes

    def constrain(self, raw: Array) -> Parameters:
        if self.df == "elementwise":
            df, raw = 2 + smallest_scale(raw[:, : self.size]), raw[:, self.size :]
        else:
            df = np.array(5.0 if self.df == "shared" else 4.0)
        return {"df": df} | super().constrain(raw)

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return stats.t.logpdf(x, p["df"], p["loc"], p["scale"]).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        u, v = np.moveaxis(noise.reshape(*noise.shape[:-1], self.size, 2), -1, 0)
        square = p["df"] * np.expm1(-2 / p["df"] * np.log(u))
        return p["loc"] + p["scale"] * np.sqrt(square) * np.cos(2 * np.pi * v)

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        # The tails are powers: evenly spaced in their logarithm.
        loc, scale = self._first(p)
        line = np.linspace(-230, 230, 4601)
        return (loc + scale * np.sinh(line))[:, None], scale * np.cosh(line) * 0.1

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.t.cdf(x, p["df"], p["loc"], p["scale"])
