"""How good a classification or a segmentation is.

Accuracy, F1, the Brier score and the reliability curve are scikit-learn's; the AUC, the expected
calibration error and the decision curve are short and tested against scikit-learn or known values.
Wilson's interval of a share is here; bootstrap intervals are in :mod:`MRNLib.bootstrap`, DeLong's
interval and test in :mod:`MRNLib.delong`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MRNLib.errors import InputError

Metric = Callable[[NDArray[np.int64], NDArray[np.float64]], float]


# Of each class: what an interval from fewer cases says is not worth printing.
FEWEST = 5


def areas_under_curve(labels: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Areas under the ROC curve by ranks, ties counted half; NaN with one class only.

    scikit-learn's takes one curve at a time, which for the bootstrap's thousand draws of each of
    some forty rows is a minute instead of a second; the values are the same (tested).

    Args:
        labels: 0 or 1 for each patient, ``[patients]``.
        scores: Higher means class 1, ``[..., patients]``.

    Returns:
        ``[...]``, one area for each row of scores.
    """
    from scipy.stats import rankdata

    values = np.asarray(scores, np.float64)
    positive = np.asarray(labels) == 1
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return np.full(values.shape[:-1], np.nan)
    ranks = rankdata(values, axis=-1)[..., positive].sum(axis=-1)
    return (ranks - count * (count + 1) / 2) / (count * others)


def area_under_curve(labels: ArrayLike, scores: ArrayLike) -> float:
    """:func:`areas_under_curve` of one classifier."""
    return float(areas_under_curve(labels, scores))


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> float:
    """Expected calibration error with equal-width bins (Guo et al. 2017, eq. 3).

    Args:
        labels: 0 or 1 for each patient.
        probabilities: Probability of 1 for each patient.
        bins: Number of bins over [0, 1]; the last one includes 1.
    """
    truth = np.asarray(labels, float)
    predicted = np.asarray(probabilities, float)
    index = np.minimum((predicted * bins).astype(int), bins - 1)
    error = 0.0
    for one in range(bins):
        inside = index == one
        if inside.any():
            gap = abs(truth[inside].mean() - predicted[inside].mean())
            error += inside.mean() * float(gap)
    return error


def _at_half(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    return (probabilities >= 0.5).astype(np.int64)


def classification_metrics() -> Mapping[str, Metric]:
    """The measures of a probability against a diagnosis, by name; accuracy and the like at .5."""
    from sklearn import metrics

    return {
        "auc": area_under_curve,
        "accuracy": lambda y, p: float(metrics.accuracy_score(y, _at_half(p))),
        "f1": lambda y, p: float(metrics.f1_score(y, _at_half(p), average="macro")),
        "sensitivity": lambda y, p: float(metrics.recall_score(y, _at_half(p), zero_division=0)),
        "specificity": lambda y, p: float(
            metrics.recall_score(y, _at_half(p), pos_label=0, zero_division=0)
        ),
        "brier": lambda y, p: float(metrics.brier_score_loss(y, p)),
        "ece": expected_calibration_error,
    }


def proportion(hits: int, of: int) -> tuple[float, float, float]:
    """A share with Wilson's 95 % interval, which holds for few cases and at 0 and 1 too."""
    from scipy.stats import binomtest

    interval = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    return hits / of, float(interval.low), float(interval.high)


@dataclass(frozen=True)
class ReliabilityCurve:
    """What came true of what was said, in equal-width bins; empty bins are left out.

    Attributes:
        predicted: Mean probability of a bin's patients.
        observed: Share of them that have class 1.
        patients: How many they are.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    patients: NDArray[np.int64]


def reliability_curve(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> ReliabilityCurve:
    """scikit-learn's calibration curve with the number of patients of each point.

    Args:
        labels: 0 or 1 for each patient.
        probabilities: Probability of 1 for each patient.
        bins: Number of equal bins over [0, 1].
    """
    from sklearn.calibration import calibration_curve

    predicted = np.asarray(probabilities, np.float64)
    observed, said = calibration_curve(np.asarray(labels), predicted, n_bins=bins)
    inner = np.linspace(0.0, 1.0, bins + 1)[1:-1]  # its own bins: (low, high]
    counts = np.bincount(np.searchsorted(inner, predicted), minlength=bins)
    return ReliabilityCurve(said, observed, counts[counts > 0])


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit in true positives per patient, against treating everybody; nobody is 0.

    Attributes:
        thresholds: Probabilities from which on a patient would be treated.
        model: Net benefit of following the model.
        everybody: Net benefit of treating all patients.
    """

    thresholds: NDArray[np.float64]
    model: NDArray[np.float64]
    everybody: NDArray[np.float64]


def decision_curve(
    labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike | None = None
) -> DecisionCurve:
    """Net benefit over thresholds (Vickers & Elkin 2006, Med Decis Making 26, 565).

    A false positive costs ``t / (1 - t)`` true positives, the rate at which somebody who treats
    from probability ``t`` on exchanges them. The prevalence is that of ``labels``.

    Args:
        labels: 0 or 1 for each patient.
        probabilities: Probability of 1 for each patient.
        thresholds: Inside (0, 1); .01 to .99 if not given.

    Raises:
        InputError: A threshold outside (0, 1).
    """
    truth = np.asarray(labels, np.int64) == 1
    predicted = np.asarray(probabilities, np.float64)
    points = np.linspace(0.01, 0.99, 99) if thresholds is None else np.asarray(thresholds, float)
    if points.size == 0 or points.min() <= 0 or points.max() >= 1:
        raise InputError("a threshold of a decision curve must lie between 0 and 1")
    odds = points / (1 - points)
    treated = predicted[None] >= points[:, None]
    benefit = (treated & truth).mean(axis=1) - (treated & ~truth).mean(axis=1) * odds
    return DecisionCurve(points, benefit, truth.mean() - (~truth).mean() * odds)


def dice(first: ArrayLike, second: ArrayLike) -> float:
    """Dice overlap of two boolean masks of one shape; NaN when both are empty."""
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    total = int(one.sum()) + int(two.sum())
    return float("nan") if total == 0 else 2.0 * int((one & two).sum()) / total


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Temperature that minimises the negative log-likelihood (Guo et al. 2017).

    Args:
        logits: Difference of the PD and HC logits, shape ``[folds, patients]`` (or ``[patients]``):
            fold probabilities at one common temperature are averaged, as in a diagnosis.
        labels: 0 or 1 for each patient.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import expit

    differences = np.atleast_2d(np.asarray(logits, float))
    truth = np.asarray(labels, float)

    def loss(log_temperature: float) -> float:
        mean = expit(differences / np.exp(log_temperature)).mean(axis=0)
        mean = np.clip(mean, 1e-7, 1 - 1e-7)
        return float(-(truth * np.log(mean) + (1 - truth) * np.log1p(-mean)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))
