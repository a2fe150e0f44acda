"""Rounded logistic variables and mixtures of them."""

import numpy as np
from scipy import special
from support.families.base import Array, Drawn, Parameters, smallest_scale


def _log_mass(x: Array, loc: Array, scale: Array, num_bins: int) -> Array:
    """Log(F(b) - F(a)) with F(b) - F(a) = F(b) F(-a) (1 - e^(a - b))."""
    lower, upper = (x - 0.5 - loc) / scale, (x + 0.5 - loc) / scale
    log_upper, log_lower = special.log_expit(upper), special.log_expit(-lower)
    inside = log_upper + log_lower + np.log(-np.expm1(-1 / scale))
    last = num_bins - 1
    return np.where(x == 0, log_upper, np.where(x == last, log_lower, inside))


class DiscretizedLogistic(Drawn):
    """Whole numbers from 0 to `num_bins - 1`."""

    discrete = True
    noise = "uniform"

    def __init__(self, size: int, num_bins: int) -> None:
        self.size = self.noise_size = size
        self.num_bins = num_bins
        self.sizes = {"loc": size, "scale": size}

    def constrain(self, raw: Array) -> Parameters:
        loc, scale = np.split(raw, 2, axis=-1)
        half = (self.num_bins - 1) / 2
        return {"loc": half + half * loc, "scale": half * smallest_scale(scale)}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        return _log_mass(x, p["loc"], p["scale"], self.num_bins).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return self._rounded(p["loc"] + p["scale"] * special.logit(noise))

    def location(self, p: Parameters) -> Array:
        k = np.arange(self.num_bins)
        loc, scale = p["loc"][..., None], p["scale"][..., None]
        return np.exp(_log_mass(k, loc, scale, self.num_bins)) @ k

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        x = np.arange(float(self.num_bins))
        return x[:, None], np.ones(len(x))

    def _rounded(self, x: Array) -> Array:
        return np.clip(np.round(x), 0, self.num_bins - 1)


class DiscretizedLogisticMixture(DiscretizedLogistic):
    """Mixtures of so many components for each element."""

    def __init__(self, size: int, num_components: int, num_bins: int) -> None:
        super().__init__(size, num_bins)
        self.num_components, self.noise_size = num_components, 2 * size
        number = size * num_components
        self.sizes = {"logits": number, "loc": number, "scale": number}

    def constrain(self, raw: Array) -> Parameters:
        shape = (-1, self.size, self.num_components)
        logits, loc, scale = (part.reshape(shape) for part in np.split(raw, 3, axis=-1))
        half = (self.num_bins - 1) / 2
        return {
            "logits": logits,
            "loc": half + half * loc,
            "scale": half * smallest_scale(scale),
        }

    def log_prob(self, x: Array, p: Parameters) -> Array:
        log_mass = _log_mass(x[..., None], p["loc"], p["scale"], self.num_bins)
        weights = special.log_softmax(p["logits"], axis=-1)
        return special.logsumexp(weights + log_mass, axis=-1).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        choice, within = np.moveaxis(
            noise.reshape(*noise.shape[:-1], self.size, 2), -1, 0
        )
        reached = np.cumsum(special.softmax(p["logits"], axis=-1), axis=-1)
        index = (choice[..., None] >= reached[..., :-1]).sum(-1)[..., None]
        shape = (*choice.shape, self.num_components)
        loc, scale = (
            np.take_along_axis(np.broadcast_to(p[name], shape), index, -1)[..., 0]
            for name in ("loc", "scale")
        )
        return self._rounded(loc + scale * special.logit(within))

    def location(self, p: Parameters) -> Array:
        each = super().location(p)
        return (special.softmax(p["logits"], axis=-1) * each).sum(-1)
