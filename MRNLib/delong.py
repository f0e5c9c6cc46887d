"""DeLong's variance of the area under a ROC curve, and his test of two curves on the same patients.

DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44, 837), by ranks as in Sun & Xu 2014 (IEEE
Signal Processing Letters 21, 1389), which is O(n log n) instead of O(positives x negatives). No
library of this project has it: scikit-learn and scipy know the area without its variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MRNLib.errors import InputError

FEWEST = 2  # of each class: a variance needs two
_ZERO = 1e-12  # rounding: the same order of patients, or two curves without any spread


@dataclass(frozen=True)
class AucComparison:
    """Two correlated AUCs.

    Attributes:
        difference: The first AUC minus the second.
        low: Lower end of the difference's 95 % interval.
        high: Its upper end.
        z: The difference over its standard error; NaN where that is 0 and the difference is not.
        p: Two-sided p value; 1 for two curves of the same order, NaN where ``z`` is.
    """

    difference: float
    low: float
    high: float
    z: float
    p: float


def auc_covariance(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUCs of one or more classifiers on the same patients, and their covariance.

    Args:
        labels: 0 or 1 for each patient, ``[patients]``.
        scores: Higher means class 1, ``[classifiers, patients]``; ties count half.

    Returns:
        AUCs ``[classifiers]`` and covariance ``[classifiers, classifiers]``.

    Raises:
        InputError: Fewer than two patients of a class, or a score that is no number.
    """
    from scipy.stats import rankdata

    truth = np.asarray(labels, np.int64)
    values = np.atleast_2d(np.asarray(scores, np.float64))
    _check(truth, values)
    positive, negative = values[:, truth == 1], values[:, truth == 0]
    m, n = positive.shape[1], negative.shape[1]
    together = rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    # Of each positive the share of negatives below it, and of each negative of positives above it;
    # the mean of either is the AUC, which falls out here (tested to be that of MRNLib.metrics).
    below = (together[:, :m] - rankdata(positive, axis=1)) / n
    above = 1.0 - (together[:, m:] - rankdata(negative, axis=1)) / m
    covariance = np.atleast_2d(np.cov(below)) / m + np.atleast_2d(np.cov(above)) / n
    return below.mean(axis=1), covariance


def auc_interval(
    labels: ArrayLike, scores: ArrayLike, level: float = 0.95
) -> tuple[float, float, float]:
    """``(AUC, low, high)``: an interval on the logit scale from DeLong's variance.

    A perfect order of the patients has no variance, and no interval could be told from certainty.
    The largest that the variance can be, AUC (1 - AUC) / fewer of both classes (van Dantzig 1951;
    Birnbaum & Klose 1957), takes its place there, in Wilson's interval of that many patients.

    Raises:
        InputError: As for :func:`auc_covariance`.
    """
    from scipy.special import expit, logit

    aucs, covariance = auc_covariance(labels, scores)
    area, variance, z = float(aucs[0]), float(covariance[0, 0]), _quantile(level)
    if variance < _ZERO:
        fewest = int(np.bincount(np.asarray(labels, np.int64)).min())
        middle = (area + z**2 / (2 * fewest)) / (1 + z**2 / fewest)
        spread = area * (1 - area) / fewest + z**2 / (4 * fewest**2)
        half = z * float(np.sqrt(spread)) / (1 + z**2 / fewest)
        return area, max(0.0, middle - half), min(1.0, middle + half)
    half = z * float(np.sqrt(variance)) / (area * (1 - area))
    return area, float(expit(logit(area) - half)), float(expit(logit(area) + half))


def compare_aucs(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> AucComparison:
    """DeLong's test of two classifiers on the same patients.

    Args:
        labels: 0 or 1 for each patient.
        first: Scores of one classifier; any monotone scale.
        second: Scores of the other.

    Raises:
        InputError: As for :func:`auc_covariance`.
    """
    from scipy.stats import norm

    scores = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    aucs, covariance = auc_covariance(labels, scores)
    difference = float(aucs[0] - aucs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = float(np.sqrt(max(variance, 0.0)))
    z = difference / error if error > _ZERO else 0.0 if abs(difference) < _ZERO else float("nan")
    half = _quantile(0.95) * error
    return AucComparison(
        difference, difference - half, difference + half, z, float(2 * norm.sf(abs(z)))
    )


def _quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + level / 2))


def _check(truth: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    if values.shape[1] != truth.size:
        raise InputError(f"{truth.size} labels for {values.shape[1]} scores")
    fewest = min(int((truth == 1).sum()), int((truth == 0).sum()))
    if fewest < FEWEST:
        raise InputError(
            f"{fewest} patients of one class are too few to compare ROC curves",
            expected=f"{FEWEST} or more of each class, HC and PD",
        )
    if not np.isfinite(values).all():
        raise InputError("a score is not a finite number")
