"""The classification track's figures: accuracy, which the challenge ranks by, F1 and AUC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MRNLib.bootstrap import Bootstrap, Figure
from MRNLib.challenge.cases import Classified
from MRNLib.challenge.layout import PROBABILITY_FILE


@dataclass(frozen=True)
class ClassificationScore:
    """The figures of all classified cases.

    Attributes:
        cases: How many.
        pd: How many of them have PD.
        correct: How many are as they were predicted.
        figures: Value and 95 % bootstrap interval by measure; empty with one class only.
        notes: What is not given, and why.
    """

    cases: int
    pd: int
    correct: int
    figures: dict[str, Figure]
    notes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of the cases that are as they were predicted."""
        return self.correct / self.cases


def classification_score(cases: Sequence[Classified]) -> ClassificationScore | None:
    """Accuracy and F1 of the decisions, and the AUC of the probabilities if all cases have one."""
    if not cases:
        return None
    truth = np.array([one.truth for one in cases])
    predicted = np.array([one.predicted for one in cases])
    figures: dict[str, Figure] = {}
    notes = []
    if 0 < truth.sum() < truth.size:
        bootstrap = Bootstrap(truth)
        figures = bootstrap.figures(("accuracy", "f1"), predicted)
        told = [one.probability for one in cases if one.probability is not None]
        if len(told) == len(cases):
            figures["auc"] = bootstrap.figure("auc", told)
        else:
            notes.append(f"No AUC: {len(told)} of {len(cases)} cases have a {PROBABILITY_FILE}.")
    else:
        notes.append("All cases have the same diagnosis: no intervals, no F1, no AUC.")
    correct = int((truth == predicted).sum())
    return ClassificationScore(len(cases), int(truth.sum()), correct, figures, tuple(notes))
