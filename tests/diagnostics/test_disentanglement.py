"""Scores of disentanglement: codes whose scores are known, and scikit-learn's parts."""

import sys

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from tfvae.diagnostics import dci, mig, sap

METRICS = {"mig": mig, "sap": sap, "dci": dci}


def grid() -> np.ndarray:
    """Each combination of factors with 4, 3 and 2 classes, 20 times: [480, 3]."""
    table = np.stack(np.meshgrid(range(4), range(3), range(2)), -1).reshape(-1, 3)
    return np.tile(table, (20, 1))


def numbers(n: int = 1000) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(n, 2))


def test_a_perfect_code_of_classes() -> None:
    factors = grid()
    # Elements in another order, stretched and turned round, and one that is constant.
    codes = np.stack([-5.0 * factors[:, 2], factors[:, 0] + 0.1, 7 - factors[:, 1]], 1)
    codes = np.hstack([codes, np.full((len(codes), 1), 3.0)])
    assert mig(codes, factors).score == pytest.approx(1)
    assert mig(codes, factors).gaps == pytest.approx(np.ones(3))
    chance = np.array([1 / 4, 1 / 3, 1 / 2])
    separated = sap(codes, factors)
    assert separated.gaps == pytest.approx(1 - chance, abs=0.1)
    assert separated.predictability.max(axis=0) == pytest.approx(np.ones(3))
    assert separated.predictability[3] == pytest.approx(chance)
    result = dci(codes, factors)
    assert result.disentanglement == pytest.approx(1)
    assert result.completeness == pytest.approx(1)
    assert result.informativeness == pytest.approx(1)
    assert result.disentanglement_by_code[3] == 0
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert result.importance == pytest.approx(np.array(expected, float), abs=1e-12)


def test_a_perfect_code_of_numbers() -> None:
    factors = numbers()
    codes = np.stack([3 - 2 * factors[:, 1], factors[:, 0]], axis=1)
    assert mig(codes, factors).score > 0.9
    separated = sap(codes, factors)
    assert separated.predictability == pytest.approx(np.eye(2)[::-1], abs=0.01)
    assert separated.score == pytest.approx(1, abs=0.01)
    result = dci(codes, factors)
    assert result.disentanglement > 0.95
    assert result.completeness > 0.95
    assert result.informativeness > 0.99


def test_a_rotated_code_knows_all_and_separates_nothing() -> None:
    factors = numbers()
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    codes = (factors - 0.5) @ turn
    assert mig(codes, factors).score < 0.05
    assert sap(codes, factors).score < 0.1
    result = dci(codes, factors)
    assert result.disentanglement < 0.2
    assert result.completeness < 0.2
    assert result.informativeness > 0.95


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_random_code_scores_near_zero(kind) -> None:
    factors = grid() if kind == "classes" else numbers(480)
    codes = np.random.default_rng(0).normal(size=(480, 4))
    assert 0 <= mig(codes, factors).score < 0.03
    assert 0 <= sap(codes, factors).score < 0.1
    result = dci(codes, factors)
    assert result.informativeness < 0.15
    assert result.disentanglement < 0.2
    assert result.completeness < 0.2


def test_information_is_that_of_bins_counted_by_hand() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 200)
    number = generator.normal(size=200)
    codes = np.stack([labels + generator.normal(size=200), number**3], axis=1)
    factors = np.stack([labels, number], axis=1)
    result = mig(codes, factors, num_bins=5)

    def by_hand(values: np.ndarray) -> list[int]:
        width = (values.max() - values.min()) / 5
        return [min(int((v - values.min()) / width), 4) for v in values]

    for j in range(2):
        for k, truth in enumerate([list(labels), by_hand(number)]):
            expected = mutual_info_score(by_hand(codes[:, j]), truth)
            assert result.mutual_information[j, k] == pytest.approx(expected)
    shares = np.bincount(labels) / 200
    assert result.entropy[0] == pytest.approx(-(shares * np.log(shares)).sum())
    order = np.sort(result.mutual_information, axis=0)
    assert result.gaps == pytest.approx((order[1] - order[0]) / result.entropy)
    assert result.score == pytest.approx(result.gaps.mean())


def test_predictability_of_numbers_is_the_squared_correlation() -> None:
    generator = np.random.default_rng(4)
    factors = generator.normal(size=(50, 2))
    codes = factors @ generator.normal(size=(2, 3)) + generator.normal(size=(50, 3))
    result = sap(codes, factors)
    expected = np.corrcoef(codes.T, factors.T)[:3, 3:] ** 2
    assert result.predictability == pytest.approx(expected)


def test_thresholds_find_a_class_in_the_middle() -> None:
    # No linear score of the code ranks the middle class first.
    labels = np.tile([0, 1, 2], 60)
    codes = np.stack([labels, np.random.default_rng(0).normal(size=180)], axis=1)
    assert sap(codes, labels[:, None]).predictability[0, 0] == 1


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    # By majority all would be of class 0; balanced, a code of 1 says class 1.
    labels = np.repeat([0, 0, 1], [150, 30, 10])
    code = np.repeat([0.0, 1.0, 1.0], [150, 30, 10])
    expected = (150 / 180 + 1) / 2
    result = sap(code[:, None], labels[:, None])
    assert result.predictability[0, 0] == pytest.approx(expected, abs=0.06)


def test_classes_and_numbers_may_be_mixed() -> None:
    generator = np.random.default_rng(5)
    factors = np.stack([generator.integers(0, 2, 300), generator.uniform(size=300)], 1)
    result = sap(factors, factors)
    assert result.predictability[0, 0] == 1
    assert result.predictability[1, 1] == pytest.approx(1)
    scores = dci(factors, factors).informativeness_by_factor
    assert scores[0] == 1
    assert scores[1] > 0.99


def test_importances_of_two_codes_for_one_factor() -> None:
    # v = 2 a + b with a and b fair coins: variances 1 and 1/4, and nothing else.
    coins = np.stack(np.meshgrid([0, 1], [0, 1]), -1).reshape(-1, 2)
    coins = np.tile(coins, (100, 1))
    factor = (2 * coins[:, :1] + coins[:, 1:]) + 0.5
    result = dci(coins, factor)
    assert result.importance[:, 0] == pytest.approx([0.8, 0.2], abs=0.02)
    entropy = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.2))
    assert result.completeness == pytest.approx(1 - entropy, abs=0.05)
    # Of one factor there is nothing to separate.
    assert result.disentanglement == pytest.approx(1)
    assert result.informativeness == pytest.approx(1)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_constant_codes_and_a_lone_code(metric) -> None:
    factors = grid()
    constant = metric(np.ones((480, 3)), factors)
    lone = metric(factors[:, :1].astype(float), factors[:, :1])
    if metric is dci:
        assert constant.disentanglement == constant.completeness == 0
        assert constant.informativeness == pytest.approx(0)
        assert lone.disentanglement == lone.completeness == 1
    else:
        assert constant.score == pytest.approx(0)
        assert lone.score == pytest.approx(1)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_results_repeat(metric) -> None:
    factors = grid()
    codes = factors + np.random.default_rng(6).normal(size=(480, 3))
    first, second = metric(codes, factors), metric(codes, factors)
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(second, name))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_wrong_codes_and_factors(metric) -> None:
    factors = grid()
    codes = factors.astype(float)
    with pytest.raises(ValueError, match=r"`codes` .* \[480\].*`v\[:, None\]`"):
        metric(codes[:, 0], factors)
    with pytest.raises(ValueError, match=r"`factors` must have the shape"):
        metric(codes, factors[:, :0])
    with pytest.raises(ValueError, match="480 and 100 rows"):
        metric(codes, factors[:100])
    with pytest.raises(ValueError, match=r"at least two values.*columns \[1\]"):
        metric(codes, factors * [1, 0, 1])
    with pytest.raises(ValueError, match=r"`codes` must hold finite.*nan at \[0, 2\]"):
        metric(np.where(np.eye(480, 3, k=2) > 0, np.nan, codes), factors)
    with pytest.raises(ValueError, match="`factors` must hold real numbers"):
        metric(codes, np.array([["red"], ["blue"]] * 240))


@pytest.mark.parametrize("metric", [sap, dci])
def test_a_class_of_one_example(metric) -> None:
    factors = np.array([[0], [0], [0], [0], [7]])
    with pytest.raises(ValueError, match="one with the value 7"):
        metric(np.eye(5), factors)
    for test_size in (0, 1.0, "half"):
        with pytest.raises(ValueError, match="`test_size` must be"):
            metric(grid() * 1.0, grid(), test_size=test_size)


def test_a_share_that_leaves_a_class_out_is_refused() -> None:
    # A quarter of each class rounds to none of two examples.
    factors = np.repeat([3, 8], [98, 2])[:, None]
    codes = np.random.default_rng(0).normal(size=(100, 2))
    message = "`test_size` = 0.25 leaves diagnostics.dci no example with the value 8 to"
    with pytest.raises(ValueError, match=f"{message} judge on"):
        dci(codes, factors)
    assert np.isfinite(dci(codes, factors, test_size=0.5).informativeness)
    message = "leaves diagnostics.dci no two values of a factor to judge on"
    with pytest.raises(ValueError, match=message):
        dci(codes[:3], numbers(3))


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_predictability_of_numbers_in_any_unit(unit) -> None:
    factors = numbers(50)
    codes = factors + np.random.default_rng(2).normal(size=(50, 2))
    expected = sap(codes, factors).predictability
    assert sap(unit * codes, factors).predictability == pytest.approx(expected)


def test_other_wrong_arguments() -> None:
    factors = grid()
    for num_bins in (1, 2.5):
        with pytest.raises(ValueError, match="`num_bins` must be"):
            mig(factors, factors, num_bins=num_bins)
    with pytest.raises(ValueError, match="`num_trees` must be"):
        dci(factors, factors, num_trees=0)


@pytest.mark.parametrize(("name", "metric"), METRICS.items(), ids=METRICS)
def test_without_scikit_learn(name, metric, monkeypatch) -> None:
    for module in ("metrics", "model_selection", "tree", "ensemble"):
        monkeypatch.setitem(sys.modules, f"sklearn.{module}", None)
    message = rf"diagnostics.{name} needs scikit-learn: .*'tfvae\[metrics\]'"
    with pytest.raises(ImportError, match=message):
        metric(grid() * 1.0, grid())
