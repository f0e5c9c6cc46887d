"""DeLong's variance and test against the O(mn) definition, another library, and coverage.

Beyond these tests the module gave pROC's own figures on its aSAH data (113 patients, wfns against
s100b: Z = 2.20898359144091, p = 0.0271757822291882), which stay out because the data are GPL.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from MRNLib.delong import auc_covariance, auc_interval, compare_aucs
from MRNLib.errors import InputError
from MRNLib.metrics import areas_under_curve, proportion


def naive(labels, scores):
    """Eq. 1 to 6 of DeLong 1988, pair by pair."""
    positives = [k for k, label in enumerate(labels) if label == 1]
    negatives = [k for k, label in enumerate(labels) if label == 0]
    m, n, count = len(positives), len(negatives), len(scores)

    def psi(x, y):
        return 1.0 if y < x else 0.5 if y == x else 0.0

    v10 = [[sum(psi(s[i], s[j]) for j in negatives) / n for i in positives] for s in scores]
    v01 = [[sum(psi(s[i], s[j]) for i in positives) / m for j in negatives] for s in scores]
    areas = [sum(values) / m for values in v10]
    covariance = np.zeros((count, count))
    for r in range(count):
        for s in range(count):
            s10 = sum((v10[r][i] - areas[r]) * (v10[s][i] - areas[s]) for i in range(m)) / (m - 1)
            s01 = sum((v01[r][j] - areas[r]) * (v01[s][j] - areas[s]) for j in range(n)) / (n - 1)
            covariance[r, s] = s10 / m + s01 / n
    return areas, covariance


def drawn(seed, patients=60, ties=False):
    rng = np.random.default_rng(seed)
    labels = np.append([0, 0, 1, 1], rng.integers(0, 2, patients - 4))
    common = rng.normal(0, 1, patients) + labels
    scores = np.stack([common + rng.normal(0, 1, patients) for _ in range(3)])
    return labels, np.round(scores, 0 if ties else 9)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_ranks_give_the_definition_pair_by_pair(seed, ties):
    labels, scores = drawn(seed, ties=ties)
    areas, covariance = auc_covariance(labels, scores)
    wanted_areas, wanted = naive(labels, scores)
    assert areas == pytest.approx(wanted_areas, abs=1e-12)
    assert covariance == pytest.approx(wanted, abs=1e-12)
    assert areas == pytest.approx([roc_auc_score(labels, one) for one in scores], abs=1e-12)
    assert areas == pytest.approx(areas_under_curve(labels, scores), abs=1e-12)


def test_an_interval_by_hand():
    # Shares of negatives below each positive: 1, 1/2; of positives above each negative: 1, 1/2.
    # Both variances are 1/8, so the AUC of 3/4 has the variance 1/8 / 2 + 1/8 / 2.
    area, low, high = auc_interval([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert area == 0.75
    half = norm.ppf(0.975) * np.sqrt(1 / 8) / (0.75 * 0.25)
    assert low == pytest.approx(1 / (1 + np.exp(half) / 3), abs=1e-12)  # odds 3 to 1, e^half less
    assert high == pytest.approx(1 / (1 + np.exp(-half) / 3), abs=1e-12)


@pytest.mark.parametrize(("healthy", "ill"), [(10, 10), (10, 400), (400, 10)])
def test_a_perfect_order_has_the_interval_of_a_perfect_share(healthy, ill):
    labels = [0] * healthy + [1] * ill
    assert auc_interval(labels, range(len(labels))) == pytest.approx(proportion(10, 10), abs=1e-9)
    turned = auc_interval(labels, range(0, -len(labels), -1))
    assert turned == pytest.approx(proportion(0, 10), abs=1e-9)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Near 1 and with few patients, where the interval that is not on the logit scale is short."""
    truth, random = norm.cdf(2.0 / np.sqrt(2)), np.random.default_rng(0)
    labels = np.repeat([0, 1], 15)
    held = 0
    for _ in range(1000):
        _, low, high = auc_interval(labels, random.normal(2.0 * labels, 1.0))
        held += low <= truth <= high
    assert held / 1000 == pytest.approx(0.95, abs=0.025)


# pauc 0.2.2 (PyPI, MIT), roc(...) and compare(..., method="delong"), on `drawn(0)`'s data.
PAUC = {"variance": 0.003499585967786491, "z": -0.5949893446371946, "p": 0.5518505935120321}


def test_the_same_as_another_library():
    labels, scores = drawn(0)
    _, covariance = auc_covariance(labels, scores[:1])
    assert covariance[0, 0] == pytest.approx(PAUC["variance"], rel=1e-9)
    found = compare_aucs(labels, scores[0], scores[1])
    assert found.z == pytest.approx(PAUC["z"], rel=1e-9)
    assert found.p == pytest.approx(PAUC["p"], rel=1e-9)


def test_the_test_is_symmetric_and_blind_to_monotone_scales():
    labels, (first, second, _) = drawn(5)
    there, back = compare_aucs(labels, first, second), compare_aucs(labels, second, first)
    assert there.z == pytest.approx(-back.z)
    assert there.p == pytest.approx(back.p)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert compare_aucs(labels, np.exp(first), 3 * second).z == pytest.approx(there.z)


def test_one_order_is_no_difference():
    labels, scores = drawn(6)
    found = compare_aucs(labels, scores[0], 2 * scores[0] + 1)
    assert (found.difference, found.p) == (0.0, 1.0)


def test_a_difference_without_spread_has_no_p():
    labels = [0, 0, 0, 1, 1, 1]
    found = compare_aucs(labels, [1, 2, 3, 4, 5, 6], [0] * 6)
    assert found.difference == 0.5
    assert np.isnan(found.p)


def test_equal_classifiers_are_called_different_five_times_in_a_hundred():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    called = 0
    for _ in range(1000):
        common = rng.normal(0, 1, 100) + 1.2 * labels
        first, second = common + rng.normal(0, 1, (2, 100))
        called += compare_aucs(labels, first, second).p < 0.05
    # 3 binomial standard errors around .05, and a little for the normal approximation.
    assert 0.03 < called / 1000 < 0.075


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([0, 0, 1], [1, 2, 3], "too few to compare"),
        ([0, 0, 0, 0], [1, 2, 3, 4], "0 patients of one class"),
        ([0, 0, 1, 1], [1, 2, 3], "4 labels for 3 scores"),
        ([0, 0, 1, 1], [1, 2, 3, float("nan")], "not a finite number"),
    ],
)
def test_what_cannot_be_compared_is_refused(labels, scores, said):
    with pytest.raises(InputError, match=said):
        auc_interval(labels, scores)
