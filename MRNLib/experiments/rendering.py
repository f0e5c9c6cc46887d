"""The tables as Markdown and CSV: the paper's figures beside ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNLib.bootstrap import Figure
from MRNLib.delong import AucComparison
from MRNLib.experiments.cells import IMAGE_ORACLE, LATENT_ORACLE, ORACLES, latent_variant
from MRNLib.experiments.findings import findings, p_text
from MRNLib.experiments.layout import Figures, Row, Table
from MRNLib.experiments.measuring import ALWAYS, Measurer
from MRNLib.markdown import measure_title
from MRNLib.markdown import table as markdown_table
from MRNLib.writing import replaced

EMPTY = ""
RANDOM = "random weights"


@dataclass(frozen=True)
class Facts:
    """What the page says about the experiment.

    Attributes:
        data: ``phantom`` or ``human``.
        command: What made it.
        scale: ``smoke``, ``tiny`` or ``paper``.
        training: Patients in the training folder, of whom a fold is left out.
        evaluation: Patients evaluated on.
        notes: Markdown that somebody wrote about this run, or empty.
    """

    data: str
    command: str
    scale: str
    training: int
    evaluation: int
    notes: str = ""


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
    parts = [_opening(facts), _weights_section(tables, measurer), _reading(facts)]
    parts.append(["## What was measured", "", *findings(tables, measurer)])
    if facts.notes:
        parts.append([facts.notes.strip()])
    for table in tables:
        parts.append(_section(table, measurer, facts))
        for name in plots.get(table.number, ()):
            parts.append([f"![{Path(name).stem} ({facts.data})]({name})"])
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _opening(facts: Facts) -> list[str]:
    if facts.data == "phantom":
        lines = ["# The paper's tables, measured on phantoms", ""]
        lines += [
            "**Phantom.** Every figure of ours on this page was measured on digital patients. It "
            "says how the method works on images that a generator made, and nothing about people. "
            "The paper's figures were measured on 100 patients of the challenge; they stand beside "
            "ours to be looked at, not to be compared with.",
            "",
        ]
    else:
        lines = ["# The paper's tables, measured again", ""]
    lines += [
        f"Scale `{facts.scale}`: {facts.training} patients to train on, of whom the first of five "
        f"folds is left out, and {facts.evaluation} that no training saw, on whom everything is "
        "measured. Made by",
        "",
        "```",
        facts.command,
        "```",
    ]
    return lines


def _weights_section(tables: Sequence[Table], measurer: Measurer) -> list[str]:
    """What rows without published weights leave untested."""
    if not any(_weights(row, measurer) == RANDOM for table in tables for row in table.rows):
        return []
    return [
        f'**Rows marked "{RANDOM}"** were trained from a random start where the paper starts from '
        "published weights (DINOv2's, M3D-CLIP's). What makes the paper's case stays untested in "
        "them: that a network trained on natural images carries over to a few hundred MR scans, "
        "that fine-tuning it directly collapses while MRN does not (Tables 2 and 9), that a 3-D "
        "model of other images carries over less, and that a larger backbone carries over better "
        "(Table 7). They test that the method, its losses and its parts work and what they add to "
        "a network without prior knowledge."
    ]


def _reading(facts: Facts) -> list[str]:
    lines = [
        f"Figures are percentages; 95 % bootstrap intervals over the {facts.evaluation} patients "
        "in brackets, decisions at a probability of .5. *p* is DeLong's test of the row's AUC "
        "against the full model's on the same patients, not corrected for the number of rows. "
        "Every row is one training with one seed: neither interval nor *p* holds the spread "
        "between trainings."
    ]
    if facts.data == "phantom":
        lines.append(
            "The image oracle reads measurements inside the true masks (logistic regression, "
            "cross-validated on the evaluation patients); the latent oracle knows the state from "
            "which the images were made: no classifier can expect to be above it."
        )
    return lines


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
    names = {IMAGE_ORACLE: "Image oracle", LATENT_ORACLE: "Latent oracle"}
    return rows + [
        Row((f"*{name}*", *padding), (ORACLES,), variant=variant) for variant, name in names.items()
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
    return [*shown, _weights(row, measurer)]


def _latent(row: Row, measurer: Measurer) -> str:
    if row.cells == (ORACLES,):
        return EMPTY
    oracle = Row((), (ORACLES,), variant=latent_variant(row.variant))
    return _percent(measurer.figure(oracle, "auc")[0])


def _weights(row: Row, measurer: Measurer) -> str:
    if measurer.why_missing(row):
        return EMPTY
    return RANDOM if measurer.scored(row).weights == "random" else EMPTY


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
