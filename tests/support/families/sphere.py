"""The von Mises-Fisher distribution on the unit sphere."""

import numpy as np
from scipy import special, stats
from support.families.base import Array, Drawn, Parameters, smallest_scale

__all__ = [
    "VonMisesFisher",
    "angle_density",
    "angle_log_normaliser",
    "angle_tails",
    "log_area",
]

POINTS, WEIGHTS = special.roots_legendre(200)


def log_area(dimension: int) -> float:
    """Of the unit sphere in so many dimensions."""
    half = dimension / 2
    return np.log(2) + half * np.log(np.pi) - special.gammaln(half)


def _relative(angle: Array, concentration: Array, dimension: int) -> Array:
    """Log density of the angle, without its normaliser."""
    with np.errstate(divide="ignore"):
        sine = np.log(np.sin(angle)) if dimension > 2 else 0.0
    return (dimension - 2) * sine - 2 * concentration * np.sin(angle / 2) ** 2


def _window(concentration: Array, dimension: int) -> tuple[Array, Array]:
    """Beyond it the angle's density is below e^-100 of its largest value."""
    grid = np.pi * np.concatenate([np.logspace(-8, -1, 4000), np.linspace(0.1, 1, 901)])
    height = _relative(grid, np.asarray(concentration)[..., None], dimension)
    inside = height > height.max(-1, keepdims=True) - 100
    first, last = inside.argmax(-1), len(grid) - 1 - inside[..., ::-1].argmax(-1)
    low = np.where(first, grid[np.maximum(first - 1, 0)], 0)
    return low, grid[np.minimum(last + 1, len(grid) - 1)]


def _log_integral(
    low: Array, high: Array, concentration: Array, dimension: int
) -> Array:
    width = (high - low)[..., None] / 2
    # Four Gauss-Legendre rules side by side.
    parts = (np.arange(4)[:, None] + (POINTS + 1) / 2) / 4
    angle = low[..., None] + 2 * width * parts.ravel()
    logs = _relative(angle, np.asarray(concentration)[..., None], dimension)
    return special.logsumexp(logs, b=np.tile(WEIGHTS, 4) / 4 * width, axis=-1)


def angle_log_normaliser(concentration: Array, dimension: int) -> Array:
    """Log of the integral of sin(t)^(D-2) e^(-k (1 - cos t)) over [0, pi]."""
    return _log_integral(*_window(concentration, dimension), concentration, dimension)


def angle_density(angle: Array, concentration: Array, dimension: int) -> Array:
    """The density of the angle to the mean direction."""
    total = angle_log_normaliser(concentration, dimension)
    return np.exp(_relative(angle, concentration, dimension) - total)


def angle_tails(
    angle: Array, concentration: Array, dimension: int
) -> tuple[Array, Array]:
    """The mass of the angles below, and of those above."""
    low, high = _window(concentration, dimension)
    total = _log_integral(low, high, concentration, dimension)
    inside = np.clip(angle, low, high)
    low, high, concentration, total = (
        np.broadcast_to(part, inside.shape)
        for part in (low, high, concentration, total)
    )
    below = _log_integral(low, inside, concentration, dimension)
    above = _log_integral(inside, high, concentration, dimension)
    return np.exp(below - total), np.exp(above - total)


def angle_cdf(angle: Array, concentration: Array, dimension: int) -> Array:
    """The distribution function of the angle."""
    return angle_tails(angle, concentration, dimension)[0]


class VonMisesFisher(Drawn):
    """Unit vectors around a mean direction."""

    noise = "uniform"

    def __init__(self, size: int) -> None:
        self.size = size
        self.sizes = {"mean_direction": size, "concentration": 1}
        self.noise_size = 1 + 2 * (size // 2)

    def constrain(self, raw: Array) -> Parameters:
        direction = raw[:, :-1].copy()
        short = np.linalg.norm(direction, axis=-1) < 1e-6
        direction[short, 0] += 2e-6
        return {
            "mean_direction": _unit(direction),
            "concentration": smallest_scale(raw[:, -1]),
        }

    def log_prob(self, x: Array, p: Parameters) -> Array:
        """Of the direction of x, which rounding takes off the sphere."""
        m, k, order = p["mean_direction"], p["concentration"], self.size / 2 - 1
        versine = ((_unit(x) - _unit(m)) ** 2).sum(-1) / 2
        constant = order * np.log(k) - np.log(special.ive(order, k))
        return constant - self.size / 2 * np.log(2 * np.pi) - k * versine

    def location(self, p: Parameters) -> Array:
        return p["mean_direction"]

    def sample(self, p: Parameters, rng: np.random.Generator) -> Array:
        rows = zip(p["mean_direction"], p["concentration"], strict=True)
        draws = [
            stats.vonmises_fisher(_unit(m), k).rvs(1, random_state=rng)[0]
            for m, k in rows
        ]
        return np.stack(draws)

    def draw(self, noise: Array, p: Parameters) -> Array:
        m, size = p["mean_direction"], self.size
        k = np.broadcast_to(p["concentration"], (*noise.shape[:-2], len(m)))
        noise = np.broadcast_to(noise, (*noise.shape[:-2], len(m), noise.shape[-1]))
        angle = self._quantile(noise[..., 0], k)[..., None]
        pairs = size // 2
        length = np.sqrt(-2 * np.log(noise[..., 1 : 1 + pairs]))
        turn = 2 * np.pi * noise[..., 1 + pairs :]
        normals = np.concatenate([length * np.cos(turn), length * np.sin(turn)], -1)
        flat = np.concatenate(
            [np.zeros_like(angle), _unit(normals[..., : size - 1])], axis=-1
        )
        # The reflection that takes the first axis to m or -m, the farther one.
        mirror = m + np.where(m[:, :1] < 0, -1, 1) * np.eye(size)[0]
        share = (flat * mirror).sum(-1, keepdims=True) / (mirror**2).sum(-1)[:, None]
        return np.cos(angle) * m + np.sin(angle) * (flat - 2 * share * mirror)

    def _quantile(self, uniform: Array, concentration: Array) -> Array:
        """By bisection, and Newton's steps for the last digits."""
        low, high = np.zeros(uniform.shape), np.full(uniform.shape, np.pi)
        for _ in range(30):
            middle = (low + high) / 2
            below = angle_cdf(middle, concentration, self.size) < uniform
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        angle = (low + high) / 2
        for _ in range(3):
            error = angle_cdf(angle, concentration, self.size) - uniform
            density = angle_density(angle, concentration, self.size)
            angle = angle - error / density
        return angle

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        """On the circle: equal steps are exact."""
        turn = np.arange(400) * 2 * np.pi / 400
        x = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        return x, np.full(400, 2 * np.pi / 400)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        """Of the angle, and of the spherical angles of the direction around m."""
        m, size = p["mean_direction"], self.size
        frames = np.stack([np.linalg.svd(one[None])[2][1:] for one in m])
        around = np.einsum("bij,...bj->...bi", frames, x)
        sine, cosine = np.linalg.norm(around, axis=-1), (x * m).sum(-1)
        k = np.broadcast_to(p["concentration"], sine.shape)
        parts = [angle_cdf(np.arctan2(sine, cosine), k, size)]
        for left in range(size - 1, 2, -1):
            # One coordinate of a uniform unit vector in `left` dimensions.
            share = around[..., 0] / np.linalg.norm(around, axis=-1)
            half = (left - 1) / 2
            parts.append(stats.beta.cdf((1 + share) / 2, half, half))
            around = around[..., 1:]
        parts.append(np.arctan2(around[..., 1], around[..., 0]) / (2 * np.pi) + 0.5)
        return np.stack(parts, axis=-1)


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)
