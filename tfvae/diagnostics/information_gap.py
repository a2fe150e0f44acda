"""The mutual information gap."""

import dataclasses
from typing import Any

import numpy as np

from tfvae import _checks
from tfvae.diagnostics.factors import (
    check_codes_and_factors,
    classes,
    gaps,
    scikit_learn,
)

__all__ = ["MIG", "mig"]


@dataclasses.dataclass(frozen=True, eq=False)
class MIG:
    """The mutual information gap.

    Attributes:
        score: The mean gap, between 0 and 1.
        gaps: The gap of each factor as a share of its entropy, float64 [K].
        mutual_information: I(z_j; v_k), nats, float64 [D, K].
        entropy: H(v_k), nats, float64 [K].
    """

    score: float
    gaps: np.ndarray
    mutual_information: np.ndarray
    entropy: np.ndarray


def mig(codes: Any, factors: Any, num_bins: int = 20) -> MIG:
    """Measures whether each factor is known to one code element alone.

        MIG = 1/K sum_k (I(z_(1); v_k) - I(z_(2); v_k)) / H(v_k)

    z_(1) and z_(2) are the code elements that know most of the factor v_k; a lone code
    element has 0 for a second. Mutual information is that of the counts of `num_bins`
    bins of equal width between the least and the largest value. A factor of whole
    numbers is taken as classes, any other is cut into bins as well. The counts
    overestimate mutual information by about (bins - 1) (classes - 1) / (2 N), much the
    same for all code elements. A constant code element knows nothing.

    Args:
        codes: Code of each example [N, D], such as `diagnostics.codes(vae, x)`.
        factors: What made the examples [N, K]: whole numbers for classes, or numbers.
        num_bins: The number of bins, at least 2. Default: 20.

    Returns:
        The `MIG`.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If an argument is none of these.

    Example:
    >>> from tfvae import diagnostics
    >>> factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> round(diagnostics.mig(2.0 * factors - 1.0, factors).score, 6)
    1.0

    Reference: Chen et al., "Isolating sources of disentanglement in variational
    autoencoders", 2018, https://arxiv.org/abs/1802.04942.
    """
    num_bins = _checks.positive_int("num_bins", num_bins)
    if num_bins < 2:
        raise ValueError(f"`num_bins` must be at least 2. Received: {num_bins}.")
    codes, factors = check_codes_and_factors(codes, factors)
    information = scikit_learn("mig", "metrics").mutual_info_score
    cut = [_bins(code, num_bins) for code in codes.T]
    truth = []
    for factor in factors.T:
        labels = classes(factor)
        truth.append(_bins(factor, num_bins) if labels is None else labels)
    table = np.array([[information(code, v) for v in truth] for code in cut])
    entropy = np.array([information(v, v) for v in truth])
    shares = gaps(table) / entropy
    return MIG(float(shares.mean()), shares, table, entropy)


def _bins(values: np.ndarray, num_bins: int) -> np.ndarray:
    """The index of the bin of each value [N]."""
    edges = np.linspace(values.min(), values.max(), num_bins + 1)
    return np.digitize(values, edges[1:-1])
