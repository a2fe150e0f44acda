"""The separated attribute predictability."""

import dataclasses
from typing import Any

import numpy as np

from tfvae.diagnostics.factors import check_codes_and_factors, gaps, scikit_learn
from tfvae.diagnostics.prediction import Split, balanced_accuracy, split

__all__ = ["SAP", "sap"]


@dataclasses.dataclass(frozen=True, eq=False)
class SAP:
    """The separated attribute predictability.

    Attributes:
        score: The mean gap, between 0 and 1.
        gaps: The gap of each factor, float64 [K].
        predictability: How well z_j alone predicts v_k, float64 [D, K].
    """

    score: float
    gaps: np.ndarray
    predictability: np.ndarray


def sap(codes: Any, factors: Any, test_size: float = 0.5, seed: int = 0) -> SAP:
    """Measures whether one code element predicts each factor better than the others.

        SAP = 1/K sum_k (S_(1)k - S_(2)k)

        S_jk = Cov(z_j, v_k)^2 / (Var z_j Var v_k)        for numbers
        S_jk = balanced accuracy of thresholds on z_j     for classes

    S_(1)k and S_(2)k are the two largest scores of the factor v_k; a lone code element
    has 0 for a second. A factor of whole numbers is taken as classes. The thresholds,
    one less than there are classes, are those of a decision tree with balanced classes;
    its accuracy, the mean over classes, is that on examples held out. A constant code
    element has 0 for numbers and for C classes 1 / C, which is chance.

    Args:
        codes: Code of each example [N, D], such as `diagnostics.codes(vae, x)`.
        factors: What made the examples [N, K]: whole numbers for classes, or numbers.
        test_size: The share of examples held out, in (0, 1). Default: 0.5.
        seed: An int that fixes which they are. Default: 0.

    Returns:
        The `SAP`.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If an argument is none of these, or a class has one example alone.

    Example:
    >>> from tfvae import diagnostics
    >>> factors = np.arange(40.0)[:, None] / 7
    >>> codes = np.hstack([3.0 * factors, np.ones((40, 1))])
    >>> round(diagnostics.sap(codes, factors).score, 6)
    1.0

    Reference: Kumar, Sattigeri and Balakrishnan, "Variational inference of
    disentangled latent concepts from unlabeled observations", 2018,
    https://arxiv.org/abs/1711.00848.
    """
    codes, factors = check_codes_and_factors(codes, factors)
    columns = []
    for factor in factors.T:
        examples = split("sap", factor, test_size, seed)
        if examples.num_classes is None:
            columns.append([_squared_correlation(code, factor) for code in codes.T])
        else:
            columns.append([_accuracy(code, examples, seed) for code in codes.T])
    scores = np.array(columns).T
    shares = gaps(scores)
    return SAP(float(shares.mean()), shares, scores)


def _squared_correlation(code: np.ndarray, factor: np.ndarray) -> float:
    code, factor = _standardised(code), _standardised(factor)
    return float(np.mean(code * factor) ** 2)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Values [N] with the mean 0 and the variance 1, or zeros if they are all equal."""
    largest = np.abs(values).max()
    # Squares of what is far from 1 are not numbers.
    values = values / largest if largest > 0 else values
    values = values - values.mean()
    deviation = values.std()
    return values / deviation if deviation > 0 else np.zeros_like(values)


def _accuracy(code: np.ndarray, examples: Split, seed: int) -> float:
    tree = scikit_learn("sap", "tree").DecisionTreeClassifier(
        max_leaf_nodes=examples.num_classes, class_weight="balanced", random_state=seed
    )
    fitted, held_out, target = examples.fitted, examples.held_out, examples.target
    tree.fit(code[fitted, None], target[fitted])
    return balanced_accuracy(target[held_out], tree.predict(code[held_out, None]))
