"""A decoder that is affine in z, with one Gaussian noise: log p(x) in closed form."""

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import MultivariateNormalHouseholder, MultivariateNormalLowRank
from tfvae.evidence._model import numpy64

__all__ = ["LinearGaussian", "linear_gaussian"]

_LEVER = 1024.0
"""A decoder is compared with itself this far from zero: the error of a slope is the
rounding of a value over the distance. A power of two, which no float rounds."""

_PROBES = 32


@dataclasses.dataclass(frozen=True, eq=False)
class LinearGaussian:
    """x = mean + factor u + root v with standard normals u and v.

    Attributes:
        mean: The mean of x, [E], of all E elements in one row.
        factor: What the latents do to it, [E, D].
        root: Deviations of the noise, [E], or a root of its covariance, [E, E].
    """

    mean: np.ndarray
    factor: np.ndarray
    root: np.ndarray

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Log N(x; mean, factor factor^T + root root^T), [N] nats, of x [N, E].

        In units of the noise the covariance is I + A A^T, and A = U S V^T. Elements
        within the columns of U are divided by 1 + S^2, the others by 1.
        """
        centred = x - self.mean
        if self.root.ndim == 1:
            residual, loading = centred / self.root, self.factor / self.root[:, None]
            log_root = np.sum(np.log(self.root))
        else:
            residual = np.linalg.solve(self.root, centred.T).T
            loading = np.linalg.solve(self.root, self.factor)
            log_root = np.linalg.slogdet(self.root)[1]
        basis, values, _ = np.linalg.svd(loading, full_matrices=False)
        inside = residual @ basis
        outside = residual - inside @ basis.T
        squares = np.sum(outside**2, -1) + np.sum(inside**2 / (1 + values**2), -1)
        constant = x.shape[1] * math.log(2 * math.pi) + np.sum(np.log1p(values**2))
        return -0.5 * (squares + constant) - log_root


def linear_gaussian(vae: Any) -> LinearGaussian | None:
    """Returns p(x) of a model that is linear and Gaussian, else None.

    Whether it is one is found by decoding latents near and far: the location must be
    affine in z and the covariance the same everywhere, up to rounding.
    """
    prior = vae.prior
    if not _is_gaussian(prior):
        return None
    latent = vae.posterior_layer.event_shape
    size = math.prod(latent)
    dtype = vae.posterior_layer.variable_dtype
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(_PROBES, size))
    ends = _LEVER * np.eye(size)
    z = np.concatenate([np.zeros((1, size)), ends, -ends, draws, -30 * draws])
    z = z.astype(dtype)
    likelihood = vae.decode(tf.reshape(z, (-1, *latent)))
    if not _is_gaussian(likelihood):
        return None
    loc = numpy64(likelihood.mean()).reshape(len(z), -1)
    slope = (loc[1 : 1 + size] - loc[1 + size : 1 + 2 * size]) / (2 * _LEVER)
    z = z.astype(np.float64)
    rounding = 200 * np.finfo(dtype).eps
    allowed = rounding * (np.abs(loc[0]) + np.abs(z) @ np.abs(slope))
    if np.any(np.abs(loc - (loc[0] + z @ slope)) > allowed):
        return None
    stddev = numpy64(likelihood.stddev()).reshape(len(z), -1)
    if np.any(np.abs(stddev - stddev[0]) > rounding * stddev[0]):
        return None
    root = stddev[0]
    if not _is_diagonal(likelihood):
        # One at a time: they are large, and the same if the model is linear.
        parts = (vae.decode(tf.reshape(row, (1, *latent))) for row in z.astype(dtype))
        roots = (_root(part)[0] for part in parts)
        root = next(roots)
        allowed = rounding * stddev[0][:, None]
        if any(np.any(np.abs(other - root) > allowed) for other in roots):
            return None
    mean = loc[0] + numpy64(prior.mean()).reshape(-1) @ slope
    if _is_diagonal(prior):
        factor = slope.T * numpy64(prior.stddev()).reshape(-1)
    else:
        factor = slope.T @ _root(prior)
    return LinearGaussian(mean, factor, root)


def _is_diagonal(p: tfd.Distribution) -> bool:
    if isinstance(p, tfd.Independent | tfd.Sample):
        return isinstance(p.distribution, tfd.Normal)
    return isinstance(p, tfd.MultivariateNormalDiag)


def _is_gaussian(p: tfd.Distribution) -> bool:
    full = (
        tfd.MultivariateNormalLinearOperator,
        MultivariateNormalHouseholder,
        MultivariateNormalLowRank,
    )
    return _is_diagonal(p) or isinstance(p, full)


def _root(p: tfd.Distribution) -> np.ndarray:
    """A root L of the covariance L L^T, [*batch, E, E]."""
    if isinstance(p, tfd.MultivariateNormalLinearOperator):
        return numpy64(p.scale.to_dense())
    return np.linalg.cholesky(numpy64(p.covariance()))
