"""The experiment's page: Markdown, CSV files beside it, and the curve."""

from __future__ import annotations

from pathlib import Path

from MRNLib.anatomy import NOTICE
from MRNLib.errors import InputError
from MRNLib.navigation.measuring import experimenttables as tables
from MRNLib.navigation.measuring import experimenttext as text
from MRNLib.navigation.measuring.experimentcsv import (
    gap_difference_records,
    gap_records,
    label_records,
    probe_records,
    write_csv,
)
from MRNLib.navigation.measuring.experimentlabels import label_section, tuned_section
from MRNLib.navigation.measuring.experimentorigin import provenance_section
from MRNLib.navigation.measuring.finetunedcells import FINETUNED
from MRNLib.navigation.measuring.gapstatistics import gaps
from MRNLib.navigation.measuring.labelcurve import write_curve
from MRNLib.navigation.measuring.labelledpatients import LABELS, LINEAR
from MRNLib.navigation.measuring.labelstatistics import LabelResults, label_results
from MRNLib.navigation.measuring.measuredcells import finished_cells
from MRNLib.navigation.measuring.probestatistics import probe_rows
from MRNLib.writing import replaced

PAGE, CURVE = "navigation.md", "label_efficiency.png"


def write_page(cells_of: Path, out: Path, command: str, notes: str = "") -> list[Path]:
    """Writes what has been measured so far.

    Args:
        cells_of: The experiment's folder.
        out: Folder for the page, its tables and its picture; made if missing.
        command: What the page says it was made by.
        notes: Markdown for the page.

    Returns:
        The files, the page first.

    Raises:
        InputError: Nothing has been measured, or not everything with the same data and settings.
    """
    cells = finished_cells(cells_of)
    rows, labels = probe_rows(cells), label_results(cells)
    tuned = label_results(cells, FINETUNED)
    kinds = {one["identity"]["data"] for one in cells.values()}
    pretrained = {one["identity"]["pretrained_on"] for one in cells.values()} - {None}
    if len(kinds) > 1:
        raise InputError("the folder holds cells measured on phantoms and on people", file=cells_of)
    data = kinds.pop()
    out.mkdir(parents=True, exist_ok=True)
    written = [out / PAGE]
    parts = [text.opening(data, pretrained, command), *([[notes.strip()]] if notes.strip() else [])]
    parts.append(provenance_section(cells))
    if rows:
        parts += tables.probe_sections(rows, data)
        written.append(write_csv(out / "probes.csv", probe_records(rows, data)))
    if found := gaps(cells):
        parts.append(tables.gap_section(found, data))
        written.append(write_csv(out / "gaps.csv", gap_difference_records(found, data)))
        written.append(write_csv(out / "gap_errors.csv", gap_records(found, data)))
    if labels is not None and (linear := label_results(cells, LABELS, LINEAR)):
        parts.append(label_section(labels, linear, data))
        parts.append([f"![AUC over the number of labelled patients ({data})]({CURVE})"])
        written += _write_labels(labels, linear, data, out)
    if tuned is not None:
        parts.append(tuned_section(tuned, data))
        written.append(write_csv(out / "finetuned.csv", label_records(tuned, data, "finetuned")))
    parts.append(text.times(cells))
    parts.append([NOTICE])
    with replaced(out / PAGE) as partial:
        whole = "\n\n".join("\n".join(lines) for lines in parts if lines)
        partial.write_text(whole + "\n", encoding="utf-8")
    return written


def _write_labels(whole: LabelResults, linear: LabelResults, data: str, out: Path) -> list[Path]:
    """The label-efficiency curve as a table and as a picture."""
    records = [*label_records(whole, data, "mrn"), *label_records(linear, data, "linear")]
    write_curve({"MRN behind it": whole, "logistic regression": linear}, out / CURVE)
    return [write_csv(out / "labels.csv", records), out / CURVE]
