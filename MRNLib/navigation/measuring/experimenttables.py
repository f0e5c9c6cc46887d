"""The tables of the experiment's page."""

from __future__ import annotations

from collections.abc import Sequence

from MRNLib.markdown import table
from MRNLib.navigation.gap import TOLD
from MRNLib.navigation.measuring import experimenttext as text
from MRNLib.navigation.measuring.gapstatistics import ALL_KINDS, Gap, pooled_gaps
from MRNLib.navigation.measuring.labelstatistics import (
    COMPARED_ENCODERS,
    ENCODERS,
    LabelResults,
    LabelRow,
)
from MRNLib.navigation.measuring.probestatistics import (
    ABSOLUTE,
    COMPARED,
    OUTLINES,
    PLANE,
    RELATIVE,
    ROW_NAMES,
    Figure,
    Measure,
    ProbeRow,
    Rows,
)


def figure_text(figure: Figure, digits: int, sign: str = "") -> str:
    """``mean [interval] (least seed to largest)``, the latter for two seeds or more."""
    shown = f"{figure.value:{sign}.{digits}f}"
    if figure.interval:
        shown += " [{:{s}.{d}f}, {:{s}.{d}f}]".format(*figure.interval, s=sign, d=digits)
    if len(figure.seeds) > 1:
        shown += f" ({min(figure.seeds):{sign}.{digits}f} to {max(figure.seeds):{sign}.{digits}f})"
    return shown


SECTIONS = (
    ("Outlines of nuclei", OUTLINES),
    ("Where a slice lies", ABSOLUTE),
    ("How two slices of a clip lie to one another", RELATIVE),
    ("Which plane a slice is nearest to", PLANE),
)


def probe_sections(rows: Rows, data: str) -> list[list[str]]:
    """All that the probes have read, each section a list of lines."""
    sections = [text.reading_probes(rows, data)]
    for title, measures in SECTIONS:
        body = [
            [features, ROW_NAMES[features, name], *(_shown(row, one) for one in measures)]
            for (features, name), row in rows.items()
            if measures[0] in row.measures
        ]
        header = ["features", "arm", *(f"{one.title} {_arrow(one)}" for one in measures)]
        sections.append([f"### {title} ({data})", "", *table(header, body)])
    sections += [_nuclei(rows, probe, data) for probe in ("linear", "dpt")]
    if compared := [
        one for title, measures in SECTIONS for one in _compared(rows, title, measures)
    ]:
        sections += [text.differences(data), *compared]
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


def _compared(rows: Rows, title: str, measures: Sequence[Measure]) -> list[list[str]]:
    """One section's table of differences, if there is anything to compare."""
    body = []
    for name, one, other in _pairs(rows):
        found = [(measure, one.minus(other, measure)) for measure in measures]
        cells = [_difference(figure, measure) for measure, figure in found if figure is not None]
        if cells:
            body.append([name, *cells])
    header = [title, *(f"{one.title} {_arrow(one)}" for one in measures if not one.pooled)]
    return [table(header, body)] if body else []


def _difference(figure: Figure, measure: Measure) -> str:
    shown = figure_text(figure, measure.digits, "+")
    better = "better" if (figure.value > 0) == measure.higher else "worse"
    return f"{shown} {better}" if figure.apart else shown


def gap_section(found: Sequence[Gap], data: str) -> list[str]:
    """Held-out errors by pre-training, and the gaps over seeds by kind of path."""
    body = []
    for one in found:
        errors = [f"{one.record['errors'][told]:.4f}" for told in TOLD]
        body.append([one.arm, str(one.seed), str(one.record["patients"]), *errors])
    names = ("aligned", "shuffled", "zeroed", "same slice again")
    header = ["arm", "seed", "patients", *(f"error: {one}" for one in names)]
    pooled = [
        [arm, "all" if kind == ALL_KINDS else kind.replace("_", " "), _gap(figure)]
        for (arm, kind), figure in pooled_gaps(found).items()
    ]
    return [
        *text.gap(data),
        *table(header, body),
        "",
        *table(["arm", "paths", "aligned − shuffled, over seeds"], pooled),
    ]


def _gap(figure: Figure) -> str:
    return figure_text(figure, 4, "+")


def label_section(labels: LabelResults, data: str) -> list[str]:
    """AUC by encoder and number of labels, and differences."""
    body = []
    for name in labels.encoders:
        known = [labels.rows.get((name, size)) for size in labels.sizes]
        body.append([ENCODERS[name], *("" if one is None else _auc(one) for one in known)])
    apart = []
    for one, other in COMPARED_ENCODERS:
        differences = [labels.minus(one, other, size) for size in labels.sizes]
        if any(differences):
            shown = ["" if figure is None else _points(figure) for figure in differences]
            apart.append([f"{ENCODERS[one]} − {ENCODERS[other]}", *shown])
    header = ["frozen encoder", *(f"{size} labels" for size in labels.sizes)]
    lines = [*text.labels(labels, data), *table(header, body)]
    return [*lines, "", *table(["difference", *header[1:]], apart)] if apart else lines


def tuned_section(tuned: LabelResults, data: str) -> list[str]:
    """AUC of whole MRNs, and differences."""
    body = [
        [ENCODERS.get(name, name), str(size), str(len(row.margins)), _auc(row)]
        for (name, size), row in tuned.rows.items()
    ]
    lines = [
        *text.finetuned(tuned, data),
        *table(["encoder's start", "labels", "seeds", "AUC"], body),
    ]
    apart = [
        [f"{ENCODERS[one]} − {ENCODERS[other]}", str(size), str(len(found.seeds)), _points(found)]
        for one, other in COMPARED_ENCODERS
        for size in tuned.sizes
        if (found := tuned.minus(one, other, size)) is not None
    ]
    return [*lines, "", *table(["difference", "labels", "seeds", "AUC"], apart)] if apart else lines


def _auc(row: LabelRow) -> str:
    return figure_text(_percent(row.figure), 1)


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
