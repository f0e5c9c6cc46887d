"""The cohort's page: one self-contained HTML file, filled from a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from MRNLib.anatomy import NOT_ATYPICAL, NOTICE
from MRNLib.cohort import report_head, report_listing, report_oddities
from MRNLib.cohort.records import CohortRecord
from MRNLib.cohort.report_accuracy import DECISIONS, accuracy
from MRNLib.cohort.report_cases import Cohort
from MRNLib.cohort.report_groups import compare
from MRNLib.cohort.report_lines import comparison_line, distribution_lines, measure_lines
from MRNLib.cohort.report_reasons import grouped
from MRNLib.examination import NO_MEANING
from MRNLib.metrics import FEWEST
from MRNLib.norms import SPREAD_SOURCE, SUSCEPTIBILITY_SOURCE, VOLUME_SOURCE
from MRNLib.report_page import counted
from MRNLib.templates import embedded, environment

# Odd cases that the page lists, and things of each that it says; the table of cases has all.
ODD_CASES, ODD_THINGS = 40, 4
SAID = 12
LAYOUTS = 6


def page(
    cohort: Cohort,
    record: CohortRecord,
    labels: Mapping[str, str] | None,
    figures: Mapping[str, bytes],
    *,
    out: Path,
    place: Path,
) -> str:
    """The HTML text.

    Args:
        cohort: Its cases.
        record: What was run.
        labels: The table of labels as it was read, None if there is none.
        figures: PNG files by name.
        out: The cohort's folder.
        place: Where the page will stand; in ``out`` it links to what is there.
    """
    pages = environment()
    pages.filters["thin"] = counted
    values = _summary(cohort, record, labels)
    values |= _cases(cohort, record, out, place)
    values["figures"] = embedded(figures)
    return pages.get_template("cohort.html.j2").render(values)


def _summary(
    cohort: Cohort, record: CohortRecord, labels: Mapping[str, str] | None
) -> dict[str, Any]:
    measured = accuracy(cohort)
    decisions = Counter(case.decision for case in cohort.done)
    comparisons = compare(cohort)
    return {
        "name": report_head.folder_name(record.folder),
        "notice": NOTICE,
        "not_atypical": NOT_ATYPICAL,
        "no_meaning": NO_MEANING,
        "badge": report_head.badge(cohort),
        "total": len(record.cases),
        "done": len(cohort.done),
        "failed": len(cohort.failed),
        "degraded": sum(bool(case.left_out) for case in cohort.done),
        "demonstration": cohort.demonstration,
        "decisions": [(name, count) for name in DECISIONS if (count := decisions[name])],
        "band": cohort.band,
        "bundle": record.bundle,
        "when": report_head.moment(record.continued),
        "pace": report_head.pace(cohort),
        "cautions": report_head.cautions(cohort, record, labels),
        "labels": labels is not None,
        "accuracy": measured,
        "measures": measure_lines(measured) if measured else [],
        "comparisons": [comparison_line(one) for one in comparisons],
        "distributions": [] if comparisons else distribution_lines(cohort),
        "folds": _folds(cohort),
        "jitter": _jitter(cohort),
        "provenance": report_head.origin(cohort, record),
        "sources": {
            "volume": VOLUME_SOURCE,
            "mean": SUSCEPTIBILITY_SOURCE,
            "spread": SPREAD_SOURCE,
        },
    }


def _cases(cohort: Cohort, record: CohortRecord, out: Path, place: Path) -> dict[str, Any]:
    folders = [record.folder, str(out), str(out.absolute())]
    odd = report_oddities.oddities(cohort)
    listed = report_listing.rows(cohort, odd, folders)
    links = report_listing.links(out, place)
    said = [(case.identifier, text) for case in cohort.done for text in case.warnings]
    failures = [(case.identifier, case.error) for case in cohort.failed if case.error]
    images = Counter(text for case in cohort.done for text in case.images)
    return {
        "failures": grouped(failures, folders),
        "warnings": grouped(said, folders)[:SAID],
        "odd": [
            (name, [one.text for one in things[:ODD_THINGS]], max(0, len(things) - ODD_THINGS))
            for name, things in list(odd.items())[:ODD_CASES]
        ],
        "odd_count": len(odd),
        "shifts": report_oddities.shifts(cohort),
        "far": (report_oddities.FAR_FROM_COHORT, report_oddities.FAR_FROM_PUBLISHED),
        "fewest": report_oddities.FEWEST,
        "fewest_of_group": FEWEST,
        "images": images.most_common(LAYOUTS),
        "image_kinds": len(images),
        "columns": report_listing.COLUMNS,
        "first": [_as_text(row) for row in listed[: report_listing.SHOWN]],
        "links": links,
        "reports": {
            case.identifier: report_listing.link(links, case.identifier)
            for case in cohort.done
            if case.report and links["results"]
        },
        "data": {
            "columns": report_listing.COLUMNS,
            "rows": listed,
            "links": links,
            "shown": report_listing.SHOWN,
        },
    }


def _as_text(row: list[Any]) -> list[str]:
    """What the page shows where no script runs."""
    return ["–" if value is None else str(value) for value in row[:-1]]


def _folds(cohort: Cohort) -> dict[str, Any] | None:
    """How far the folds are apart."""
    several = [case for case in cohort.done if len(case.votes) > 1]
    if not several:
        return None
    spreads = np.array([case.spread for case in several])
    return {
        "cases": len(several),
        "median": float(np.median(spreads)),
        "high": float(np.percentile(spreads, 95)),
        "disagree": sum(case.folds_disagree for case in several),
    }


def _jitter(cohort: Cohort) -> dict[str, int] | None:
    """How many cases' answers hold when the boxes are moved."""
    moved = [case for case in cohort.done if case.jitter[1]]
    if not moved:
        return None
    return {"cases": len(moved), "flip": sum(case.jitter[0] > 0 for case in moved)}
