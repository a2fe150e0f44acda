"""Families of densities in NumPy and SciPy, double precision: the oracles of layers.

Nothing here knows tfvae. Axes: B batch, N elements of an event laid out flat.
"""

import math
from typing import Any, Protocol

import numpy as np
from scipy import integrate, linalg, special, stats

Array = np.ndarray[Any, np.dtype[np.float64]]
Parameters = dict[str, Array]


class Family(Protocol):
    """What is known of a family: p(x | parameters) and how raw numbers become them."""

    discrete: bool
    sizes: dict[str, int]  # raw numbers of each parameter for one event

    def constrain(self, raw: Array) -> Parameters:
        """Parameters [B, ...] from raw numbers [B, sum(sizes)]."""

    def log_prob(self, x: Array, p: Parameters) -> Array:
        """Log p(x) for x [*S, B, N], summed over N: [*S, B], nats."""

    def draw(self, noise: Array, p: Parameters) -> Array:
        """The draw [*S, B, N] that belongs to the noise [*S, B, N]."""

    def mean(self, p: Parameters) -> Array:
        """The mean [B, N]."""

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """Points x [M, N] and weights [M] that integrate p(x) for B = 1."""

    def uniforms(self, x: Array, p: Parameters) -> Array:
        """Independent uniforms if x [S, B, N] are draws; continuous families only."""


def softplus(raw: Array) -> Array:
    """Log(1 + e^raw) without overflow."""
    return np.logaddexp(0.0, raw)


def smallest_scale(raw: Array) -> Array:
    """Scales as the layers document them: softplus(raw) + 1e-6."""
    return softplus(raw) + 1e-6


class Normal:
    """Independent normals. `scale`: "elementwise", or one number for all elements."""

    discrete = False

    def __init__(self, size: int, scale: str | float = "elementwise") -> None:
        self.size, self.scale = size, scale
        self.sizes = {"loc": size}
        if scale == "elementwise":
            self.sizes["scale"] = size

    def constrain(self, raw: Array) -> Parameters:
        loc = raw[:, : self.size]
        if self.scale == "elementwise":
            return {"loc": loc, "scale": smallest_scale(raw[:, self.size :])}
        # A shared scale starts at one.
        return {"loc": loc, "scale": np.array(1.0 if self.scale == "shared" else 0.3)}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return stats.norm.logpdf(x, p["loc"], p["scale"]).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return p["loc"] + p["scale"] * noise

    def mean(self, p: Parameters) -> Array:
        return p["loc"]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        standard = np.linspace(-12, 12, 401)
        scale = np.broadcast_to(p["scale"], p["loc"].shape)[0, 0]
        x = p["loc"][0, 0] + scale * standard
        return x[:, None], np.full(401, scale * 24 / 400)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(x, p["loc"], p["scale"])


class MultivariateNormalTriL:
    """A normal with the covariance L L^T."""

    discrete = False

    def __init__(self, size: int) -> None:
        self.size = size
        self.sizes = {"loc": size, "scale_tril": size * (size + 1) // 2}

    def constrain(self, raw: Array) -> Parameters:
        square = np.zeros((len(raw), self.size, self.size))
        rows, columns = np.tril_indices(self.size)
        square[:, rows, columns] = raw[:, self.size :]
        diagonal = np.arange(self.size)
        square[:, diagonal, diagonal] = smallest_scale(square[:, diagonal, diagonal])
        return {"loc": raw[:, : self.size], "scale_tril": square}

    def _standard(self, x: Array, p: Parameters) -> Array:
        residual = np.broadcast_to(x - p["loc"], (*x.shape[:-2], *p["loc"].shape))
        solved = [
            linalg.solve_triangular(
                scale, residual[..., i, :].reshape(-1, self.size).T, lower=True
            ).T.reshape(residual[..., i, :].shape)
            for i, scale in enumerate(p["scale_tril"])
        ]
        return np.stack(solved, axis=-2)

    def log_prob(self, x: Array, p: Parameters) -> Array:
        diagonal = np.diagonal(p["scale_tril"], axis1=-2, axis2=-1)
        elements = stats.norm.logpdf(self._standard(x, p)) - np.log(diagonal)
        return elements.sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return p["loc"] + np.einsum("bij,...bj->...bi", p["scale_tril"], noise)

    def mean(self, p: Parameters) -> Array:
        return p["loc"]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        line = np.linspace(-10, 10, 201)
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        x = p["loc"][0] + grid @ p["scale_tril"][0].T
        area = (20 / 200) ** 2 * np.prod(np.diagonal(p["scale_tril"][0]))
        return x, np.full(len(x), area)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(self._standard(x, p))


class Binomial:
    """Independent binomial counts."""

    discrete = True

    def __init__(self, size: int, total_count: int) -> None:
        self.size, self.total_count = size, total_count
        self.sizes = {"logits": size}
        choose = [math.comb(total_count, k) for k in range(total_count + 1)]
        self._log_choose = np.array([math.log(number) for number in choose])

    def constrain(self, raw: Array) -> Parameters:
        return {"logits": raw}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        logits, n = p["logits"], self.total_count
        elements = (
            self._log_choose[x.astype(int)]
            + special.xlogy(x, 1)
            + x * special.log_expit(logits)
            + (n - x) * special.log_expit(-logits)
        )
        return elements.sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        # The smallest count whose distribution function exceeds the uniform number.
        counts = np.arange(self.total_count + 1.0)
        probability = special.expit(p["logits"])[..., None]
        below = stats.binom.cdf(counts, self.total_count, probability)
        return (noise[..., None] >= below).sum(-1).astype(float)

    def mean(self, p: Parameters) -> Array:
        return self.total_count * special.expit(p["logits"])

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        x = np.arange(self.total_count + 1.0)
        return x[:, None], np.ones(len(x))

    def uniforms(self, x: Array, p: Parameters) -> Array:
        # Counts are compared by their masses, and no test may ask for this.
        raise NotImplementedError("a count has no uniform")


class Bernoulli(Binomial):
    """One trial each, which a small uniform number makes a success."""

    def __init__(self, size: int) -> None:
        super().__init__(size, 1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return (noise < special.expit(p["logits"])).astype(float)


class ContinuousBernoulli:
    """Independent densities e^(l x) l / (e^l - 1) on [0, 1]."""

    discrete = False

    def __init__(self, size: int) -> None:
        self.size = size
        self.sizes = {"logits": size}

    def constrain(self, raw: Array) -> Parameters:
        return {"logits": raw}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        logits = p["logits"]
        # log((e^l - 1) / l) = max(l, 0) + log((1 - e^-|l|) / |l|)
        size = np.where(logits == 0, 1.0, np.abs(logits))
        normaliser = np.log(-np.expm1(-size) / size)
        normaliser = np.where(logits == 0, 0.0, normaliser)
        # l x - max(l, 0), without the cancellation of large numbers.
        linear = np.where(logits > 0, -logits * (1 - x), logits * x)
        return (linear - normaliser).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        logits = np.where(p["logits"] == 0, 1e-300, p["logits"])
        rising = 1 + np.log(noise + (1 - noise) * np.exp(-np.abs(logits))) / np.abs(
            logits
        )
        plain = np.log1p(noise * np.expm1(np.minimum(logits, 30))) / logits
        return np.where(logits < 30, plain, rising)

    def mean(self, p: Parameters) -> Array:
        def one(logit: float) -> float:
            # On the interval where the density is not negligible.
            low, high = (1 - min(1, 50 / logit), 1) if logit > 50 else (0, 1)
            low, high = (0, min(1, 50 / -logit)) if logit < -50 else (low, high)
            parameter = {"logits": np.array([logit])}

            def moment(x: float) -> float:
                return x * math.exp(self.log_prob(np.array([x]), parameter))

            value, _ = integrate.quad(moment, low, high, epsabs=0, epsrel=1e-12)
            return value

        return np.vectorize(one)(p["logits"])

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        x, weights = special.roots_legendre(64)
        return (x[:, None] + 1) / 2, weights / 2

    def uniforms(self, x: Array, p: Parameters) -> Array:
        logits = p["logits"]
        return np.expm1(logits * x) / np.expm1(logits)
