"""What a `small_vae` must compute, in NumPy and SciPy with its weights."""

import keras
import numpy as np
import scipy.special
import scipy.stats

import tfvae

__all__ = ["Oracle", "weights_of"]


def weights_of(model: keras.Model) -> list[np.ndarray]:
    """Copies of all weights, in float64."""
    return [np.asarray(w, np.float64) for w in map(_numpy, model.weights)]


class Oracle:
    """A `small_vae` with `Normal` posterior, Bernoulli likelihood, standard prior."""

    def __init__(self, vae: tfvae.VAE) -> None:
        self.encoder, self.decoder = weights_of(vae.encoder), weights_of(vae.decoder)
        self.fixed = vae.posterior_layer.scale

    def posterior(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of q(z|x)."""
        raw = _network(self.encoder, x)
        if self.fixed != "elementwise":
            return raw, np.full_like(raw, self.fixed)
        loc, scale = np.split(raw, 2, axis=-1)
        return loc, np.logaddexp(0, scale) + 1e-6

    def mean(self, z: np.ndarray) -> np.ndarray:
        """E[x|z]."""
        return scipy.special.expit(_network(self.decoder, z))

    def log_likelihood(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return scipy.stats.bernoulli.logpmf(x, self.mean(z)).sum(-1)

    def log_prior(self, z: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.logpdf(z).sum(-1)

    def log_posterior(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.logpdf(z, *self.posterior(x)).sum(-1)

    def log_weights(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        log_joint = self.log_likelihood(x, z) + self.log_prior(z)
        return log_joint - self.log_posterior(x, z)

    def kl(self, x: np.ndarray) -> np.ndarray:
        """KL(q || N(0, 1)) by quadrature in each dimension."""
        loc, scale = (a[..., None] for a in self.posterior(x))
        nodes, weights = np.polynomial.hermite_e.hermegauss(20)
        z = loc + scale * nodes
        log_ratio = scipy.stats.norm.logpdf(z, loc, scale) - scipy.stats.norm.logpdf(z)
        return (log_ratio @ weights / weights.sum()).sum(-1)

    def integral(self, function, x: np.ndarray, under: str) -> np.ndarray:
        """The integral of function(x, z) under q or p over z of one dimension."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(150)
        loc, scale = self.posterior(x) if under == "posterior" else (0.0, 1.0)
        z = loc + scale * nodes.reshape(-1, 1, 1)
        values = np.stack([function(x, part) for part in z + np.zeros((len(x), 1))])
        return weights / weights.sum() @ values

    def log_marginal(self, x: np.ndarray) -> np.ndarray:
        """Log p(x) for z of one dimension."""
        return np.log(
            self.integral(
                lambda x, z: np.exp(self.log_likelihood(x, z)), x, under="prior"
            )
        )


def _network(weights: list[np.ndarray], features: np.ndarray) -> np.ndarray:
    *hidden, kernel, bias = weights
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        features = np.tanh(features @ w + b)
    return features @ kernel + bias


def _numpy(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
