"""Families with one logit for each element."""

import math

import numpy as np
from scipy import integrate, special, stats
from support.families.base import Array, Drawn, Parameters


class Binomial(Drawn):
    """Independent binomial counts."""

    discrete = True
    noise = "uniform"

    def __init__(self, size: int, total_count: int) -> None:
        self.size = self.noise_size = size
        self.total_count = total_count
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

    def location(self, p: Parameters) -> Array:
        return self.total_count * special.expit(p["logits"])

    def nodes(self, p: Parameters) -> tuple[Array, Array]:
        x = np.arange(self.total_count + 1.0)
        return x[:, None], np.ones(len(x))


class Bernoulli(Binomial):
    """One trial each, which a small uniform number makes a success."""

    def __init__(self, size: int) -> None:
        super().__init__(size, 1)

    def draw(self, noise: Array, p: Parameters) -> Array:
        return (noise < special.expit(p["logits"])).astype(float)


class ContinuousBernoulli(Drawn):
    """Independent densities e^(l x) l / (e^l - 1) on [0, 1]."""

    noise = "uniform"

    def __init__(self, size: int) -> None:
        self.size = self.noise_size = size
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

    def location(self, p: Parameters) -> Array:
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
