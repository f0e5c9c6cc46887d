"""What the figures say, in sentences that follow from them by rule.

A difference of AUCs counts as one when DeLong's p is below .05; otherwise the sentence says that
these patients do not tell the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from MRNLib.experiments.cells import FULL, IMAGE_ORACLE, LATENT_ORACLE, ORACLES
from MRNLib.experiments.layout import Row, Table
from MRNLib.experiments.measuring import Measurer

LEVEL = 0.05
# What a component adds, all else equal: the row with it, the row without it.
COMPONENTS = (
    ("FFA (beside SFA and DPT)", "mrn-d-ffa-sfa-dpt", "mrn-d-sfa-dpt"),
    ("DPT (beside FFA and SFA)", "mrn-d-ffa-sfa-dpt", "mrn-d-ffa-sfa"),
    ("SFA (in the full model)", FULL, "mrn-d-ffa-dpt-msupmoco"),
    ("mSupMoCo (in the full model)", FULL, "mrn-d-ffa-sfa-dpt"),
)
# Two rows of a table that its text compares: the first one's name and cell, then the second one's.
PAIRS = {
    "6": (("SERes10-mSupMoCo", "seres10-msupmoco"), ("SERes10", "seres10")),
    "7": (("MRN with the larger backbone", FULL), ("the smaller one", "mrn-small")),
    "8": (("MRN-DPT-Local", FULL), ("MRN-DPT-Global", "mrn-global")),
}


def findings(tables: Sequence[Table], measurer: Measurer) -> list[str]:
    """Markdown list items about the tables asked for."""
    full = Row(("MRN",), (FULL,))
    missing = measurer.why_missing(full)
    if missing:
        return [f"- The full model is not there ({missing}), so nothing is compared with it."]
    by_number = {table.number: table for table in tables}
    lines = [_against_oracles(measurer, full)]
    if "systems" in by_number:
        lines += _systems(by_number["systems"], measurer, full)
    if "2" in by_number:
        lines += _components(measurer)
    for number, what in (("3", "depth"), ("5", "size of the bank"), ("6", "temperature")):
        if number in by_number:
            lines += _best(by_number[number], measurer, what)
    if "4" in by_number:
        lines += _maskings(by_number["4"], measurer)
    for number, (first, second) in PAIRS.items():
        if number in by_number:
            lines += _pair(first, second, measurer)
    return [f"- {line}" for line in lines]


def _against_oracles(measurer: Measurer, full: Row) -> str:
    value, low, high = measurer.figure(full, "auc")
    text = f"MRN's AUC is {_points(value)} [{_points(low)}, {_points(high)}]"
    if ORACLES not in measurer.results:
        return f"{text}."
    values = [
        _points(measurer.figure(Row((), (ORACLES,), variant=one), "auc")[0])
        for one in (IMAGE_ORACLE, LATENT_ORACLE)
    ]
    return f"{text}; the image oracle's on the same patients is {values[0]}, the latent one's " + (
        f"{values[1]}."
    )


def _systems(table: Table, measurer: Measurer, full: Row) -> list[str]:
    lines = []
    for row in table.rows:
        if row.cells in ((FULL,), (ORACLES,)) or measurer.why_missing(row):
            continue
        lines.append(_compared("MRN", full, row.labels[0], row, measurer))
    return lines


def _components(measurer: Measurer) -> list[str]:
    lines = []
    for name, with_it, without in COMPONENTS:
        first, second = Row((), (with_it,)), Row((), (without,))
        if measurer.why_missing(first) or measurer.why_missing(second):
            continue
        found = measurer.compare(first, second)
        gain = f"{_points(found.difference, sign=True)} points of AUC, {_p(found.p)}"
        verdict = "helps" if found.difference > 0 else "harms"
        if not found.p < LEVEL:
            verdict = "makes no difference that these patients show"
        lines.append(f"Table 2: {name} {verdict} ({gain}).")
    return lines


def _best(table: Table, measurer: Measurer, what: str) -> list[str]:
    """The highest and the lowest AUC of a table, and whether they differ."""
    baseline = table.rows[0].cells == ("seres10",)
    rows = [one for one in table.rows[int(baseline) :] if not measurer.why_missing(one)]
    if len(rows) < 2:
        return []
    ordered = sorted(rows, key=lambda row: measurer.figure(row, "auc")[0])
    name = _named(table)
    low, high = (
        f"{_points(measurer.figure(row, 'auc')[0])} with {name(row)}"
        for row in (ordered[0], ordered[-1])
    )
    p = measurer.compare(ordered[-1], ordered[0]).p
    if p < LEVEL:
        text = f"the AUC goes from {low} to {high} ({_p(p)}; this pair was picked after the fact)"
    else:
        text = f"no {what} is told apart from another (AUC {low} to {high}, {_p(p)})"
    return [f"Table {table.number}: {text}."]


def _named(table: Table) -> Callable[[Row], str]:
    if len(table.columns) == 1:
        return lambda row: row.labels[0]
    return lambda row: ", ".join(
        f"{column} {label}" for column, label in zip(table.columns, row.labels, strict=True)
    )


def _maskings(table: Table, measurer: Measurer) -> list[str]:
    """Which single ROI costs most."""
    single = [row for row in table.rows if sum(map(bool, row.labels)) == 1]
    single = [row for row in single if not measurer.why_missing(row)]
    if not single:
        return []
    worst = min(single, key=lambda row: measurer.figure(row, "auc")[0])
    found = measurer.against_full(worst)
    assert found is not None  # a masked row is not the full model's
    everything = table.rows[-1]
    alone = _points(measurer.figure(everything, "auc")[0])
    return [
        f"Table 4: of single ROIs, masking {worst.variant} costs most "
        f"({_points(found.difference, sign=True)} points of AUC, {_p(found.p)}; in the paper it is "
        f"NM, −5.6). With all four masked the AUC is {alone}."
    ]


def _pair(first: tuple[str, str], second: tuple[str, str], measurer: Measurer) -> list[str]:
    rows = [Row((), (cell,)) for _, cell in (first, second)]
    if any(map(measurer.why_missing, rows)):
        return []
    return [_compared(first[0], rows[0], second[0], rows[1], measurer)]


def _compared(name: str, row: Row, other_name: str, other: Row, measurer: Measurer) -> str:
    found = measurer.compare(row, other)
    where = "above" if found.difference > 0 else "below"
    by = f"{_points(abs(found.difference))} points {where}"
    of = f"that of {other_name}"
    if found.p < LEVEL:
        return f"The AUC of {name} is {by} {of} ({_p(found.p)})."
    return f"The AUC of {name} is not told apart from {of} ({by}, {_p(found.p)})."


def _points(share: float, *, sign: bool = False) -> str:
    text = f"{100 * share:+.1f}" if sign else f"{100 * share:.1f}"
    return text.replace("-", "−")


def _p(p: float) -> str:
    return f"p {p_text(p)}" if p_text(p).startswith("<") else f"p = {p_text(p)}"


def p_text(p: float) -> str:
    """A p value as it is printed."""
    if p != p:
        return "–"
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"
