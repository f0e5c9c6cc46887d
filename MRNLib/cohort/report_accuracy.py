"""How good the probabilities are where diagnoses are known: measures, ROC, calibration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from MRNLib.bootstrap import Bootstrap
from MRNLib.cohort.report_cases import GROUPS, Cohort
from MRNLib.cohort.report_charts import plain
from MRNLib.delong import auc_interval
from MRNLib.figures import INK, LINE, MUTED, PD_COLOR, new_figure
from MRNLib.metrics import FEWEST, proportion, reliability_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Interval = tuple[float, float, float]
Array = NDArray[np.float64]
MEASURES = ("accuracy", "f1", "sensitivity", "specificity", "brier", "ece")
BOOTSTRAPPED = ("f1", "brier", "ece")
DECISIONS = ("HC", "undecided", "PD")
# Draws of a bootstrap over ten thousand cases are some 100 MB an array; their intervals are narrow.
MOST_DRAWN = 2_000_000
ROC_DRAWS = 400


@dataclass(frozen=True)
class Accuracy:
    """What is known of the labelled cases with a result.

    Attributes:
        counts: Cases of each group.
        failed: Labelled cases without a result: in no figure.
        figures: Each measure with its 95 % interval; shares only where a class has few cases, none
            for one class only.
        right: Share of the one class that is decided rightly at .5, for one class only.
        decisions: How often each group got each decision.
        decided: Accuracy over the cases outside the abstain limits, if the bundle has any.
    """

    counts: dict[str, int]
    failed: int
    figures: dict[str, Interval]
    right: tuple[str, Interval] | None
    decisions: dict[str, dict[str, int]]
    decided: Interval | None


def labelled(cohort: Cohort) -> tuple[NDArray[np.int64], Array]:
    """Truth (1 for PD) and probability of the done cases with a label."""
    chosen = [case for case in cohort.done if case.group is not None]
    truth = np.array([case.group == "PD" for case in chosen], np.int64)
    return truth, np.array([case.probability for case in chosen], np.float64)


def accuracy(cohort: Cohort) -> Accuracy | None:
    """The measures; None without a labelled case that has a result."""
    truth, probabilities = labelled(cohort)
    if not len(truth):
        return None
    counts = {group: int((truth == value).sum()) for value, group in enumerate(GROUPS)}
    figures: dict[str, Interval] = {}
    right = None
    correct = (probabilities >= 0.5) == (truth == 1)
    if all(counts.values()):
        figures = _figures(truth, probabilities, correct, min(counts.values()) >= FEWEST)
    else:
        group = next(group for group, count in counts.items() if count)
        right = group, proportion(int(correct.sum()), len(truth))
    failed = sum(case.group is not None for case in cohort.failed)
    return Accuracy(counts, failed, figures, right, _decisions(cohort), _decided(cohort))


def _figures(
    truth: NDArray[np.int64], probabilities: Array, correct: NDArray[np.bool_], enough: bool
) -> dict[str, Interval]:
    """The measures; those whose interval would be of a handful of cases only with ``enough``."""
    chosen = {"accuracy": truth >= 0, "specificity": truth == 0, "sensitivity": truth == 1}
    figures = {
        name: proportion(int(correct[part].sum()), int(part.sum())) for name, part in chosen.items()
    }
    if enough:
        draws = max(200, min(1000, MOST_DRAWN // len(truth)))
        figures |= Bootstrap(truth, draws=draws).figures(BOOTSTRAPPED, probabilities)
        figures["auc"] = auc_interval(truth, probabilities)
    return figures


def _decisions(cohort: Cohort) -> dict[str, dict[str, int]]:
    found = Counter((case.group, case.decision) for case in cohort.done)
    table = {
        group: {decision: found[group, decision] for decision in DECISIONS} for group in GROUPS
    }
    return {group: row for group, row in table.items() if any(row.values())}


def _decided(cohort: Cohort) -> Interval | None:
    if cohort.band is None:
        return None
    said = [case for case in cohort.done if case.group and case.decision in GROUPS]
    if not said:
        return None
    return proportion(sum(case.decision == case.group for case in said), len(said))


def accuracy_figure(cohort: Cohort, warning: str | None) -> Figure | None:
    """ROC curve and calibration side by side; None without enough cases of both classes."""
    truth, probabilities = labelled(cohort)
    if min(int((truth == 0).sum()), int((truth == 1).sum())) < FEWEST:
        return None
    figure = new_figure(10.4, 4.75, warning)
    roc = figure.add_axes((0.06, 0.15, 0.38, 0.77))
    calibration = figure.add_axes((0.56, 0.15, 0.38, 0.77))
    _roc(roc, truth, probabilities)
    _calibration(calibration, truth, probabilities)
    return figure


def _roc(axes: Axes, truth: NDArray[np.int64], probabilities: Array) -> None:
    from sklearn.metrics import roc_curve

    wrong, right, _ = roc_curve(truth, probabilities)
    grid, low, high = roc_band(truth, probabilities)
    axes.fill_between(grid, low, high, color=LINE, lw=0, step=None, zorder=1)
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=(0, (3, 3)), zorder=2)
    axes.plot(wrong, right, color=INK, lw=1.8, zorder=3)
    at_half = (probabilities >= 0.5).astype(float)
    point = at_half[truth == 0].mean(), at_half[truth == 1].mean()
    axes.plot(*point, "o", ms=7, mfc="white", mec=PD_COLOR, mew=1.8, zorder=4, label="read at .5")
    area, lower, upper = auc_interval(truth, probabilities)
    title = f"ROC curve: AUC {area:.3f} [{lower:.3f}, {upper:.3f}], 95 % band"
    axes.legend(loc="lower right", frameon=False, fontsize=8.5, handletextpad=0.2)
    _square(axes, title, "1 − specificity", "sensitivity")


def roc_band(
    truth: NDArray[np.int64], probabilities: Array, draws: int = ROC_DRAWS, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Pointwise 95 % bootstrap band of a ROC curve: 1 - specificity, lower and upper sensitivity.

    Cases are drawn within their class, as in :class:`MRNLib.bootstrap.Bootstrap`.
    """
    rng = np.random.default_rng(seed)
    positive, negative = probabilities[truth == 1], probabilities[truth == 0]
    grid = np.linspace(0.0, 1.0, 101)
    curves = np.empty((draws, len(grid)))
    for row in curves:
        controls = np.sort(rng.choice(negative, len(negative)))[::-1]
        patients = np.sort(rng.choice(positive, len(positive)))
        # Sensitivity where the share of controls above the threshold is at most that of the grid.
        allowed = np.minimum((grid * len(controls) + 1e-9).astype(int), len(controls) - 1)
        above = len(patients) - np.searchsorted(patients, controls[allowed], side="right")
        row[:] = above / len(patients)
        row[-1] = 1.0
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    return grid, low, high


def _calibration(axes: Axes, truth: NDArray[np.int64], probabilities: Array) -> None:
    curve = reliability_curve(truth, probabilities)
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=(0, (3, 3)), zorder=2)
    for said, seen, cases in zip(curve.predicted, curve.observed, curve.patients, strict=True):
        _, low, high = proportion(round(seen * cases), int(cases))
        axes.vlines(said, low, high, color=LINE, lw=4, zorder=1)
    areas = 14 + 200 * curve.patients / curve.patients.sum()
    axes.plot(curve.predicted, curve.observed, color=INK, lw=1, alpha=0.5, zorder=3)
    axes.scatter(curve.predicted, curve.observed, s=areas, color=INK, lw=0.6, ec="white", zorder=4)
    title = "Calibration: what came true of what was said"
    _square(axes, title, "probability of PD", "share with PD")


def _square(axes: Axes, title: str, below: str, beside: str) -> None:
    plain(axes)
    axes.spines["left"].set_visible(True)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_title(title, fontsize=9.5, color=INK, loc="left", pad=5)
    axes.set_xlabel(below, fontsize=8.5, color=INK)
    axes.set_ylabel(beside, fontsize=8.5, color=INK)
