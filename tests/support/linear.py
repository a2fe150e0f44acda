"""A linear-Gaussian model and everything that is known of it, in NumPy and SciPy."""

import keras
import numpy as np
import scipy.stats

import tfvae

__all__ = ["Linear"]


class Linear:
    """x = W z + b + s e and z = m + r u, with a posterior that can be set.

    Args:
        latents: The number of latents D.
        width: The number E of elements of x.
        full: Whether q has a full covariance.
        noise: The scale s.
        prior: Whether m and r are not those of the standard normal.
    """

    def __init__(
        self, latents=2, width=4, full=True, noise=0.5, prior=False, seed=0
    ) -> None:
        generator = np.random.default_rng(seed)
        self.w = generator.normal(size=(width, latents))
        self.b = generator.normal(size=width)
        self.s = noise
        self.m, self.r = np.zeros(latents), np.ones(latents)
        learned = None
        if prior:
            self.m = generator.normal(size=latents)
            self.r = np.linspace(0.5, 1.5, latents)
            learned = tfvae.priors.Normal(latents)
            raw = np.log(np.expm1(self.r - 1e-6))
            learned.set_weights([self.m, raw])
        layers = tfvae.layers
        family = layers.MultivariateNormalTriL if full else layers.Normal
        self.full = full
        encoder = keras.Sequential([keras.Input((width,)), family(latents)])
        decoder = keras.Sequential(
            [keras.Input((latents,)), layers.Normal(width, scale=noise)]
        )
        decoder.set_weights([self.w.T, self.b])
        self.vae = tfvae.VAE(encoder, decoder, learned, seed=0)
        self.set_posterior()

    @property
    def marginal(self):
        covariance = self.w * self.r**2 @ self.w.T + self.s**2 * np.eye(len(self.b))
        return scipy.stats.multivariate_normal(self.b + self.w @ self.m, covariance)

    @property
    def covariance(self) -> np.ndarray:
        """That of the true posterior, the same for every x."""
        return np.linalg.inv(np.diag(self.r**-2) + self.w.T @ self.w / self.s**2)

    def posterior_mean(self, x: np.ndarray) -> np.ndarray:
        information = (x - self.b) @ self.w / self.s**2 + self.m / self.r**2
        return information @ self.covariance

    def best_diagonal(self) -> np.ndarray:
        """The deviations of the diagonal q that has the least KL(q || p(z|x))."""
        return np.diag(np.linalg.inv(self.covariance)) ** -0.5

    def diagonal_gap(self) -> float:
        """KL(q || p(z|x)) of that q, in closed form."""
        precision = np.linalg.inv(self.covariance)
        return 0.5 * (
            np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]
        )

    def set_posterior(self, widen=1.0, shift=0.0) -> None:
        """Makes q the best one of its family, or its deviations and mean wrong."""
        slope = self.w / self.s**2 @ self.covariance
        constant = (self.m / self.r**2) @ self.covariance - self.b @ slope + shift
        if self.full:
            lower = widen * np.linalg.cholesky(self.covariance)
            inverse = np.log(np.expm1(np.diag(lower) - 1e-6))
            free = np.where(np.eye(len(lower)) > 0, np.diag(inverse), lower)
            raw = free[np.tril_indices(len(lower))]
        else:
            raw = np.log(np.expm1(widen * self.best_diagonal() - 1e-6))
        kernel = np.concatenate([slope, np.zeros((len(slope), len(raw)))], axis=1)
        self.vae.encoder.set_weights([kernel, np.concatenate([constant, raw])])
