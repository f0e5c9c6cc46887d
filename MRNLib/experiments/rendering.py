"""The tables as Markdown and CSV: the paper's figures beside ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MRNLib.bootstrap import Figure
from MRNLib.delong import AucComparison
from MRNLib.experiments.cells import IMAGE_ORACLE, LATENT_ORACLE, ORACLES, latent_variant
from MRNLib.experiments.findings import findings, p_text
from MRNLib.experiments.layout import Figures, Row, Table
from MRNLib.experiments.measuring import ALWAYS, Measurer
from MRNLib.experiments.origin import origin
from MRNLib.experiments.preface import Facts, marked_weights, preface
from MRNLib.markdown import measure_title
from MRNLib.markdown import table as markdown_table
from MRNLib.writing import replaced

EMPTY = ""


def page(
    tables: Sequence[Table], measurer: Measurer, facts: Facts, plots: Mapping[str, Sequence[str]]
) -> str:
    """All tables as one Markdown page.

    Args:
        tables: In their order.
        measurer: Gives the figures.
        facts: About the experiment.
        plots: File names of pictures beside the page, by their table.
    """
    parts = preface(tables, measurer, facts)
    parts.append(["## What was measured", "", *findings(tables, measurer)])
    if facts.notes:
        parts.append([facts.notes.strip()])
    for table in tables:
        parts.append(_section(table, measurer, facts))
        for name in plots.get(table.number, ()):
            parts.append([f"![{Path(name).stem} ({facts.data})]({name})"])
    parts.append([f"## What computed this page ({facts.data})", "", *origin(measurer.results)])
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _section(table: Table, measurer: Measurer, facts: Facts) -> list[str]:
    rows = with_oracles(table, measurer)
    names = (*ALWAYS, *table.measures)
    head = [*table.columns, "paper: accuracy · AUC · F1", "n", *map(measure_title, names), "p"]
    if table.latent and ORACLES in measurer.results:
        head.append("latent oracle's AUC")
    body = [_cells(table, row, names, measurer) for row in rows]
    notes = [row[-1] for row in body]
    if any(notes):
        head.append(EMPTY)
    else:
        body = [row[:-1] for row in body]
    number = f"Table {table.number}. " if table.number.isdigit() else ""
    lines = [f"## {number}{table.title} ({facts.data})", "", *markdown_table(head, body)]
    return [*lines, "", table.note] if table.note else lines


def with_oracles(table: Table, measurer: Measurer) -> list[Row]:
    """The table's rows, with the oracles below where they were measured."""
    rows = [row for row in table.rows if row.cells != (ORACLES,)]
    if ORACLES not in measurer.results:
        return rows
    padding = ("",) * (len(table.columns) - 1)
    labels = {IMAGE_ORACLE: ("Image oracle", *padding), LATENT_ORACLE: ("Latent oracle", *padding)}
    labels |= {row.variant: row.labels for row in table.rows if row.cells == (ORACLES,)}
    return rows + [
        Row((f"*{name}*", *others), (ORACLES,), variant=variant)
        for variant, (name, *others) in labels.items()
    ]


def _cells(table: Table, row: Row, names: Sequence[str], measurer: Measurer) -> list[str]:
    latent = table.latent and ORACLES in measurer.results
    missing = measurer.why_missing(row)
    shown = [*row.labels, _paper(row.paper)]
    if missing:
        empty = [EMPTY] * (len(names) + 2 + latent)
        return [*shown, *empty, missing]
    shown.append(str(measurer.patients))
    shown += [_figure(measurer.figure(row, name), name) for name in names]
    shown.append(_p_value(measurer.against_full(row)))
    if latent:
        shown.append(_latent(row, measurer))
    return [*shown, marked_weights(row, measurer)]


def _latent(row: Row, measurer: Measurer) -> str:
    if row.cells == (ORACLES,):
        return EMPTY
    oracle = Row((), (ORACLES,), variant=latent_variant(row.variant))
    return _percent(measurer.figure(oracle, "auc")[0])


def _paper(figures: Figures | None) -> str:
    if figures is None:
        return "–"
    values = (figures.accuracy, figures.auc, figures.f1)
    return " · ".join("–" if value is None else f"{value:.1f}" for value in values)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _figure(figure: Figure, name: str) -> str:
    value, low, high = figure
    if name in ("brier", "ece"):  # no shares of patients
        return f"{value:.3f} [{low:.3f}, {high:.3f}]"
    return f"{_percent(value)} [{_percent(low)}, {_percent(high)}]"


def _p_value(compared: AucComparison | None) -> str:
    if compared is None:
        return "–"
    return p_text(compared.p)


def write_csv(table: Table, measurer: Measurer, facts: Facts, path: Path) -> None:
    """One table with everything a reader might compute with; shares of 1, not percent."""
    names = (*ALWAYS, *table.measures)
    rows = [_record(table, row, names, measurer, facts) for row in with_oracles(table, measurer)]
    with replaced(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _record(
    table: Table, row: Row, names: Sequence[str], measurer: Measurer, facts: Facts
) -> dict[str, Any]:
    missing, paper = measurer.why_missing(row), row.paper
    record: dict[str, Any] = {"table": table.number, "data": facts.data, "scale": facts.scale}
    record |= dict(zip(table.columns, (one.strip("*") for one in row.labels), strict=True))
    record |= {"cells": " ".join(row.cells), "variant": row.variant, "missing": missing}
    for name in ALWAYS:
        value = None if paper is None else getattr(paper, name)
        record[f"paper_{name}"] = None if value is None else round(value / 100, 4)
    record["patients"] = None if missing else measurer.patients
    for name in names:
        figure = (None,) * 3 if missing else measurer.figure(row, name)
        for ending, value in zip(("", "_low", "_high"), figure, strict=True):
            record[name + ending] = None if value is None else round(value, 5)
    compared = None if missing else measurer.against_full(row)
    for name in ("difference", "low", "high", "z", "p"):
        record[f"delong_{name}"] = None if compared is None else getattr(compared, name)
    record["weights"] = None if missing else measurer.scored(row).weights
    record["seconds"] = None if missing else measurer.scored(row).seconds
    return record
