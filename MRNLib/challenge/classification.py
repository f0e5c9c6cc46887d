"""The classification track's figures: accuracy, which the challenge ranks by, F1 and AUC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MRNLib.bootstrap import Bootstrap, Figure
from MRNLib.challenge.cases import Classified
from MRNLib.challenge.layout import PROBABILITY_FILE
from MRNLib.delong import auc_interval
from MRNLib.metrics import FEWEST, area_under_curve, classification_metrics, proportion

_UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True)
class ClassificationScore:
    """The figures of all cases with a vote.

    Attributes:
        asked: Cases whose vote was asked for.
        cases: How many of them have one.
        pd: How many of those with a vote have PD.
        correct: How many votes are right.
        figures: Value and 95 % interval by measure, over the votes: Wilson's for the accuracy,
            bootstrap for F1, DeLong's for the AUC. With one class only the latter two are left out,
            with few cases of one their intervals are NaN.
        notes: What is not given, and why.
    """

    asked: int
    cases: int
    pd: int
    correct: int
    figures: dict[str, Figure]
    notes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of the votes that are right."""
        return self.correct / self.cases

    @property
    def missing(self) -> int:
        """Cases that have no vote."""
        return self.asked - self.cases

    @property
    def over_asked(self) -> Figure:
        """The accuracy over all cases, a missing vote taken as a wrong one."""
        return proportion(self.correct, self.asked)

    @property
    def summary(self) -> str:
        """How many votes are right, and how many are missing."""
        missing = f"; without a vote: {self.missing} of {self.asked} cases" if self.missing else ""
        return f"{self.correct} of {self.cases} votes correct{missing}"


def classification_score(cases: Sequence[Classified], asked: int) -> ClassificationScore | None:
    """Accuracy and F1 of the decisions, and the AUC of the probabilities if all votes have one.

    Args:
        cases: Those with a vote.
        asked: How many should have one.

    Returns:
        None without a vote.
    """
    if not cases:
        return None
    truth = np.array([one.truth for one in cases])
    predicted = np.array([one.predicted for one in cases])
    correct = int((truth == predicted).sum())
    figures = {"accuracy": proportion(correct, len(cases))}
    notes = []
    pd = int(truth.sum())
    fewest = min(pd, len(cases) - pd)
    told = [one.probability for one in cases if one.probability is not None]
    enough = fewest >= FEWEST
    if fewest:
        f1 = classification_metrics()["f1"](truth, predicted)
        figures["f1"] = Bootstrap(truth).figure("f1", predicted) if enough else (f1, *_UNKNOWN)
        if len(told) == len(cases):
            auc = area_under_curve(truth, told)
            figures["auc"] = auc_interval(truth, told) if enough else (auc, *_UNKNOWN)
        else:
            notes.append(f"No AUC: {len(told)} of {len(cases)} cases have a {PROBABILITY_FILE}.")
        if not enough:
            notes.append(f"Accuracy alone has an interval: others need {FEWEST} of each class.")
    else:
        notes.append("All cases with a vote have the same diagnosis: no F1, no AUC.")
    return ClassificationScore(asked, len(cases), pd, correct, figures, tuple(notes))
