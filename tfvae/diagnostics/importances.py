"""Disentanglement, completeness and informativeness."""

import dataclasses
import math
from typing import Any

import numpy as np

from tfvae import _checks
from tfvae.diagnostics.factors import check_codes_and_factors, scikit_learn
from tfvae.diagnostics.prediction import Split, balanced_accuracy, split

__all__ = ["DCI", "dci"]


@dataclasses.dataclass(frozen=True, eq=False)
class DCI:
    """Disentanglement, completeness and informativeness.

    Attributes:
        disentanglement: Whether a code element is important for one factor alone, in
            [0, 1].
        completeness: Whether one code element alone is important for a factor, in
            [0, 1].
        informativeness: How well the codes predict the factors, at most 1; 0 is
            chance.
        disentanglement_by_code: D_j of each code element, float64 [D].
        completeness_by_factor: C_k of each factor, float64 [K].
        informativeness_by_factor: I_k of each factor, float64 [K].
        importance: R_jk, float64 [D, K]; those of a factor add up to 1
            unless all are 0.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    disentanglement_by_code: np.ndarray
    completeness_by_factor: np.ndarray
    informativeness_by_factor: np.ndarray
    importance: np.ndarray


def dci(
    codes: Any,
    factors: Any,
    num_trees: int = 50,
    test_size: float = 0.25,
    seed: int = 0,
) -> DCI:
    """Measures which code elements a prediction of each factor relies on.

        D_j = 1 - H_K(R_j. / sum_k R_jk),   disentanglement = sum_j w_j D_j
        C_k = 1 - H_D(R_.k / sum_j R_jk),   completeness = mean_k C_k

    R_jk is the importance of z_j for v_k in a random forest that sees all codes (the
    share of the impurity that splits on z_j remove), H_K the entropy to the base K, and
    w_j = sum_k R_jk / sum_jk R_jk. What nothing relies on counts as 0; with a single
    factor every used code element has D_j = 1, with a single code element C_k = 1.

    Informativeness is that of the forest on examples held out. For numbers it is
    R^2 = 1 - error^2 / variance, for C classes (A - 1/C) / (1 - 1/C) with A the mean
    over classes of the share of right predictions: 1 is perfect, 0 is chance. (The
    paper gives the error itself.) A factor of whole numbers is taken as classes.

    Args:
        codes: Code of each example [N, D], such as `diagnostics.codes(vae, x)`.
        factors: What made the examples [N, K]: whole numbers for classes, or numbers.
        num_trees: Trees in each of the K forests. Default: 50.
        test_size: The share of examples held out, in (0, 1). Default: 0.25.
        seed: An int that fixes which they are, and the forests. Default: 0.

    Returns:
        The `DCI`.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If an argument is none of these, or a class has one example alone.

    Example:
    >>> from tfvae import diagnostics
    >>> factors = np.stack([np.repeat([0, 1], 20), np.tile([0, 1], 20)], axis=1)
    >>> result = diagnostics.dci(factors * [1.0, -3.0], factors)
    >>> result.disentanglement, result.completeness, result.informativeness
    (1.0, 1.0, 1.0)

    Reference: Eastwood and Williams, "A framework for the quantitative evaluation of
    disentangled representations", 2018, https://openreview.net/forum?id=By-7dz-AZ.
    """
    num_trees = _checks.positive_int("num_trees", num_trees)
    codes, factors = check_codes_and_factors(codes, factors)
    columns, informativeness = [], []
    for factor in factors.T:
        examples = split("dci", factor, test_size, seed)
        importance, score = _forest(codes, examples, num_trees, seed)
        columns.append(importance)
        informativeness.append(score)
    importance = np.array(columns).T
    by_code, by_factor = _concentration(importance), _concentration(importance.T)
    total = importance.sum()
    weighted = (importance.sum(axis=1) * by_code).sum()
    return DCI(
        disentanglement=float(weighted / total) if total > 0 else 0.0,
        completeness=float(by_factor.mean()),
        informativeness=float(np.mean(informativeness)),
        disentanglement_by_code=by_code,
        completeness_by_factor=by_factor,
        informativeness_by_factor=np.array(informativeness),
        importance=importance,
    )


def _forest(
    codes: np.ndarray, examples: Split, num_trees: int, seed: int
) -> tuple[np.ndarray, float]:
    """Importances [D] of a forest for one factor, and its score where it is unseen."""
    ensemble = scikit_learn("dci", "ensemble")
    # All codes at each split: a forest that must split on noise finds it important.
    options = {"n_estimators": num_trees, "max_features": None, "random_state": seed}
    fitted, held_out = examples.fitted, examples.held_out
    truth, size = examples.target[held_out], examples.num_classes
    if size is None:
        forest = ensemble.RandomForestRegressor(**options)
    else:
        forest = ensemble.RandomForestClassifier(class_weight="balanced", **options)
    forest.fit(codes[fitted], examples.target[fitted])
    predicted = forest.predict(codes[held_out])
    if size is None:
        score = 1 - np.mean((predicted - truth) ** 2) / truth.var()
    else:
        chance = 1 / len(np.unique(truth))
        score = (balanced_accuracy(truth, predicted) - chance) / (1 - chance)
    return forest.feature_importances_, float(score)


def _concentration(importance: np.ndarray) -> np.ndarray:
    """One less the entropy of each row [m, n], to the base n; 0 for rows of zeros."""
    totals = importance.sum(axis=1, keepdims=True)
    used = totals[:, 0] > 0
    if importance.shape[1] == 1:
        return used.astype(np.float64)
    shares = importance / np.where(totals > 0, totals, 1)
    logs = np.log(np.where(shares > 0, shares, 1))
    entropy = -(shares * logs).sum(axis=1) / math.log(importance.shape[1])
    return np.where(used, 1 - entropy, 0.0)
