"""What the cohort's page needs: a row for each case, and the measurements of all as columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import MASKINGS
from MRNLib.examination import DEMONSTRATION

Measure = tuple[str, str, str]  # nucleus, side, name
GROUPS = ("HC", "PD")


@dataclass(frozen=True)
class CaseRow:
    """One case of the cohort.

    Attributes:
        identifier: Its name.
        subject: The person.
        error: Why it failed; None for a case that was done.
        group: ``HC`` or ``PD`` from the table of labels, None where that does not name it.
        seconds: How long it took, if known.
        probability: Of PD; NaN for a failed case, as are the other numbers.
        spread: SD of the folds.
        votes: Each fold's probability.
        decision: In the examination's words; empty for a failed case.
        phantom: Whether it is a digital patient.
        left_out: ROIs that the model did not see.
        flips: Whether each of Table 4's maskings gave another answer; empty if not asked for.
        changes: What each did to the probability.
        jitter: Box shifts that gave another answer, and all of them.
        flags: What is odd about its measurements, as the examination says it.
        warnings: Everything that the examination warns of.
        images: How its volumes lie: ``QSM 300 × 300 × 70, 0.67 × 0.67 × 2 mm``, for each.
        report: Whether its own report was kept.
    """

    identifier: str
    subject: str
    error: str | None = None
    group: str | None = None
    seconds: float | None = None
    probability: float = float("nan")
    spread: float = float("nan")
    votes: tuple[float, ...] = ()
    decision: str = ""
    phantom: bool = False
    left_out: tuple[str, ...] = ()
    flips: tuple[bool, ...] = ()
    changes: tuple[float, ...] = ()
    jitter: tuple[int, int] = (0, 0)
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    report: bool = False

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self.error is None

    @property
    def folds_disagree(self) -> bool:
        """Whether the folds' answers at .5 differ."""
        return len({vote >= 0.5 for vote in self.votes}) > 1

    @property
    def single_flips(self) -> int:
        """How many ROIs, masked alone, change the answer."""
        pairs = zip(MASKINGS, self.flips, strict=False)
        return sum(flips for masked, flips in pairs if len(masked) == 1)


@dataclass
class Cohort:
    """All cases; ``done`` and the rows of ``values`` and ``z`` are in one order.

    Attributes:
        cases: Every case, by identifier.
        values: Each biomarker of each done case ``[done]``, NaN where it cannot be measured.
        z: Its distance from the published mean in published SDs, where there is one.
        published: The published mean of a biomarker, where there is one.
        units: Of each biomarker.
        calibrations: Temperature and abstain limits, and how many cases have them.
        facts: Where results come from: each fact's different values and their numbers of cases.
        mixture: What to know of records of other settings than the latest run's.
    """

    cases: list[CaseRow]
    values: dict[Measure, NDArray[np.float64]] = field(default_factory=dict)
    z: dict[Measure, NDArray[np.float64]] = field(default_factory=dict)
    published: dict[Measure, float] = field(default_factory=dict)
    units: dict[Measure, str] = field(default_factory=dict)
    calibrations: Counter[tuple[float, float, float, str]] = field(default_factory=Counter)
    facts: dict[str, Counter[str]] = field(default_factory=dict)
    trained_on: Counter[str] = field(default_factory=Counter)
    mixture: str = ""

    @property
    def done(self) -> list[CaseRow]:
        """The cases with a result."""
        return [case for case in self.cases if case.done]

    @property
    def failed(self) -> list[CaseRow]:
        """The cases without one."""
        return [case for case in self.cases if not case.done]

    @property
    def demonstration(self) -> int:
        """How many results have no meaning: a model trained on phantoms met a patient."""
        return sum(case.decision == DEMONSTRATION for case in self.cases)

    @property
    def band(self) -> tuple[float, float] | None:
        """The abstain limits that all results share, if they do and are not one point."""
        limits = {(low, high) for _, low, high, _ in self.calibrations}
        low, high = next(iter(limits)) if len(limits) == 1 else (0.5, 0.5)
        return (low, high) if high > low else None

    @property
    def groups(self) -> dict[str, NDArray[np.bool_]]:
        """Which done cases are in each group, only groups with a case; ``""`` has no label."""
        said = [case.group or "" for case in self.done]
        found = {group: np.array([one == group for one in said], bool) for group in (*GROUPS, "")}
        return {group: inside for group, inside in found.items() if inside.any()}

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """P(PD) of the done cases."""
        return np.array([case.probability for case in self.done], np.float64)
