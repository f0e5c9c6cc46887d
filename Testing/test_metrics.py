"""The measures against naive references and published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from MRNLib import metrics
from MRNLib.errors import InputError


def naive_ece(labels, probabilities, bins):
    total = 0.0
    for one in range(bins):
        low, high = one / bins, (one + 1) / bins
        chosen = [
            (y, p)
            for y, p in zip(labels, probabilities, strict=True)
            if low <= p < high or (one == bins - 1 and p == 1.0)
        ]
        if chosen:
            share = len(chosen) / len(labels)
            truth = sum(y for y, _ in chosen) / len(chosen)
            said = sum(p for _, p in chosen) / len(chosen)
            total += share * abs(truth - said)
    return total


def test_expected_calibration_error_equals_a_naive_loop():
    rng = np.random.default_rng(0)
    probabilities = np.append(rng.random(300), [0.0, 1.0])
    labels = rng.integers(0, 2, len(probabilities))
    found = metrics.expected_calibration_error(labels, probabilities)
    assert found == pytest.approx(naive_ece(labels, probabilities, 10), abs=1e-12)


def test_expected_calibration_error_by_hand():
    # Ten patients told .75 of whom half are ill: off by .25.
    assert metrics.expected_calibration_error([0, 1] * 5, [0.75] * 10) == pytest.approx(0.25)


def test_classification_metrics_by_hand():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([0.1, 0.6, 0.4, 0.9])
    found = {k: f(labels, probabilities) for k, f in metrics.classification_metrics().items()}
    assert found["auc"] == 0.75
    assert found["accuracy"] == 0.5
    assert found["sensitivity"] == 0.5
    assert found["specificity"] == 0.5
    assert found["f1"] == 0.5
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)


def test_a_classifier_that_always_says_pd_has_the_papers_f1_of_one_third():
    # Table 2: a collapsed model on a balanced set has accuracy 50 % and F1 33.3 %.
    labels = np.repeat([0, 1], 50)
    found = metrics.classification_metrics()["f1"](labels, np.ones(100))
    assert found == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("labels", "scores", "wanted"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([0, 1], [0.2, 0.9], 1.0),
    ],
)
def test_area_under_curve_by_hand(labels, scores, wanted):
    assert metrics.area_under_curve(labels, scores) == pytest.approx(wanted)


@pytest.mark.parametrize("decimals", [9, 1])
def test_area_under_curve_is_scikit_learns(decimals):
    rng = np.random.default_rng(5)
    labels = np.append([0, 1], rng.integers(0, 2, 60))
    scores = np.round(rng.random((4, 62)), decimals)
    wanted = [roc_auc_score(labels, one) for one in scores]
    assert metrics.areas_under_curve(labels, scores) == pytest.approx(wanted, abs=1e-12)


def test_one_class_has_no_area_under_curve():
    assert np.isnan(metrics.area_under_curve([1, 1], [0.2, 0.3]))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [([1, 1, 0, 0], [1, 0, 0, 0], 2 / 3), ([1, 0], [0, 1], 0.0), ([1, 1], [1, 1], 1.0)],
)
def test_dice_by_hand(first, second, expected):
    assert metrics.dice(first, second) == pytest.approx(expected)


def test_dice_of_two_empty_masks_is_not_a_number():
    assert np.isnan(metrics.dice([0, 0], [0, 0]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_recovered_from_logits_that_were_scaled_by_it(temperature):
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 2, 40_000)
    labels = rng.random(len(honest)) < expit(honest)
    found = metrics.fit_temperature(honest * temperature, labels)
    assert found == pytest.approx(temperature, rel=0.05)


def test_reliability_by_hand():
    # Bins of width .5: {.1, .5} with no PD, {.6, .9, 1} with two of three.
    found = metrics.reliability_curve([0, 0, 1, 0, 1], [0.1, 0.5, 0.6, 0.9, 1.0], bins=2)
    assert found.predicted == pytest.approx([0.3, 2.5 / 3])
    assert found.observed == pytest.approx([0.0, 2 / 3])
    assert found.patients.tolist() == [2, 3]


def test_reliability_points_have_all_patients_and_the_calibration_error():
    rng = np.random.default_rng(3)
    probabilities = rng.random(500)
    labels = rng.random(500) < probabilities**2
    found = metrics.reliability_curve(labels, probabilities)
    assert found.patients.sum() == 500
    gaps = np.abs(found.observed - found.predicted)
    error = float((gaps * found.patients).sum() / 500)
    assert error == pytest.approx(metrics.expected_calibration_error(labels, probabilities))


def test_empty_bins_are_left_out():
    found = metrics.reliability_curve([0, 1, 1], [0.05, 0.95, 0.97])
    assert found.patients.tolist() == [1, 2]


def test_net_benefit_by_hand():
    # At .5: two true and one false positive of five; at .2: two and two, each costing a quarter.
    found = metrics.decision_curve([1, 1, 0, 0, 0], [0.9, 0.5, 0.7, 0.2, 0.1], [0.2, 0.5])
    assert found.model == pytest.approx([2 / 5 - 2 / 5 * 0.25, 2 / 5 - 1 / 5])
    assert found.everybody == pytest.approx([2 / 5 - 3 / 5 * 0.25, 2 / 5 - 3 / 5])


def test_net_benefit_of_honest_uniform_probabilities_has_a_closed_form():
    # p ~ U(0, 1), PD with chance p: integral of p - (1 - p) t / (1 - t) over p >= t = (1 - t) / 2.
    rng = np.random.default_rng(4)
    probabilities = rng.random(200_000)
    labels = rng.random(len(probabilities)) < probabilities
    thresholds = np.array([0.1, 0.3, 0.5, 0.7])
    found = metrics.decision_curve(labels, probabilities, thresholds)
    assert found.model == pytest.approx((1 - thresholds) / 2, abs=0.006)
    everybody = 0.5 - 0.5 * thresholds / (1 - thresholds)
    assert found.everybody == pytest.approx(everybody, abs=0.012)


def test_a_threshold_outside_is_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        metrics.decision_curve([0, 1], [0.2, 0.8], [0.5, 1.0])


def test_wilsons_interval_holds_at_the_ends():
    assert metrics.proportion(10, 10) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-3)
    assert metrics.proportion(0, 3)[2] > 0.5
