"""Classes: as indices, as one-hot vectors, as relaxed one-hot vectors."""

import math

import numpy as np
from scipy import special
from support.families.base import Array, Drawn, Parameters


def _chosen(noise: Array, logits: Array) -> Array:
    """The first class whose cumulative probability exceeds the uniform number."""
    reached = np.cumsum(special.softmax(logits, axis=-1), axis=-1)
    return (noise[..., None] >= reached[..., :-1]).sum(-1)


class Categorical(Drawn):
    """Independent classes, given by their index."""

    discrete = True
    noise = "uniform"

    def __init__(self, size: int, num_classes: int) -> None:
        self.size = self.noise_size = size
        self.num_classes = num_classes
        self.sizes = {"logits": size * num_classes}

    def constrain(self, raw: Array) -> Parameters:
        return {"logits": raw.reshape(-1, self.size, self.num_classes)}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        log_mass = special.log_softmax(p["logits"], axis=-1)
        index = x.astype(int)[..., None]
        log_mass = np.broadcast_to(log_mass, (*x.shape, self.num_classes))
        return np.take_along_axis(log_mass, index, -1)[..., 0].sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return _chosen(noise, p["logits"]).astype(float)

    def location(self, p: Parameters) -> Array:
        return p["logits"].argmax(-1).astype(float)

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        x = np.arange(float(self.num_classes))
        return x[:, None], np.ones(len(x))


class _Vectors(Drawn):
    """Vectors of so many numbers each along the last axis of the event."""

    noise = "uniform"

    def __init__(self, size: int, classes: int) -> None:
        self.size, self.classes = size, classes
        self.sizes = {"logits": size}

    def constrain(self, raw: Array) -> Parameters:
        return {"logits": raw}

    def location(self, p: Parameters) -> Array:
        return self._flat(special.softmax(self._split(p["logits"]), axis=-1))

    def _split(self, flat: Array) -> Array:
        return flat.reshape(*flat.shape[:-1], -1, self.classes)

    def _flat(self, vectors: Array) -> Array:
        return vectors.reshape(*vectors.shape[:-2], self.size)


class OneHotCategorical(_Vectors):
    """Independent one-hot vectors."""

    discrete = True

    def __init__(self, size: int, classes: int) -> None:
        super().__init__(size, classes)
        self.noise_size = size // classes

    def log_prob(self, x: Array, p: Parameters) -> Array:
        log_mass = special.log_softmax(self._split(p["logits"]), axis=-1)
        return (self._split(x) * log_mass).sum((-1, -2))

    def draw(self, noise: Array, p: Parameters) -> Array:
        chosen = _chosen(noise, self._split(p["logits"]))
        return self._flat(np.eye(self.classes)[chosen])

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        return np.eye(self.classes), np.ones(self.classes)


class RelaxedOneHotCategorical(_Vectors):
    """Independent points of the simplex."""

    def __init__(self, size: int, classes: int, temperature: float) -> None:
        super().__init__(size, classes)
        self.temperature, self.noise_size = temperature, size

    def constrain(self, raw: Array) -> Parameters:
        return {"temperature": np.array(self.temperature), "logits": raw}

    def log_prob(self, x: Array, p: Parameters) -> Array:
        t, k, y = p["temperature"], self.classes, np.log(self._split(x))
        powers = special.log_softmax(self._split(p["logits"]), axis=-1) - t * y
        log_density = math.lgamma(k) + (k - 1) * np.log(t) + (powers - y).sum(-1)
        return (log_density - k * special.logsumexp(powers, axis=-1)).sum(-1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        scores = self._split(p["logits"] - np.log(-np.log(noise)))
        return self._flat(special.softmax(scores / p["temperature"], axis=-1))

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        # Two classes, evenly spaced in the logarithm of their odds.
        line = np.linspace(-200, 200, 8001)
        x = np.stack([special.expit(line), special.expit(-line)], -1)
        return x, x.prod(-1) * (line[1] - line[0])

    def uniforms(self, x: Array, p: Parameters) -> Array:
        # Exponential variables up to a factor, and of these each one's share in what
        # is left of them, which has a beta distribution.
        powers = special.log_softmax(self._split(p["logits"]), axis=-1)
        powers = powers - p["temperature"] * np.log(self._split(x))
        size = np.exp(powers - powers.max(-1, keepdims=True))
        left = np.cumsum(size[..., ::-1], axis=-1)[..., ::-1]
        after = np.arange(self.classes - 1, 0, -1)
        uniforms = (left[..., 1:] / left[..., :-1]) ** after
        return uniforms.reshape(*x.shape[:-1], -1)
