"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from MRNLib.anatomy import NOTICE
from MRNLib.cases import Case
from MRNLib.examination import Examination


def demo_table(rows: Iterable[tuple[Case, Examination]]) -> Table:
    """Truth and result of some patients side by side."""
    table = Table(title="Demonstration on digital patients", title_justify="left")
    for column in ("Patient", "Truth", "P(PD)", "Folds", "Decision", "Robustness"):
        table.add_column(column, overflow="fold")
    for case, examination in rows:
        folds = " ".join(f"{fold.probability_pd:.2f}" for fold in examination.folds)
        table.add_row(
            escape(case.identifier),
            case.diagnosis or "?",
            f"{examination.probability_pd:.2f}",
            folds,
            examination.decision,
            examination.robustness,
        )
    return table


def plain_table(header: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of text without lines between its columns: eight of them fit 80 characters."""
    table = Table(
        *header, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def cohort_table(rows: Iterable[Sequence[str]]) -> Table:
    """Cases of a cohort: name, state, P(PD), decision."""
    table = Table(caption=NOTICE, caption_justify="left")
    for column in ("Case", "State", "P(PD)", "Decision"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def examination_table(examination: Examination) -> Table:
    """One patient's result."""
    table = Table(
        title=escape(f"{examination.identifier}: {examination.headline}"),
        title_justify="left",
        show_header=False,
        caption=examination.notice,
        caption_justify="left",
    )
    table.add_column()
    table.add_column(overflow="fold")
    folds = ", ".join(f"{fold.probability_pd:.2f}" for fold in examination.folds)
    table.add_row("Decision", examination.decision)
    table.add_row(
        "P(PD)", f"{examination.probability_pd:.2f}; folds {folds} (SD {examination.spread:.2f})"
    )
    table.add_row("Robustness", examination.robustness)
    for item in examination.rois:
        place = f"{item.slices} slices, box {item.box}" if item.box else "absent"
        table.add_row(f"ROI {item.name}", place + (", left out" if item.masked else ""))
    return table
