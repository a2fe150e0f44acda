"""The angle between a von Mises-Fisher vector and its mean direction."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["PolarAngle"]

PANELS, NODES = 64, 6
"""Gauss-Legendre nodes in each of so many equal parts of the window."""

BELOW, ABOVE = 14.0, 18.0
"""The window, in widths around the mode: it leaves out a mass below 1e-15."""

NEWTON_STEPS = 5
"""From the edge of a panel to the quantile in double precision."""


class PolarAngle:
    """The density of the angle t on [0, pi] on a sphere of D dimensions.

        p(t) = sin(t)^(D-2) e^(-k v(t)) / Z,   v(t) = 1 - cos(t) = 2 sin(t/2)^2

    It is smooth for every D >= 2 and every k >= 0, and is integrated by a fixed rule
    in a window around its mode. Everything has the dtype of the concentration k.

    Args:
        concentration: k >= 0, of any shape [*batch].
        dimension: D, an int of at least 2.
    """

    def __init__(self, concentration: tf.Tensor, dimension: int) -> None:
        self.concentration, self.power = concentration, dimension - 2
        fixed = tf.stop_gradient(concentration)
        # At the mode the cosine is k r and the squared sine (D - 2) r.
        r = 2 / (self.power + tf.sqrt(self.power**2 + 4 * tf.square(fixed)) + TINY)
        cosine, self._squared_sine = fixed * r, self.power * r
        self._sine = tf.sqrt(self._squared_sine)
        self._versine = 1 - cosine
        if self.power:
            self._versine = self.power * r / (1 + cosine)
        curvature = tf.square(fixed) * r + (1 / r if self.power else 0)
        mode, width = tf.atan2(self._sine, cosine), tf.math.rsqrt(curvature + TINY)
        self._low = tf.maximum(mode - BELOW * width, 0)
        high = tf.minimum(mode + ABOVE * width, math.pi)
        self._step = (high - self._low) / PANELS
        points, weights = (tf.constant(part, r.dtype) for part in _rule())
        panel = tf.range(PANELS, dtype=r.dtype)[:, None]
        angle = self._low[..., None, None] + self._step[..., None, None] * (
            panel + points
        )
        self._sines, self._versines = tf.sin(angle), 2 * tf.square(tf.sin(angle / 2))
        relative = self._log_relative(
            self._sines,
            self._versines,
            *(
                value[..., None, None]
                for value in (concentration, self._sine, self._versine)
            ),
        )
        masses = tf.exp(relative) * weights * self._step[..., None, None]
        self._total = tf.reduce_sum(masses, axis=(-2, -1))
        self._masses = masses / self._total[..., None, None]

    def _log_relative(
        self, sine: Any, versine: Any, concentration: Any, sine_0: Any, versine_0: Any
    ) -> tf.Tensor:
        """Log density less its value at the mode, normaliser left out."""
        relative = -concentration * (versine - versine_0)
        if self.power:
            tiny = np.finfo(relative.dtype.as_numpy_dtype).tiny
            relative += self.power * tf.math.log(tf.maximum(sine, tiny) / sine_0)
        return relative

    def log_normaliser(self) -> tf.Tensor:
        """Returns log Z: [*batch]."""
        at_mode = -self.concentration * self._versine
        if self.power:
            # The logarithm of the root kills the process under XLA in TensorFlow 2.18.
            at_mode += 0.5 * self.power * tf.math.log(self._squared_sine)
        return at_mode + tf.math.log(self._total)

    def mean_versine(self) -> tf.Tensor:
        """Returns E[1 - cos t]: [*batch]."""
        return tf.reduce_sum(self._masses * self._versines, axis=(-2, -1))

    def variances(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns Var[cos t] and E[sin(t)^2]: [*batch] each."""
        centred = self._versines - self.mean_versine()[..., None, None]
        along = tf.reduce_sum(self._masses * tf.square(centred), axis=(-2, -1))
        across = tf.reduce_sum(self._masses * tf.square(self._sines), axis=(-2, -1))
        return along, across

    def quantile(self, uniform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the angle whose distribution function is `uniform`.

        The gradient to the concentration is that of the implicit function,

            dt/dk = -(dF/dk) / p(t),   dF/dk = int_0^t (E[v] - v(s)) p(s) ds.

        Args:
            uniform: Numbers on (0, 1), of the shape [*lead, *batch].

        Returns:
            The angle as its distance from 0 or from pi, and whether it is from pi:
            [*lead, *batch] each.
        """
        upper = uniform > 0.5
        tail = tf.where(upper, 1 - uniform, uniform)
        tail = tf.clip_by_value(tail, SMALLEST_TAIL, 0.5)
        concentration = tf.cast(self.concentration, tail.dtype) + tf.zeros_like(tail)
        panel = _Panel(self, tail, upper)

        @tf.custom_gradient
        def distance(tail: tf.Tensor, concentration: tf.Tensor) -> Any:
            t = panel.solve(tail, concentration)

            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                rate = upstream / panel.slope(t, concentration)
                return rate, -rate * panel.derivative(t, concentration)

            return t, gradient

        return distance(tail, concentration), panel.from_pi

    def tables(self, dtype: tf.DType) -> dict[str, tf.Tensor]:
        """For each panel, counted from either end: [*batch, 2, PANELS] each.

        The distances of its edges, whether they are from pi, and the tail's mass and
        its derivative in k at the outer edge; the mass at the inner edge as well.
        """
        edges = self._low[..., None] + self._step[..., None] * tf.range(
            PANELS + 1, dtype=self._low.dtype
        )
        from_pi = edges[..., :-1] > math.pi / 2
        first, last = edges[..., :-1], edges[..., 1:]
        outer, inner = (
            tf.where(from_pi, math.pi - edge, edge) for edge in (last, first)
        )
        drift = self.mean_versine()[..., None, None] - self._versines
        mass, derivative = (
            tf.reduce_sum(integrand, axis=-1)
            for integrand in (self._masses, self._masses * drift)
        )

        def both(lower: tf.Tensor, upper: tf.Tensor) -> tf.Tensor:
            return tf.stack([lower, tf.reverse(upper, [-1])], axis=-2)

        sums = {
            name: tf.cumsum(both(part, part), axis=-1)
            for name, part in (("mass", mass), ("derivative", derivative))
        }
        zero = tf.zeros_like(sums["mass"][..., :1])
        measured = tf.cast(from_pi, edges.dtype)
        tables = {
            "outer": both(first, outer),
            "inner": both(last, inner),
            "from_pi": both(tf.zeros_like(measured), measured),
            "mass": tf.concat([zero, sums["mass"][..., :-1]], axis=-1),
            "derivative": tf.concat([zero, sums["derivative"][..., :-1]], axis=-1),
            "mass_inside": sums["mass"],
        }
        return {name: tf.cast(table, dtype) for name, table in tables.items()}


class _Panel:
    """For each tail mass, the panel that holds its quantile, and integrals in it."""

    def __init__(self, angle: PolarAngle, tail: tf.Tensor, upper: tf.Tensor) -> None:
        dtype = tail.dtype
        self._angle, self._fixed = (
            angle,
            [
                tf.cast(value, dtype)
                for value in (angle._sine, angle._versine, angle._total)
            ],
        )
        self._mean = tf.cast(angle.mean_versine(), dtype)
        self._points, self._weights = (tf.constant(part, dtype) for part in _rule())
        tables = {
            name: tf.where(upper[..., None], table[..., 1, :], table[..., 0, :])
            for name, table in angle.tables(dtype).items()
        }
        reached = tables["mass"] <= tail[..., None]
        here = reached & (tail[..., None] < tables["mass_inside"])
        mask = tf.cast(here, dtype)
        picked = {
            name: tf.reduce_sum(table * mask, axis=-1) for name, table in tables.items()
        }
        self._outer, self._inner = picked["outer"], picked["inner"]
        self._mass, self._derivative = picked["mass"], picked["derivative"]
        self.from_pi = picked["from_pi"] > 0.5
        self._rising = self._outer < self._inner

    def _density(self, t: tf.Tensor, concentration: tf.Tensor) -> Any:
        """Density and 1 - cos t; `t` may have an axis more than the tails."""
        extra = (..., *[None] * (t.shape.rank - self.from_pi.shape.rank))
        near = 2 * tf.square(tf.sin(t / 2))
        versine = tf.where(self.from_pi[extra], 2 - near, near)
        sine, mode, total = (value[extra] for value in self._fixed)
        relative = self._angle._log_relative(
            tf.sin(t), versine, concentration[extra], sine, mode
        )
        return tf.exp(relative) / total, versine

    def _from_outer(self, t: tf.Tensor, concentration: tf.Tensor) -> Any:
        """Integrals from the outer edge of the panel to `t`: of p, and of dp/dk."""
        width = t - self._outer
        between = self._outer[..., None] + width[..., None] * self._points
        density, versine = self._density(between, concentration)
        density *= self._weights
        drift = density * (self._mean[..., None] - versine)
        width = tf.abs(width)
        return width * tf.reduce_sum(density, -1), width * tf.reduce_sum(drift, -1)

    def slope(self, t: tf.Tensor, concentration: tf.Tensor) -> tf.Tensor:
        """The derivative of the tail's mass in `t`."""
        density, _ = self._density(t, concentration)
        return tf.where(self._rising, density, -density)

    def derivative(self, t: tf.Tensor, concentration: tf.Tensor) -> tf.Tensor:
        """The derivative of the tail's mass in k."""
        return self._derivative + self._from_outer(t, concentration)[1]

    def solve(self, tail: tf.Tensor, concentration: tf.Tensor) -> tf.Tensor:
        """Newton's steps for the logarithm of the mass.

        Where the mass rises with t it is a function of log t: near an end of the
        circle the mass is a power of t, so that one step does it.
        """
        tiny = np.finfo(tail.dtype.as_numpy_dtype).tiny
        low, high = (
            function(self._outer, self._inner) for function in (tf.minimum, tf.maximum)
        )
        t = self._inner
        for _ in range(NEWTON_STEPS):
            mass = self._mass + self._from_outer(t, concentration)[0]
            mass = tf.maximum(mass, tiny)
            density = tf.maximum(self._density(t, concentration)[0], tiny)
            step = mass / density * tf.math.log(tail / mass)
            grown = t * tf.exp(tf.minimum(step / t, 1))
            t = tf.where(self._rising, grown, t - step)
            t = tf.clip_by_value(t, low, high)
        return t


TINY = 1e-30
"""Keeps a zero concentration on the circle from dividing by zero."""

SMALLEST_TAIL = 2.0**-54


def _rule() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    return (points + 1) / 2, weights / 2
