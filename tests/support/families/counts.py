"""Families of counts."""

from typing import Any

import numpy as np
from scipy import special, stats
from support.families.base import Array, Family, Parameters, smallest_scale


class Poisson(Family):
    """Independent Poisson counts."""

    discrete = True

    def __init__(self, size: int, library_size: str | None = None) -> None:
        self.size, self.library_size = size, library_size
        self.sizes = {"rate": size}

    def constrain(self, raw: Array) -> Parameters:
        raw = raw[:, : self.size]
        if self.library_size is None:
            return {"rate": smallest_scale(raw)}
        # A total of one for each element, which is what an untrained layer assumes.
        shares = (1 - 1e-6) * special.softmax(raw, axis=-1) + 1e-6 / self.size
        return {"rate": self.size * shares}

    def log_masses(self, x: Array, p: Parameters) -> Array:
        m = p["rate"]
        return special.xlogy(x, m) - m - special.gammaln(x + 1)

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return self.log_masses(x, p).sum(-1)

    def location(self, p: Parameters) -> Array:
        return p["rate"]

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        return rng.poisson(p["rate"]).astype(float)

    def last(self, p: Parameters) -> int:
        return int(stats.poisson.isf(1e-16, p["rate"].item()))

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        x = np.arange(self.last(p) + 2.0)
        return x[:, None], np.ones(len(x))


class NegativeBinomial(Poisson):
    """Poisson counts whose rate is a gamma variable."""

    def __init__(
        self,
        size: int,
        dispersion: str = "elementwise",
        library_size: str | None = None,
        layer: Any = None,
    ) -> None:
        super().__init__(size, library_size)
        self.shared = dispersion == "shared"
        self.layer = layer
        if not self.shared:
            self.sizes = {**self.sizes, "total_count": size}

    def constrain(self, raw: Array) -> Parameters:
        p = super().constrain(raw)
        if not self.shared:
            return p | {
                "total_count": smallest_scale(raw[:, self.size : 2 * self.size])
            }
        own = self.trials({})
        # In the layer's shape, which has no batch axis.
        return p | {
            "total_count": own.reshape(self.layer.event_shape) if self.layer else own
        }

    def trials(self, p: Parameters) -> Array:
        if not self.shared:
            return p["total_count"]
        raw = self.layer.raw_total_count if self.layer else np.full(self.size, 0.541)
        return smallest_scale(np.asarray(raw, np.float64).ravel())

    def log_masses(self, x: Array, p: Parameters) -> Array:
        m, r = p["rate"], self.trials(p)
        return (
            special.gammaln(x + r)
            - special.gammaln(r)
            - special.gammaln(x + 1)
            - r * np.log1p(m / r)
            + special.xlogy(x, m / (r + m))
        )

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        r = self.trials(p)
        return rng.poisson(rng.gamma(r, p["rate"] / r)).astype(float)

    def last(self, p: Parameters) -> int:
        m, r = p["rate"].item(), self.trials(p).item()
        return int(stats.nbinom.isf(1e-16, r, r / (r + m)))


class _Inflated(Poisson):
    """Mixed into a family of counts: additional zeros."""

    def constrain(self, raw: Array) -> Parameters:
        return super().constrain(raw) | {"inflation_logits": raw[:, -self.size :]}

    def log_masses(self, x: Array, p: Parameters) -> Array:
        counts = super().log_masses(x, p) + special.log_expit(-p["inflation_logits"])
        zeros = np.logaddexp(special.log_expit(p["inflation_logits"]), counts)
        return np.where(x == 0, zeros, counts)

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        added = rng.random(p["rate"].shape) < special.expit(p["inflation_logits"])
        return np.where(added, 0.0, super().sample(p, rng))

    def location(self, p: Parameters) -> Array:
        return special.expit(-p["inflation_logits"]) * super().location(p)


class ZeroInflatedPoisson(_Inflated, Poisson):
    """Zero, or a Poisson count."""

    def __init__(self, size: int, library_size: str | None = None) -> None:
        super().__init__(size, library_size)
        self.sizes = {**self.sizes, "inflation_logits": size}


class ZeroInflatedNegativeBinomial(_Inflated, NegativeBinomial):
    """Zero, or a negative binomial count."""

    def __init__(self, size: int, *args: Any, **kwargs: Any) -> None:
        NegativeBinomial.__init__(self, size, *args, **kwargs)
        self.sizes = {**self.sizes, "inflation_logits": size}


def stirling_error(x: Any) -> Any:
    """Log Gamma(x+1) less Stirling's formula, by recurrence, in extended precision."""
    y = np.asarray(x, np.longdouble)
    error = np.zeros_like(y)
    for _ in range(30):
        step = (y + 0.5) * np.log1p(1 / y) - 1
        error = np.where(y < 30, error + step, error)
        y = np.where(y < 30, y + 1, y)
    return error + 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5)


def deviance(x: Any, mean: Any, excess: Any) -> Any:
    """X log(x / mean) - excess, excess = x - mean, in extended precision."""
    t = excess / mean
    series = mean * t**2 * (1 / np.longdouble(2) - t / 6 + t**2 / 12 - t**3 / 20)
    return np.where(np.abs(t) < 1e-4, series, x * np.log(x / mean) - excess)


def log_poisson(k: Any, m: Any) -> Array:
    """Log masses of Poisson counts of any size."""
    k, m = np.longdouble(k), np.longdouble(m)
    x = np.maximum(k, 1)
    some = -stirling_error(x) - deviance(x, m, x - m) - np.log(2 * np.pi * x) / 2
    return np.float64(np.where(k == 0, -m, some))


def log_negative_binomial(k: Any, m: Any, r: Any) -> Array:
    """Log masses of negative binomial counts of any size."""
    k, m, r = np.longdouble(k), np.longdouble(m), np.longdouble(r)
    x = np.maximum(k, 1)
    n, excess = x + r, r * (x - m) / (r + m)
    some = stirling_error(n) - stirling_error(r) - stirling_error(x)
    some -= deviance(r, n * r / (r + m), -excess) + deviance(x, n * m / (r + m), excess)
    some -= (np.log1p(x / r) + np.log(2 * np.pi * x)) / 2
    return np.float64(np.where(k == 0, -r * np.log1p(m / r), some))
