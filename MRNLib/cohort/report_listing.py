"""The table of all cases: rows for the page's script, and the first of them for the eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from MRNLib.cohort.records import CASES, RESULTS, TABLES
from MRNLib.cohort.report_cases import CaseRow, Cohort
from MRNLib.cohort.report_gathering import REPORT_FILE
from MRNLib.cohort.report_oddities import Oddity
from MRNLib.cohort.report_reasons import without_folders

# Rows at a time; the script shows others by sorting, filtering and asking for more.
SHOWN = 200
TABLE_FILE = f"{TABLES}/cases.csv"
REASON_LENGTH = 90
# Title, and whether it is a number; in the order of the rows' values.
COLUMNS = (
    ("Case", False),
    ("Label", False),
    ("P(PD)", True),
    ("SD of folds", True),
    ("Decision", False),
    ("ROIs that flip it", True),
    ("Left out", False),
    ("Odd", True),
    ("Farthest, SD", True),
    ("Seconds", True),
    ("State", False),
)


def rows(
    cohort: Cohort, odd: Mapping[str, Sequence[Oddity]], folders: Sequence[str] = ()
) -> list[list[Any]]:
    """A list of JSON values for each case, as in :data:`COLUMNS`; last, whether it has a report."""
    return [_row(case, odd.get(case.identifier, ()), folders) for case in cohort.cases]


def _row(case: CaseRow, odd: Sequence[Oddity], folders: Sequence[str]) -> list[Any]:
    if case.error is not None:
        reason = without_folders(case.error.splitlines()[0], folders)
        if len(reason) > REASON_LENGTH:
            reason = reason[: REASON_LENGTH - 1] + "…"
        missing = [None] * 6
        return [case.identifier, case.group, None, None, "", None, "", *missing[:2],
                _rounded(case.seconds, 1), f"failed: {reason}", 0]  # fmt: skip
    far = [one.size for one in odd if one.measured]
    return [
        case.identifier,
        case.group,
        _rounded(case.probability, 3),
        _rounded(case.spread, 3),
        case.decision,
        case.single_flips if case.flips else None,
        ", ".join(case.left_out),
        len(odd),
        _rounded(max(far, default=None), 1),
        _rounded(case.seconds, 1),
        "degraded" if case.left_out else "done",
        int(case.report),
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def links(out: Path, page: Path) -> dict[str, str]:
    """Where the page finds the table and the cases' reports: relative, or nothing elsewhere.

    A page that is written outside of the cohort's folder has no links: they would name folders.
    """
    if page.absolute().parent != out.absolute():
        return {"table": "", "results": "", "report": REPORT_FILE, "cases": ""}
    there = (out / TABLE_FILE).is_file()
    return {
        "table": TABLE_FILE if there else "",
        "results": RESULTS,
        "report": REPORT_FILE,
        "cases": CASES,
    }


def link(links: Mapping[str, str], identifier: str) -> str:
    """Address of a case's own report beside the page."""
    return f"{links['results']}/{quote(identifier)}/{links['report']}"
