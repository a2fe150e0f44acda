"""Normal distributions."""

import numpy as np
from scipy import linalg, stats
from support.families.base import Array, Drawn, Parameters, smallest_scale


class Normal(Drawn):
    """Independent normals. `scale`: "elementwise", or one number for all elements."""

    noise = "normal"

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
        # A shared scale and an optimal one start at one.
        return {"loc": loc, "scale": np.array(0.3 if self.scale == 0.3 else 1.0)}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return stats.norm.logpdf(x, p["loc"], p["scale"]).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return p["loc"] + p["scale"] * noise

    def location(self, p: Parameters) -> Array:
        return p["loc"]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        standard = np.linspace(-12, 12, 401)
        scale = np.broadcast_to(p["scale"], p["loc"].shape)[0, 0]
        x = p["loc"][0, 0] + scale * standard
        return x[:, None], np.full(401, scale * 24 / 400)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(x, p["loc"], p["scale"])


class MultivariateNormalTriL(Drawn):
    """A normal with the covariance L L^T."""

    noise = "normal"

    def __init__(self, size: int) -> None:
        self.size = self.noise_size = size
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

    def location(self, p: Parameters) -> Array:
        return p["loc"]

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        line = np.linspace(-10, 10, 201)
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        x = p["loc"][0] + grid @ p["scale_tril"][0].T
        area = (20 / 200) ** 2 * np.prod(np.diagonal(p["scale_tril"][0]))
        return x, np.full(len(x), area)

    def uniforms(self, x: Array, p: Parameters) -> Array:
        return stats.norm.cdf(self._standard(x, p))
