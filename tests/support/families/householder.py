"""A normal with independent elements, reflected at planes."""

import numpy as np
from scipy import stats
from support.families.base import Array, Drawn, Parameters, smallest_scale

__all__ = ["Householder", "orthogonal"]


def orthogonal(reflections: Array) -> Array:
    """The matrices H_K ... H_1 [B, D, D] of the vectors [B, K, D]."""
    size = reflections.shape[-1]
    product = np.broadcast_to(np.eye(size), (len(reflections), size, size))
    for k in range(reflections.shape[1]):
        v = reflections[:, k]
        outer = np.einsum("bi,bj->bij", v, v) / (v**2).sum(-1)[:, None, None]
        product = (np.eye(size) - 2 * outer) @ product
    return product


class Householder(Drawn):
    """x = H (loc + scale * e)."""

    noise = "normal"

    def __init__(self, size: int, num_reflections: int) -> None:
        self.size, self.count = size, num_reflections
        self.noise_size = size
        self.sizes = {
            "loc": size,
            "scale": size,
            "reflections": num_reflections * size,
        }

    def constrain(self, raw: Array) -> Parameters:
        loc, scale = raw[:, : self.size], raw[:, self.size : 2 * self.size]
        v = raw[:, 2 * self.size :].reshape(len(raw), self.count, self.size).copy()
        v[np.linalg.norm(v, axis=-1) < 1e-6, 0] += 2e-6
        return {
            "loc": loc,
            "scale": smallest_scale(scale),
            "reflections": v / np.linalg.norm(v, axis=-1, keepdims=True),
        }

    def _standard(self, x: Array, p: Parameters) -> Array:
        turned = np.einsum("bij,...bi->...bj", orthogonal(p["reflections"]), x)
        return (turned - p["loc"]) / p["scale"]

    def log_prob(self, x: Array, p: Parameters) -> Array:
        elements = stats.norm.logpdf(self._standard(x, p)) - np.log(p["scale"])
        return elements.sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        plain = p["loc"] + p["scale"] * noise
        return np.einsum("bij,...bj->...bi", orthogonal(p["reflections"]), plain)

    def location(self, p: Parameters) -> Array:
        return np.einsum("bij,bj->bi", orthogonal(p["reflections"]), p["loc"])

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        line = np.linspace(-10, 10, 201)
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        plain = p["loc"][0] + grid * p["scale"][0]
        x = plain @ orthogonal(p["reflections"])[0].T
        return x, np.full(len(x), (20 / 200) ** 2 * np.prod(p["scale"][0]))

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(self._standard(x, p))
