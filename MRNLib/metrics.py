"""How good a classification or a segmentation is, with intervals.

AUC, accuracy, F1 and the Brier score are scikit-learn's; the expected calibration error and the
bootstrap are short and tested against known values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MRNLib.errors import InputError

Metric = Callable[[NDArray[np.int64], NDArray[np.float64]], float]


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
        "auc": lambda y, p: float(metrics.roc_auc_score(y, p)),
        "accuracy": lambda y, p: float(metrics.accuracy_score(y, _at_half(p))),
        "f1": lambda y, p: float(metrics.f1_score(y, _at_half(p), average="macro")),
        "sensitivity": lambda y, p: float(metrics.recall_score(y, _at_half(p), zero_division=0)),
        "specificity": lambda y, p: float(
            metrics.recall_score(y, _at_half(p), pos_label=0, zero_division=0)
        ),
        "brier": lambda y, p: float(metrics.brier_score_loss(y, p)),
        "ece": expected_calibration_error,
    }


def with_interval(
    metric: Metric,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """A metric and its 95 % percentile bootstrap interval over patients, classes kept apart.

    Returns:
        ``(value, low, high)``.

    Raises:
        InputError: Only one class among the labels.
    """
    truth = np.asarray(labels, np.int64)
    predicted = np.asarray(probabilities, np.float64)
    groups = [np.flatnonzero(truth == value) for value in (0, 1)]
    if not all(len(group) for group in groups):
        raise InputError(
            "All patients have the same diagnosis.", expected="patients of both classes, HC and PD"
        )
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        values.append(metric(truth[chosen], predicted[chosen]))
    low, high = np.percentile(values, [2.5, 97.5])
    return metric(truth, predicted), float(low), float(high)


def dice(first: ArrayLike, second: ArrayLike) -> float:
    """Dice overlap of two boolean masks of one shape; NaN when both are empty."""
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    total = int(one.sum()) + int(two.sum())
    return float("nan") if total == 0 else 2.0 * int((one & two).sum()) / total


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Temperature that minimises the negative log-likelihood (Guo et al. 2017).

    Args:
        logits: Difference of the PD and HC logits, shape ``[folds, patients]`` (or ``[patients]``):
            fold
            probabilities at one common temperature are averaged, as in a diagnosis.
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
