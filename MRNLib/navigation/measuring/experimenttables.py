"""The experiment's tables of probes and of predictions."""

from __future__ import annotations

from collections.abc import Sequence

from MRNLib.markdown import table
from MRNLib.navigation.gap import TOLD
from MRNLib.navigation.measuring import experimenttext as text
from MRNLib.navigation.measuring.gapstatistics import (
    ALL_KINDS,
    BETWEEN,
    WITHIN,
    Contrast,
    Gap,
    Told,
    contrasts,
)
from MRNLib.navigation.measuring.probemeasures import (
    ABSOLUTE,
    EXPLAINED,
    OUTLINES,
    PLANE,
    RELATIVE,
    Measure,
)
from MRNLib.navigation.measuring.probestatistics import (
    CHANCE_ROW,
    COMPARED,
    ROW_NAMES,
    Figure,
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
    ("How much of the way from one slice to another is read", EXPLAINED),
    ("How far off the way from one slice to another is read", RELATIVE),
    ("Which plane a slice is nearest to", PLANE),
)


def probe_sections(rows: Rows, data: str) -> list[list[str]]:
    """All that the probes have read, each section a list of lines."""
    sections = [text.reading_probes(rows, data)]
    for title, wanted in SECTIONS:
        # A part that never moves has no measure.
        measures = [one for one in wanted if any(one in row.measures for row in rows.values())]
        body = [
            [features, ROW_NAMES[features, name], *(_shown(row, one) for one in measures)]
            for (features, name), row in rows.items()
            if {*measures} & {*row.measures}
        ]
        header = ["features", "arm", *(f"{one.title} {_arrow(one)}" for one in measures)]
        sections += [[f"### {title} ({data})", "", *table(header, body)]] if body else []
    sections += [_nuclei(rows, probe, data) for probe in ("linear", "dpt")]
    if compared := [
        one for title, measures in SECTIONS for one in _compared(rows, title, measures)
    ]:
        sections += [text.differences(data), *compared]
    return sections


def _arrow(measure: Measure) -> str:
    return "↑" if measure.higher else "↓"


def _shown(row: ProbeRow, measure: Measure) -> str:
    return figure_text(row.figure(measure), measure.digits) if measure in row.measures else ""


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


def _compared(rows: Rows, title: str, wanted: Sequence[Measure]) -> list[list[str]]:
    """One section's table of differences, if there is anything to compare."""
    pairs, chance, body = _pairs(rows), rows.get(CHANCE_ROW), []
    measures = [
        measure
        for measure in wanted
        if any(one.minus(other, measure) is not None for _, one, other in pairs)
    ]
    for name, one, other in pairs:
        cells = [_difference(one, other, chance, measure) for measure in measures]
        if any(cells):
            body.append([name, *cells])
    header = [title, *(f"{one.title} {_arrow(one)}" for one in measures)]
    return [table(header, body)] if body else []


def _difference(one: ProbeRow, other: ProbeRow, chance: ProbeRow | None, measure: Measure) -> str:
    """The difference, and a word where it is apart and one of the two reads anything at all."""
    figure = one.minus(other, measure)
    if figure is None:
        return ""
    shown = figure_text(figure, measure.digits, "+")
    if not figure.apart or not any(row.beats(chance, measure) for row in (one, other)):
        return shown
    return f"{shown} {'better' if (figure.value > 0) == measure.higher else 'worse'}"


def gap_section(found: Sequence[Gap], data: str) -> list[str]:
    """Held-out errors by pre-training; differences over seeds by kind of path."""
    body = []
    for one in found:
        errors = [f"{one.record['errors'][told]:.4f}" for told in TOLD]
        body.append([one.arm, str(one.seed), str(one.record["patients"]), *errors])
    names = ("aligned", "shuffled", "zeroed", "same slice again")
    lines = [
        *text.gap(data),
        *table(["arm", "seed", "patients", *(f"error: {one}" for one in names)], body),
        "",
        text.GAP_WITHIN,
        "",
        *_contrasts("arm", "aligned − shuffled", found, WITHIN),
    ]
    if not contrasts(found, BETWEEN):  # no aligned arm yet
        return lines
    between = _contrasts("difference", "error", found, BETWEEN)
    return [*lines, "", text.GAP_BETWEEN, "", *between]


def _contrasts(
    first: str, last: str, found: Sequence[Gap], pairs: Sequence[tuple[Told, Told]]
) -> list[str]:
    body = [
        [
            _contrast_name(one),
            "all" if one.kind == ALL_KINDS else one.kind.replace("_", " "),
            ", ".join(map(str, one.seeds)),
            figure_text(one.figure, 4, "+"),
        ]
        for one in contrasts(found, pairs)
    ]
    return table([first, "paths", "seeds", f"{last}, over seeds"], body)


def _contrast_name(contrast: Contrast) -> str:
    (arm, _), (other, told) = contrast.one, contrast.other
    if told == "copied":
        return f"{arm} arm − same slice again"
    return arm if arm == other else f"{arm} arm − {other} arm"
