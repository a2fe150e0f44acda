"""A decoder that is affine in z, with one Gaussian noise: log p(x) in closed form."""

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae.distributions import MultivariateNormalHouseholder, MultivariateNormalLowRank
from tfvae.evidence._model import as_decoded, numpy64

__all__ = ["LinearGaussian", "linear_gaussian"]

_LEVER = 1024.0
"""A decoder is compared with itself this many deviations of the prior away: the error
of a slope is the rounding of a value over the distance. A power of two, which no float
rounds."""

_DRAWS = 32

_SHARE = 1e-3
"""The most that a location may depart from a plane, in deviations of the noise."""


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

    Whether it is one is found by decoding latents near and far: the covariance must be
    the same everywhere up to rounding, and the location affine in z up to rounding and
    to a thousandth of the noise.
    """
    prior = vae.prior
    if not _is_gaussian(prior):
        return None
    center, root_of_prior = numpy64(prior.mean()).reshape(-1), _roots(prior)
    if root_of_prior.ndim == 1:
        root_of_prior = np.diag(root_of_prior)
    u = _probes(len(center))
    z = center + np.linalg.norm(root_of_prior, axis=1) * u
    z = as_decoded(vae, z)
    likelihood = vae.decode(tf.reshape(z, (-1, *vae.posterior_layer.event_shape)))
    if not _is_gaussian(likelihood):
        return None
    root = _constant_root(vae, likelihood, z)
    if root is None:
        return None
    loc = numpy64(likelihood.mean()).reshape(len(z), -1)
    slope = _slope(loc, z, u, root)
    if slope is None:
        return None
    mean = loc[0] + (center - z[0]) @ slope
    return LinearGaussian(mean, slope.T @ root_of_prior, root)


def _probes(size: int) -> np.ndarray:
    """Latents in deviations of the prior: its mean, two ends of each axis, draws."""
    draws = np.random.default_rng(0).normal(size=(_DRAWS, size))
    ends = _LEVER * np.eye(size)
    return np.concatenate([np.zeros((1, size)), ends, -ends, draws, -30 * draws])


def _constant_root(vae: Any, likelihood: Any, z: np.ndarray) -> np.ndarray | None:
    """The root of the noise, [E] or [E, E], or None if it is not the same for all z."""
    rounding = _rounding(z)
    stddev = numpy64(likelihood.stddev()).reshape(len(z), -1)
    if not np.all(np.abs(stddev - stddev[0]) <= rounding * stddev[0]):
        return None
    if _is_diagonal(likelihood):
        return stddev[0]
    # One at a time: they are large, and the same if the model is linear.
    latent = vae.posterior_layer.event_shape
    roots = (_roots(vae.decode(tf.reshape(row, (1, *latent))))[0] for row in z)
    root = next(roots)
    allowed = rounding * stddev[0][:, None]
    same = all(np.all(np.abs(other - root) <= allowed) for other in roots)
    return root if same else None


def _slope(
    loc: np.ndarray, z: np.ndarray, u: np.ndarray, root: np.ndarray
) -> np.ndarray | None:
    """The slope of the locations [P, E] at z [P, D], [D, E], or None if none fits.

    Rounding may hide what bends, where the location is large: in units of the noise
    what it hides must be small as well, in proportion to the distance from the prior.
    """
    size = z.shape[1]
    rounding, z = _rounding(z), z.astype(np.float64)
    upper, lower = slice(1, 1 + size), slice(1 + size, 1 + 2 * size)
    slope = (loc[upper] - loc[lower]) / np.diag(z[upper] - z[lower])[:, None]
    error = loc - loc[0] - (z - z[0]) @ slope
    allowed = rounding * (np.abs(loc[0]) + np.abs(z) @ np.abs(slope))
    noise = error / root if root.ndim == 1 else np.linalg.solve(root, error.T).T
    share = _SHARE * np.maximum(1, np.abs(u).max(axis=1, keepdims=True))
    fits = np.all(np.abs(error) <= allowed) and np.all(np.abs(noise) <= share)
    return slope if fits else None


def _rounding(z: np.ndarray) -> float:
    """What a decoder may be rounded by, as a share of its terms."""
    return 200 * float(np.finfo(z.dtype).eps)


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


def _roots(p: tfd.Distribution) -> np.ndarray:
    """Deviations [*batch, D], or roots L of covariances L L^T, [*batch, D, D]."""
    if _is_diagonal(p):
        return numpy64(p.stddev()).reshape(*p.batch_shape, -1)
    if isinstance(p, tfd.MultivariateNormalLinearOperator):
        return numpy64(p.scale.to_dense())
    return np.linalg.cholesky(numpy64(p.covariance()))
