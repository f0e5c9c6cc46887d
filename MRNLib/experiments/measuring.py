"""From predictions to figures: a row's measures with intervals, and its test against the full one.

Decisions are at a probability of .5, as everywhere; several cells in one row are folds whose
decisions are put to the vote and whose probabilities are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from MRNLib.bootstrap import OF_DECISIONS, Bootstrap, Figure
from MRNLib.delong import AucComparison, compare_aucs
from MRNLib.errors import InputError
from MRNLib.experiments.cells import FULL
from MRNLib.experiments.layout import Row
from MRNLib.experiments.results import CellResult, Weights

ALWAYS = ("accuracy", "auc", "f1")


@dataclass(frozen=True)
class Scored:
    """What one row says about the evaluation patients.

    Attributes:
        labels: 0 HC, 1 PD, ``[patients]``.
        probabilities: Of PD.
        decisions: 0 or 1.
        order: What patients are ranked by: the margin of one model, else the mean probability.
        weights: ``random`` if any of the row's trainings lacked published weights.
        seconds: Of all its trainings.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.int64]
    order: NDArray[np.float64]
    weights: Weights
    seconds: float


class Measurer:
    """Measures rows on the same patients; what several tables show is measured once.

    Args:
        results: Finished cells by key.
        failed: Why others are missing, by key.
        draws: Bootstrap draws of an interval.

    Raises:
        InputError: The results are not of the same patients.
    """

    def __init__(
        self, results: Mapping[str, CellResult], failed: Mapping[str, str], draws: int = 1000
    ) -> None:
        self.results, self.failed = dict(results), dict(failed)
        patients = {(*result.identifiers, *result.labels) for result in self.results.values()}
        if len(patients) > 1:
            raise InputError("cells were evaluated on different patients")
        self._bootstrap = (
            Bootstrap(next(iter(self.results.values())).labels, draws=draws)
            if self.results
            else None
        )
        self._scored: dict[tuple[tuple[str, ...], str], Scored] = {}
        self._figures: dict[tuple[tuple[str, ...], str, str], Figure] = {}

    @property
    def patients(self) -> int:
        """How many patients all figures are measured on; 0 before any cell is finished."""
        return len(next(iter(self.results.values())).labels) if self.results else 0

    def why_missing(self, row: Row) -> str:
        """Empty if the row can be measured."""
        missing = [key for key in row.cells if key not in self.results]
        if missing:
            reasons = sorted({self.failed[key] for key in missing if key in self.failed})
            # What was expected and what to do was told when it failed.
            shown = [f"failed: {one.split(' Expected: ')[0]}" for one in reasons]
            return "; ".join(one.split(" What to do: ")[0] for one in shown) or "not run"
        if any(row.variant not in self.results[key].margins for key in row.cells):
            return "not available"
        return ""

    def scored(self, row: Row) -> Scored:
        """The row's predictions; :meth:`why_missing` must be empty."""
        place = (row.cells, row.variant)
        if place not in self._scored:
            results = [self.results[key] for key in row.cells]
            margins = np.stack([result.scores(row.variant) for result in results])
            probabilities = expit(margins).mean(axis=0)
            votes = (margins >= 0).mean(axis=0)
            weights = [result.weights for result in results]
            self._scored[place] = Scored(
                labels=np.asarray(results[0].labels, np.int64),
                probabilities=probabilities,
                decisions=(votes > 0.5).astype(np.int64)
                if len(results) > 1
                else (margins[0] >= 0).astype(np.int64),
                order=margins[0] if len(results) == 1 else probabilities,
                weights="random" if "random" in weights else weights[0],
                seconds=sum(result.seconds for result in results),
            )
        return self._scored[place]

    def figure(self, row: Row, name: str) -> Figure:
        """One measure with its 95 % bootstrap interval, as a share of 1."""
        place = (row.cells, row.variant, name)
        if place not in self._figures:
            assert self._bootstrap is not None  # a row that is not missing has a result
            scored = self.scored(row)
            if name in OF_DECISIONS:
                values = scored.decisions.astype(np.float64)
            else:
                values = scored.order if name == "auc" else scored.probabilities
            self._figures[place] = self._bootstrap.figure(name, values)
        return self._figures[place]

    def against_full(self, row: Row) -> AucComparison | None:
        """The row's AUC against the full model's; None for that model or without it."""
        if (row.cells, row.variant) == ((FULL,), "") or FULL not in self.results:
            return None
        return self.compare(row, Row((), (FULL,)))

    def compare(self, row: Row, other: Row) -> AucComparison:
        """DeLong's test of two rows."""
        first, second = self.scored(row), self.scored(other)
        return compare_aucs(first.labels, first.order, second.order)
