"""What the figures say, in sentences that follow from them by rule.

A difference of AUCs counts as one when DeLong's p is below .05; otherwise the sentence says that
these patients do not tell the two apart. Sentences say what was seen of two trainings, not what a
component does: there is one training a row, and the folds of one recipe show what that is worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import combinations

from MRNLib.experiments.cells import FULL, IMAGE_ORACLE, LATENT_ORACLE, MIDBRAIN_FOLDS, ORACLES
from MRNLib.experiments.layout import Row, Table
from MRNLib.experiments.measuring import Measurer

LEVEL = 0.05
P_VALUE = r"\bp [=<]"  # as :func:`_p` writes one
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
    """Markdown about the tables asked for: what the list is worth, then its items."""
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
    for number in ("3", "5", "6"):
        if number in by_number:
            lines += _best(by_number[number], measurer)
    if "4" in by_number:
        lines += _maskings(by_number["4"], measurer)
    for number, (first, second) in PAIRS.items():
        if number in by_number:
            lines += _pair(first, second, measurer)
    return [*_worth(lines, measurer), *(f"- {line}" for line in lines)]


def _worth(lines: Sequence[str], measurer: Measurer) -> list[str]:
    """What a reader must know before any of the comparisons."""
    compared = sum(len(re.findall(P_VALUE, line)) for line in lines)
    if not compared:
        return []
    many = f"the {compared} comparisons" if compared > 1 else "other comparisons"
    return [
        "One seed stands behind each row. DeLong's *p* holds the chance of the patients only, not "
        "that of the training: another seed may turn a difference round. It is not corrected for "
        f"{many} below.{_one_recipe(measurer)}",
        "",
    ]


def _one_recipe(measurer: Measurer) -> str:
    """How often trainings of one recipe are told apart, where there are several."""
    rows = [Row((), (fold,)) for fold in MIDBRAIN_FOLDS]
    if any(map(measurer.why_missing, rows)):
        return ""
    values = sorted(measurer.figure(row, "auc")[0] for row in rows)
    pairs = [measurer.compare(*pair).p for pair in combinations(rows, 2)]
    told = sum(p < LEVEL for p in pairs)
    return (
        f" How much that is: the midbrain CNN's {len(rows)} folds, one recipe, have AUCs from "
        f"{_points(values[0])} to {_points(values[-1])} on these patients, and *p* is below "
        f".05 for {told} of their {len(pairs)} pairs."
    )


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
        higher = "higher" if found.difference > 0 else "lower"
        seen = f"this training scored {higher} with it"
        if not found.p < LEVEL:
            seen = "the trainings with and without it are not told apart"
        lines.append(f"Table 2: {name}: {seen} ({gain}{_phases(first, second, measurer)}).")
    return lines


def _phases(row: Row, other: Row, measurer: Measurer) -> str:
    """How many epochs either has, where only one of two networks has a phase 1."""
    found = [_epochs(one, measurer) for one in (row, other)]
    if None in found or len({bool(one[0]) for one in found if one}) == 1:
        return ""
    first, second = (sum(one) for one in found if one)
    return f"; phase 1 is part of the difference: {first} epochs against {second}"


def _epochs(row: Row, measurer: Measurer) -> tuple[int, int] | None:
    """Of phase 1 and phase 2; None for what is no network."""
    train = measurer.results[row.cells[0]].identity.get("settings", {}).get("train")
    return train and (train["phase1_epochs"], train["phase2_epochs"])


def _best(table: Table, measurer: Measurer) -> list[str]:
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
        text = f"the highest and the lowest are not told apart (AUC {low} to {high}, {_p(p)})"
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
    accuracy = {
        row.variant: measurer.figure(row, "accuracy")[0] for row in (table.rows[0], *single)
    }
    least = min(single, key=lambda row: accuracy[row.variant]).variant
    return [
        f"Table 4: of single ROIs, masking {worst.variant} costs most AUC "
        f"({_points(found.difference, sign=True)} points, {_p(found.p)}; in the paper it is "
        f"NM, −5.6). With all four masked the AUC is {alone}.",
        f"Table 4: masking {least} costs most accuracy, from {_points(accuracy[''])} to "
        f"{_points(accuracy[least])} (in the paper NM, from 83.0 to 76.0). A masked ROI moves all "
        "probabilities, so that accuracy at .5 measures the threshold as much as what is lost.",
    ]


def _pair(first: tuple[str, str], second: tuple[str, str], measurer: Measurer) -> list[str]:
    rows = [Row((), (cell,)) for _, cell in (first, second)]
    if any(map(measurer.why_missing, rows)):
        return []
    return [_compared(first[0], rows[0], second[0], rows[1], measurer)]


def _compared(name: str, row: Row, other_name: str, other: Row, measurer: Measurer) -> str:
    found = measurer.compare(row, other)
    where = "below" if found.difference < 0 else "above"
    by = f"{_points(abs(found.difference))} points {where}"
    of = f"that of {other_name}"
    end = f"{_p(found.p)}{_phases(row, other, measurer)})."
    if found.p < LEVEL:
        return f"The AUC of {name} is {by} {of} ({end}"
    return f"The AUC of {name} is not told apart from {of} ({by}, {end}"


def _points(share: float, *, sign: bool = False) -> str:
    points = round(100 * share, 1) + 0.0  # no -0
    text = f"{points:+.1f}" if sign else f"{points:.1f}"
    return text.replace("-", "−")


def _p(p: float) -> str:
    return f"p {p_text(p)}" if p_text(p).startswith("<") else f"p = {p_text(p)}"


def p_text(p: float) -> str:
    """A p value as it is printed."""
    if p != p:
        return "–"
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"
