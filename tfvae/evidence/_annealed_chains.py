"""Chains of Hamiltonian moves at densities between the prior and the joint."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae._math import fold_in
from tfvae.evidence._model import log_joint

__all__ = ["Chains"]

_ACCEPTANCE = 0.8
_FIRST_FACTOR = 0.5
_GAIN = 0.2
"""How fast the pilot's steps follow what is accepted."""

_LEAST_RATIO = 1.01
"""Of variances, for a quotient that is not 0 / 0: the b_t are nearly equidistant."""

Spreads = tuple[tf.Tensor, tf.Tensor]


class Chains:
    """Annealed chains for a block of examples.

        f_b(z) = p(z) p(x|z)^b,   b_0 = 0, ..., b_T = 1

    The latents of C chains have the shape [C, B, *latent]. `spreads` are deviations of
    the prior [*latent] and of q [B, *latent]; `factors` [T, B] multiply them.

    Args:
        vae: The model.
        num_steps: The number T of steps.
        num_leapfrog_steps: Gradients in each move.
    """

    def __init__(self, vae: Any, num_steps: int, num_leapfrog_steps: int) -> None:
        self.vae = vae
        self.num_steps = num_steps
        self.num_leapfrog_steps = num_leapfrog_steps
        graph = tf.function(autograph=False, reduce_retracing=True)
        self.pilot = graph(self._pilot)
        self.forward = graph(self._forward)
        self.backward = graph(self._backward)

    def _pilot(
        self, x: tf.Tensor, z: tf.Tensor, spreads: Spreads, seed: tf.Tensor
    ) -> tf.Tensor:
        """Walks to the posterior and returns factors that suit the moves, [T, B]."""
        steps, b = self.num_steps, self._temperatures(spreads)
        factors = tf.TensorArray(z.dtype, steps, element_shape=(None,))

        def step(
            t: tf.Tensor, z: tf.Tensor, factor: tf.Tensor, factors: tf.TensorArray
        ) -> tuple[Any, ...]:
            z, accept = self._move(x, z, b[t + 1], spreads, factor, fold_in(seed, t))
            factors = factors.write(t, factor)
            gain = tf.exp(_GAIN * (tf.reduce_mean(accept, axis=0) - _ACCEPTANCE))
            return t + 1, z, factor * gain, factors

        first = tf.fill([tf.shape(x)[0]], tf.constant(_FIRST_FACTOR, z.dtype))
        *_, factors = tf.while_loop(
            lambda t, *_: t < steps, step, (0, z, first, factors), parallel_iterations=1
        )
        return factors.stack()

    def _forward(
        self,
        x: tf.Tensor,
        z: tf.Tensor,
        spreads: Spreads,
        factors: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Walks from draws of the prior to the posterior.

        Returns:
            The log weights [C, B], whose mean weight is p(x), and acceptance [B].
        """
        steps, b = self.num_steps, self._temperatures(spreads)

        def step(
            t: tf.Tensor, z: tf.Tensor, log_weight: tf.Tensor, accepted: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            log_likelihood = tf.cast(log_joint(self.vae, x, z)[0], tf.float64)
            log_weight += (b[t + 1] - b[t]) * log_likelihood
            z, accept = self._move(
                x, z, b[t + 1], spreads, factors[t], fold_in(seed, t)
            )
            return t + 1, z, log_weight, accepted + tf.reduce_mean(accept, axis=0)

        return self._walk(step, x, z, steps)

    def _backward(
        self,
        x: tf.Tensor,
        z: tf.Tensor,
        spreads: Spreads,
        factors: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Walks from draws of the posterior to the prior: `forward` in reverse.

        Returns:
            The log weights [C, B], whose mean weight is 1 / p(x), and acceptance [B].
        """
        steps, b = self.num_steps, self._temperatures(spreads)

        def step(
            i: tf.Tensor, z: tf.Tensor, log_weight: tf.Tensor, accepted: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            t = steps - 1 - i
            z, accept = self._move(
                x, z, b[t + 1], spreads, factors[t], fold_in(seed, i)
            )
            log_likelihood = tf.cast(log_joint(self.vae, x, z)[0], tf.float64)
            log_weight += (b[t] - b[t + 1]) * log_likelihood
            return i + 1, z, log_weight, accepted + tf.reduce_mean(accept, axis=0)

        return self._walk(step, x, z, steps)

    def _temperatures(self, spreads: Spreads) -> tf.Tensor:
        """The b_t of each example, [T + 1, B] in float64.

            b(u) = (r^u - 1) / (r - 1),   u = 0, 1/T, ..., 1

        Where prior and posterior are normals and the variances of one are r times those
        of the other, that of f_b then shrinks by the same factor in each step.
        """
        of_prior, of_posterior = (tf.cast(spread, tf.float64) for spread in spreads)
        ratio = tf.square(of_prior / of_posterior)
        mean = tf.reduce_mean(ratio, axis=list(range(1, ratio.shape.rank)))
        log_ratio = tf.math.log(tf.maximum(mean, _LEAST_RATIO))
        u = tf.linspace(tf.zeros([], tf.float64), 1, self.num_steps + 1)[:, None]
        return tf.math.expm1(u * log_ratio) / tf.math.expm1(log_ratio)

    def _walk(
        self, step: Any, x: tf.Tensor, z: tf.Tensor, steps: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_weight = tf.zeros(tf.shape(z)[:2], tf.float64)
        accepted = tf.zeros(tf.shape(x)[:1], z.dtype)
        _, _, log_weight, accepted = tf.while_loop(
            lambda t, *_: t < steps,
            step,
            (0, z, log_weight, accepted),
            parallel_iterations=1,
        )
        return log_weight, accepted / steps

    def _move(
        self,
        x: tf.Tensor,
        z: tf.Tensor,
        b: tf.Tensor,
        spreads: Spreads,
        factor: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One move that leaves f_b as it is, and its chance of acceptance [C, B]."""
        b = tf.cast(b, z.dtype)
        elements = (-1, *[1] * (z.shape.rank - 2))

        def log_density(z: tf.Tensor) -> tf.Tensor:
            log_likelihood, log_prior = log_joint(self.vae, x, z)
            return b * log_likelihood + log_prior

        of_prior, of_posterior = spreads
        share, factor = tf.reshape(b, elements), tf.reshape(factor, elements)
        precision = (1 - share) / of_prior**2 + share / of_posterior**2
        kernel = tfp.mcmc.HamiltonianMonteCarlo(
            log_density, factor * tf.math.rsqrt(precision), self.num_leapfrog_steps
        )
        moved, results = kernel.one_step(z, kernel.bootstrap_results(z), seed=seed)
        accept = tf.exp(tf.minimum(results.log_accept_ratio, 0))
        # A trajectory that leaves the numbers is rejected, and counts as such.
        return moved, tf.where(tf.math.is_nan(accept), tf.zeros_like(accept), accept)
