"""The experiment's page: Markdown, CSV files beside it, and the curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MRNLib.anatomy import NOTICE
from MRNLib.errors import InputError
from MRNLib.markdown import table
from MRNLib.navigation.measuring import experimenttext as text
from MRNLib.navigation.measuring.experimentcsv import (
    gap_records,
    label_records,
    probe_records,
    write_csv,
)
from MRNLib.navigation.measuring.finetunedcells import FINETUNED
from MRNLib.navigation.measuring.labelcurve import write_curve
from MRNLib.navigation.measuring.labelstatistics import (
    ENCODERS,
    LabelResults,
    LabelRow,
    label_results,
)
from MRNLib.navigation.measuring.measuredcells import finished_cells
from MRNLib.navigation.measuring.probestatistics import (
    ABSOLUTE,
    COMPARED,
    MEASURES,
    OUTLINES,
    PLANE,
    RELATIVE,
    ROW_NAMES,
    Figure,
    Measure,
    ProbeRow,
    Rows,
    gaps,
    probe_rows,
)
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
    kinds = {one["identity"]["trained_on"] for one in cells.values()}
    if len(kinds) > 1:
        raise InputError("the folder holds cells of phantoms and of people", file=cells_of)
    data = kinds.pop()
    out.mkdir(parents=True, exist_ok=True)
    written = [out / PAGE]
    parts = [text.opening(data, command), *([[notes.strip()]] if notes.strip() else [])]
    if rows:
        parts += _probe_sections(rows, data)
        written.append(write_csv(out / "probes.csv", probe_records(rows, data)))
    if found := gaps(cells):
        parts.append(_gap_section(found, data))
        written.append(write_csv(out / "gaps.csv", gap_records(found, data)))
    if labels is not None:
        parts.append(_label_section(labels, data))
        write_curve(labels, out / CURVE)
        parts.append([f"![AUC over the number of labelled patients ({data})]({CURVE})"])
        written += [write_csv(out / "labels.csv", label_records(labels, data)), out / CURVE]
    if tuned is not None:
        parts.append(_tuned_section(tuned, data))
        written.append(write_csv(out / "finetuned.csv", label_records(tuned, data)))
    parts.append(text.times(cells))
    parts.append([NOTICE])
    with replaced(out / PAGE) as partial:
        whole = "\n\n".join("\n".join(lines) for lines in parts if lines)
        partial.write_text(whole + "\n", encoding="utf-8")
    return written


def figure_text(figure: Figure, digits: int, sign: str = "") -> str:
    """``mean [interval] (least seed to largest)``, the latter for two seeds or more."""
    shown = f"{figure.value:{sign}.{digits}f}"
    if figure.interval:
        shown += " [{:{s}.{d}f}, {:{s}.{d}f}]".format(*figure.interval, s=sign, d=digits)
    if len(figure.seeds) > 1:
        shown += f" ({min(figure.seeds):{sign}.{digits}f} to {max(figure.seeds):{sign}.{digits}f})"
    return shown


def _probe_sections(rows: Rows, data: str) -> list[list[str]]:
    sections = [text.reading_probes(rows, data)]
    for title, measures in (
        ("Outlines of nuclei", OUTLINES),
        ("Where a slice lies", ABSOLUTE),
        ("How two slices of a clip lie to one another", RELATIVE),
        ("Which plane a slice is nearest to", PLANE),
    ):
        body = [
            [features, ROW_NAMES[features, name], *(_shown(row, one) for one in measures)]
            for (features, name), row in rows.items()
        ]
        header = ["features", "arm", *(f"{one.title} {_arrow(one)}" for one in measures)]
        sections.append([f"### {title} ({data})", "", *table(header, body)])
    sections += [_nuclei(rows, probe, data) for probe in ("linear", "dpt")]
    if compared := _compared(rows):
        sections.append(text.differences(data) + compared)
    return sections


def _arrow(measure: Measure) -> str:
    return "↑" if measure.higher else "↓"


def _shown(row: ProbeRow, measure: Measure) -> str:
    return figure_text(row.figure(measure), measure.digits)


def _nuclei(rows: Rows, probe: str, data: str) -> list[str]:
    """Dice of each nucleus; intervals are in the CSV file."""
    found = {key: row.nuclei(probe) for key, row in rows.items()}
    names = list(next(iter(found.values())))
    body = [
        [key[0], ROW_NAMES[key], *(f"{one[name].value:.3f}" for name in names)]
        for key, one in found.items()
    ]
    title = {"linear": "Linear Dice", "dpt": "DPT Dice"}[probe]
    return [f"### {title} by nucleus ({data})", "", *table(["features", "arm", *names], body)]


def _pairs(rows: Rows) -> list[tuple[str, ProbeRow, ProbeRow]]:
    return [
        (f"{ROW_NAMES[one]} − {ROW_NAMES[other]}", rows[one], rows[other])
        for one, other in COMPARED
        if one in rows and other in rows
    ]


def _compared(rows: Rows) -> list[str]:
    body = []
    for name, one, other in _pairs(rows):
        cells = []
        for measure in MEASURES:
            if (figure := one.minus(other, measure)) is not None:
                shown = figure_text(figure, measure.digits, "+")
                better = "better" if (figure.value > 0) == measure.higher else "worse"
                cells.append(f"{shown} {better}" if figure.apart else shown)
        body.append([name, *cells])
    header = ["", *(_long(one) for one in MEASURES if not one.pooled)]
    return table(header, body) if body else []


def _long(measure: Measure) -> str:
    group = measure.key.split("_")[0]
    return (
        f"{group} {measure.title}" if group in ("absolute", "relative", "plane") else measure.title
    )


def _gap_section(found: Sequence[tuple[str, int, dict[str, Any]]], data: str) -> list[str]:
    body = []
    for arm, seed, gap in found:
        errors = [
            f"{gap['errors'][one]:.4f}" for one in ("aligned", "shuffled", "zeroed", "copied")
        ]
        interval = gap["interval"]
        shown = f"{gap['aligned_minus_shuffled']:+.4f}"
        shown += " [{:+.4f}, {:+.4f}]".format(*interval) if interval else ""
        body.append([arm, str(seed), str(gap["patients"]), *errors, shown])
    names = ("aligned", "shuffled", "zeroed", "same slice again")
    header = ["arm", "seed", "patients", *(f"error: {one}" for one in names)]
    return [*text.gap(data), *table([*header, "aligned − shuffled"], body)]


def _label_section(labels: LabelResults, data: str) -> list[str]:
    body, apart = [], []
    for name in labels.encoders:
        known = [labels.rows.get((name, size)) for size in labels.sizes]
        body.append([ENCODERS[name], *("" if one is None else _auc(one) for one in known)])
        differences = [labels.minus_random(name, size) for size in labels.sizes]
        if name != "random" and any(differences):
            shown = ["" if one is None else _points(one) for one in differences]
            apart.append([f"{ENCODERS[name]} − {ENCODERS['random']}", *shown])
    header = ["frozen encoder", *(f"{size} labels" for size in labels.sizes)]
    lines = [*text.labels(labels, data), *table(header, body)]
    return [*lines, "", *table(["difference", *header[1:]], apart)] if apart else lines


def _tuned_section(tuned: LabelResults, data: str) -> list[str]:
    body = [
        [ENCODERS.get(name, name), str(size), str(len(row.seeds)), _auc(row)]
        for (name, size), row in tuned.rows.items()
    ]
    return [
        *text.finetuned(tuned, data),
        *table(["encoder's start", "labels", "seeds", "AUC"], body),
    ]


def _auc(row: LabelRow) -> str:
    return figure_text(_percent(Figure(row.auc[0], row.auc[1:], row.seeds)), 1)


def _points(difference: Figure) -> str:
    """A difference of areas in points of percent."""
    better = "better" if difference.value > 0 else "worse"
    shown = figure_text(_percent(difference), 1, "+")
    return f"{shown} {better}" if difference.apart else shown


def _percent(figure: Figure) -> Figure:
    low, high = figure.interval or (0.0, 0.0)
    return Figure(
        100 * figure.value, (100 * low, 100 * high), tuple(100 * one for one in figure.seeds)
    )
