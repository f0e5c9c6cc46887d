"""The experiment's tables of MRN and of linear models, by their number of labels."""

from __future__ import annotations

from MRNLib.markdown import table
from MRNLib.navigation.measuring import experimenttext as text
from MRNLib.navigation.measuring.experimenttables import figure_text
from MRNLib.navigation.measuring.labelstatistics import (
    COMPARED_ENCODERS,
    ENCODERS,
    LabelResults,
    LabelRow,
)
from MRNLib.navigation.measuring.probestatistics import Figure


def label_section(whole: LabelResults, linear: LabelResults, data: str) -> list[str]:
    """AUC by encoder and number of labels, and differences: of MRN, and of linear models."""
    header = ["frozen encoder", *(f"{size} labels" for size in whole.sizes)]
    fitted = [
        [ENCODERS[name], *("" if one is None else f"{100 * one:.0f}" for one in known)]
        for name in whole.encoders
        if any(known := [_fitted(whole, name, size) for size in whole.sizes])
    ]
    return [
        *text.labels(whole, data),
        f"### MRN behind the encoder ({data})",
        "",
        *_label_tables(whole, header),
        "",
        "AUC on the patients learned from, mean over seeds:",
        "",
        *table(header, fitted),
        "",
        f"### Logistic regression on the encoder's tokens ({data})",
        "",
        *_label_tables(linear, header),
    ]


def _fitted(labels: LabelResults, name: str, size: int) -> float | None:
    row = labels.rows.get((name, size))
    return None if row is None else row.training_auc


def _label_tables(labels: LabelResults, header: list[str]) -> list[str]:
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
    lines = table(header, body)
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
