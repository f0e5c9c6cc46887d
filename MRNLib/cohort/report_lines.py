"""Figures of the cohort's page as the text of its tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MRNLib.cohort.report_accuracy import MEASURES, Accuracy
from MRNLib.cohort.report_cases import Cohort
from MRNLib.cohort.report_groups import SHOWN, Comparison, Interval, column, published
from MRNLib.markdown import measure_title
from MRNLib.report_page import counted, number, signed

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Line:
    """A row of one of the page's tables, as text; ``bold`` where it stands out."""

    cells: tuple[str, ...]
    bold: bool = False


def measure_lines(found: Accuracy) -> list[Line]:
    """Each measure with its interval."""
    lines = [
        Line((measure_title(name), interval_text(found.figures[name], 3)))
        for name in ("auc", *MEASURES)
        if name in found.figures
    ]
    if found.right:
        name = "Sensitivity" if found.right[0] == "PD" else "Specificity"
        lines.append(Line((f"{name} at .5", interval_text(found.right[1], 3))))
    if found.decided:
        text = interval_text(found.decided, 3)
        lines.append(Line(("Accuracy, undecided left out", text)))
    return lines


def comparison_line(one: Comparison) -> Line:
    """HC against PD in one biomarker, as text."""
    digits = one.shown.digits
    cells = (
        one.shown.chapter,
        f"{one.shown.title}",
        one.shown.unit,
        f"{counted(one.counts[0])} / {counted(one.counts[1])}",
        *(interval_text(median, digits) for median in one.medians),
        interval_text(one.difference, digits, sign=True),
        f"{one.area:.2f}",
        p_text(one.p),
        p_text(one.corrected),
    )
    return Line(cells, one.corrected < SIGNIFICANT)


def distribution_lines(cohort: Cohort) -> list[Line]:
    """Each biomarker's median and quartiles beside the published mean."""
    lines = []
    for shown in SHOWN:
        values = column(cohort, shown)
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        first, middle, third = np.percentile(known, [25, 50, 75])
        norm, digits = published(cohort, shown), shown.digits
        lines.append(
            Line(
                (
                    shown.chapter,
                    shown.title,
                    shown.unit,
                    f"{counted(len(known))}",
                    number(float(middle), digits),
                    f"{number(float(first), digits)} to {number(float(third), digits)}",
                    "" if norm is None else number(norm, digits),
                    "" if norm is None else signed(float(middle) - norm, digits),
                )
            )
        )
    return lines


def interval_text(figure: Interval, digits: int, sign: bool = False) -> str:
    """``42.0 [40.1, 43.9]``."""
    write = signed if sign else number
    value, low, high = (write(one, digits) for one in figure)
    return f"{value} [{low}, {high}]"


def p_text(p: float) -> str:
    """Three digits, and no more zeros than that."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
