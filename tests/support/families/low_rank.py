"""Normal distributions with the covariance diag(d^2) + U U^T."""

import numpy as np
from scipy import linalg, stats
from support.families.base import Array, Drawn, Parameters, smallest_scale


class MultivariateNormalLowRank(Drawn):
    """From the Cholesky factor of the whole covariance."""

    noise = "normal"

    def __init__(self, size: int, rank: int) -> None:
        self.size, self.rank = size, rank
        self.noise_size = size + rank
        self.sizes = {"loc": size, "scale_diag": size, "scale_factor": size * rank}

    def constrain(self, raw: Array) -> Parameters:
        loc, scale, factor = np.split(raw, [self.size, 2 * self.size], axis=-1)
        return {
            "loc": loc,
            "scale_diag": smallest_scale(scale),
            "scale_factor": factor.reshape(-1, self.size, self.rank),
        }

    def _cholesky(self, p: Parameters) -> Array:
        factor = p["scale_factor"]
        covariance = factor @ factor.swapaxes(-1, -2)
        diagonal = np.arange(self.size)
        covariance[:, diagonal, diagonal] += p["scale_diag"] ** 2
        return np.linalg.cholesky(covariance)

    def _standard(self, x: Array, p: Parameters) -> Array:
        residual = np.broadcast_to(x - p["loc"], (*x.shape[:-2], *p["loc"].shape))
        solved = [
            linalg.solve_triangular(
                scale, residual[..., i, :].reshape(-1, self.size).T, lower=True
            ).T.reshape(residual[..., i, :].shape)
            for i, scale in enumerate(self._cholesky(p))
        ]
        return np.stack(solved, axis=-2)

    def log_prob(self, x: Array, p: Parameters) -> Array:
        diagonal = np.diagonal(self._cholesky(p), axis1=-2, axis2=-1)
        elements = stats.norm.logpdf(self._standard(x, p)) - np.log(diagonal)
        return elements.sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        own, common = np.split(noise, [self.size], axis=-1)
        moved = np.einsum("bij,...bj->...bi", p["scale_factor"], common)
        return p["loc"] + p["scale_diag"] * own + moved

    def location(self, p: Parameters) -> Array:
        return p["loc"]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        line = np.linspace(-10, 10, 201)
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        scale = self._cholesky(p)[0]
        area = (20 / 200) ** 2 * np.prod(np.diagonal(scale))
        return p["loc"][0] + grid @ scale.T, np.full(len(grid), area)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(self._standard(x, p))
