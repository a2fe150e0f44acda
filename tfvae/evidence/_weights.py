"""What importance weights say of their mean and of its error, in float64.

Every function takes logarithms of weights [S, N] and returns [N]. They are divided by
the largest of each example first, so that weights of any size neither overflow nor
vanish together.
"""

import math

import numpy as np

__all__ = [
    "FEWEST",
    "effective_sample_size",
    "jackknife",
    "log_mean",
    "pareto_k",
    "pareto_k_limit",
    "standard_error",
]

_LEAST_TAIL = 5
"""The fewest weights that a tail is fitted to."""

FEWEST = 21
"""The fewest weights that have such a tail: a fifth of them, rounded up."""

_SMALLEST = 1e-270
"""Above the smallest float, so that its inverse is finite."""


def log_mean(log_weights: np.ndarray) -> np.ndarray:
    """The logarithm of the mean weight.

    log 1/S sum_s w_s
    """
    largest = np.max(log_weights, axis=0)
    with np.errstate(divide="ignore"):
        mean = np.mean(_relative(log_weights), axis=0)
        return np.where(np.isfinite(largest), largest + np.log(mean), largest)


def standard_error(log_weights: np.ndarray) -> np.ndarray:
    """The standard error of `log_mean` by the delta method.

    sd(w) / (sqrt(S) mean(w))
    """
    weights = _relative(log_weights)
    spread = np.std(weights, axis=0, ddof=1) / np.sqrt(len(weights))
    return spread / np.mean(weights, axis=0)


def effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    """The number of equal weights that would be as good.

    (sum_s w_s)^2 / sum_s w_s^2
    """
    weights = _relative(log_weights)
    return np.sum(weights, axis=0) ** 2 / np.sum(weights**2, axis=0)


def jackknife(log_weights: np.ndarray) -> np.ndarray:
    """The logarithm of the mean weight, corrected for its bias of order 1/S.

    S L - (S - 1) 1/S sum_s L_s,  L_s the log of the mean weight without w_s
    """
    count = len(log_weights)
    weights = _relative(log_weights)
    total = np.sum(weights, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        without = np.log(total) + np.log1p(-weights / total)
        # Where one weight is nearly all of the sum, the others are summed themselves.
        largest = np.argmax(log_weights, axis=0)[None]
        others = np.array(log_weights)
        np.put_along_axis(others, largest, -np.inf, axis=0)
        rest = log_mean(others) + np.log(count) - np.max(log_weights, axis=0)
        np.put_along_axis(without, largest, rest[None], axis=0)
        # S L - (S - 1) M  =  L + (S - 1) (L - M), without the large numbers.
        change = np.log(total) - without + np.log1p(-1 / count)
    return log_mean(log_weights) + (count - 1) * np.mean(change, axis=0)


def pareto_k(log_weights: np.ndarray) -> np.ndarray:
    """The shape of the generalised Pareto distribution that the largest weights follow.

    Weights have about 1 / k finite moments, and `pareto_k_limit` says up to which k
    their mean is to be trusted. The fit is to what the M = min(S/5, 3 sqrt(S)) largest
    weights exceed the next one by, with the weak prior at 1/2 that is usual.

    Returns:
        An array [N], NaN where fewer than five weights exceed the next one: too few
        samples, or weights that are equal.

    Reference: Zhang and Stephens, "A new and efficient estimation method for the
    generalized Pareto distribution", 2009, https://doi.org/10.1198/tech.2009.08017;
    Vehtari et al., "Pareto smoothed importance sampling", 2024,
    https://arxiv.org/abs/1507.02646.
    """
    count = len(log_weights)
    size = int(np.ceil(min(count / 5, 3 * np.sqrt(count))))
    found = np.full(log_weights.shape[1], np.nan)
    if count < FEWEST:
        return found
    largest = np.sort(log_weights, axis=0)[-size - 1 :]
    number = np.sum(largest[1:] > largest[0], axis=0)
    # Ties leave tails of several lengths.
    for length in np.unique(number[number >= _LEAST_TAIL]):
        columns = number == length
        weights = np.exp(largest[:, columns] - largest[-1, columns])
        # One that exceeds by less than any float does still count.
        excess = np.maximum(weights[-length:] - weights[0], _SMALLEST)
        found[columns] = _pareto_shape(excess)
    return found


def pareto_k_limit(count: int) -> float:
    """The largest k-hat at which the mean of `count` weights, above 1, is trusted.

    min(1 - 1 / log10(S), 0.7)

    Above the first S weights are too few, and above the second any practical number.

    Reference: Vehtari et al., "Pareto smoothed importance sampling", 2024,
    https://arxiv.org/abs/1507.02646.
    """
    return min(1 - 1 / math.log10(count), 0.7)


def _pareto_shape(excess: np.ndarray) -> np.ndarray:
    """Fits a generalised Pareto distribution to sorted columns [M, N]."""
    count, scale = len(excess), excess[-1]
    grid = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    steps = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = steps[:, None] / (3 * quartile) + 1 / scale
    k = np.stack([np.mean(np.log1p(-row * excess), axis=0) for row in b])
    with np.errstate(divide="ignore", invalid="ignore"):
        # Its limit is the exponential distribution.
        ratio = np.where(b == 0, 1 / np.mean(excess, axis=0), -b / k)
    log_likelihood = count * (np.log(ratio) - k - 1)
    weights = np.exp(log_likelihood - np.max(log_likelihood, axis=0))
    mean = np.sum(b * weights, axis=0) / np.sum(weights, axis=0)
    shape = np.mean(np.log1p(-mean * excess), axis=0)
    return (count * shape + 10 * 0.5) / (count + 10)


def _relative(log_weights: np.ndarray) -> np.ndarray:
    """Weights as shares of the largest; NaN where none is positive and finite."""
    largest = np.max(log_weights, axis=0)
    return np.exp(log_weights - np.where(np.isfinite(largest), largest, np.nan))
