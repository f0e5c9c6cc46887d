"""The report of a cohort: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from MRNLib.cohort.mixture import Mixture
from MRNLib.cohort.records import CaseRecord, CohortRecord, read_cohort
from MRNLib.cohort.report_cases import Cohort
from MRNLib.cohort.report_gathering import gather, records
from MRNLib.cohort.report_head import unmatched_labels
from MRNLib.diagnoses import read_diagnoses
from MRNLib.errors import InputError
from MRNLib.progress import Progress, silent
from MRNLib.report import png
from MRNLib.writing import replaced, require_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "cohort.html"
OUTLINES = "Demonstration model: outlines that it drew have to be checked."


def write(
    out: Path,
    labels: Path | None = None,
    place: Path | None = None,
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda text: None,
) -> Path:
    """Writes the page of a cohort that ``mrn cohort run`` has worked on.

    Args:
        out: The cohort's folder.
        labels: Table of diagnoses, identifier or subject to HC or PD.
        place: The page; ``cohort.html`` in ``out`` if not given. An earlier one is replaced.
        progress: Told how far the work is.
        warn: Told what the page says too of records made with several settings and of labels
            without a case.

    Returns:
        Where the page is.

    Raises:
        InputError: No cohort in ``out``, none of its cases run yet, a table that cannot be read or
            that names none of them, or a place that cannot be written.
        Cancelled: From the progress callback.
    """
    from MRNLib.cohort.report_page import page

    place = place or out / PAGE
    if place.is_dir():
        raise InputError("this is a folder", file=place, expected="a name for the page")
    require_folder(place.parent)
    record = read_cohort(out)
    diagnoses = None if labels is None else read_diagnoses(labels)
    cohort = read(out, record, diagnoses, progress)
    if diagnoses is not None and not any(case.group for case in cohort.cases):
        raise InputError(
            f"the table names none of the {len(cohort.cases):,} cases in {out}",
            file=labels,
            expected=f"identifiers like {cohort.cases[0].identifier}",
            remedy="check that table and cohort belong together",
        )
    if cohort.mixture:
        warn(cohort.mixture)
    for text in unmatched_labels(cohort, diagnoses) if diagnoses else ():
        warn(text)
    progress(0.7, "Drawing")
    figures = {name: png(figure) for name, figure in figures_of(cohort).items()}
    progress(0.85, "Writing the page")
    text = page(cohort, record, diagnoses, figures, out=out, place=place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with replaced(place) as partial:
        partial.write_text(text, encoding="utf-8")
    progress(1.0, "Done")
    return place


def read(
    out: Path, record: CohortRecord, labels: Mapping[str, str] | None, progress: Progress = silent
) -> Cohort:
    """The cohort's cases, one record after the other.

    Raises:
        InputError: None of them has been run yet.
    """
    total, mixture = max(1, len(record.cases)), Mixture(record)

    def told() -> Iterator[CaseRecord]:
        for number, one in enumerate(records(out, record)):
            if number % 50 == 0:
                progress(0.7 * number / total, f"Reading {number:,} of {total:,} cases")
            mixture.add(one)
            yield one

    cohort = gather(told(), labels or {})
    cohort.mixture = mixture.warning
    if not cohort.cases:
        raise InputError(
            "none of its cases has been run yet",
            file=out,
            remedy="run 'mrn cohort run' with this folder as --out first",
        )
    return cohort


def figures_of(cohort: Cohort) -> dict[str, Figure]:
    """All figures by name that the cohort has the cases for."""
    from MRNLib.cohort import report_charts
    from MRNLib.cohort.report_accuracy import accuracy_figure
    from MRNLib.cohort.report_biomarkers import biomarker_figure
    from MRNLib.cohort.report_head import figure_warning

    if not cohort.done:
        return {}
    warning = figure_warning(cohort)
    drawn = {
        "probability": report_charts.probability_figure(cohort, warning),
        "accuracy": accuracy_figure(cohort, warning),
        "maskings": report_charts.masking_figure(cohort, warning),
        "biomarkers": biomarker_figure(cohort, OUTLINES if cohort.demonstration else warning),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}
