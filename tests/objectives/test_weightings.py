"""How values are put together, against SciPy, where a draw is impossible too."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from tfvae.objectives.gradients import _left_out
from tfvae.objectives.weightings import LogMeanExp, Power

POSSIBLE = np.array([[-3.0, 1.0], [2.0, 0.5], [-1.0, 0.7], [0.5, 0.6]])
IMPOSSIBLE = np.where(np.arange(4)[:, None] == 1, -np.inf, POSSIBLE)


def power_mean(v: np.ndarray, alpha: float) -> np.ndarray:
    """The definition of the Renyi bound over draws."""
    if alpha == 1:
        return v.mean(0)
    return (logsumexp((1 - alpha) * v, axis=0) - np.log(len(v))) / (1 - alpha)


@pytest.mark.parametrize("alpha", [-2.0, 0.0, 0.5, 1 - 1e-6, 1.0, 2.0])
@pytest.mark.parametrize("v", [POSSIBLE, IMPOSSIBLE, POSSIBLE - 1e4])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_power_means(v, alpha, dtype) -> None:
    found = Power(alpha).value(tf.constant(v, dtype))
    tolerance = 1e-6 if dtype == tf.float32 else 1e-9
    np.testing.assert_allclose(found, power_mean(v, alpha), rtol=tolerance)


@pytest.mark.parametrize("alpha", [-2.0, 0.0, 0.5, 1.0, 2.0])
def test_slopes_of_power_means(alpha) -> None:
    step = 1e-5
    once, twice = (s.numpy() for s in Power(alpha).slopes(tf.constant(POSSIBLE)))
    for s in range(4):
        shift = step * (np.arange(4) == s)[:, None]
        up, here, down = (
            power_mean(POSSIBLE + change, alpha) for change in (shift, 0, -shift)
        )
        first, second = (up - down) / (2 * step), (up - 2 * here + down) / step**2
        np.testing.assert_allclose(once[s], first, atol=1e-7)
        np.testing.assert_allclose(twice[s], first - second, atol=1e-4)


@pytest.mark.parametrize("weighting", [LogMeanExp(), Power(0.5)])
@pytest.mark.parametrize("v", [POSSIBLE, IMPOSSIBLE])
def test_what_a_bound_is_without_a_draw(weighting, v) -> None:
    found = _left_out(weighting, tf.constant(v))
    alpha = getattr(weighting, "alpha", 0.0)
    for s in range(4):
        others = np.delete(v, s, axis=0)
        replaced = np.concatenate([others, others.mean(0, keepdims=True)])
        np.testing.assert_allclose(found[s], power_mean(replaced, alpha), rtol=1e-9)
