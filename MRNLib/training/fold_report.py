"""What the folds of a training are worth: each on whom it held out, all together on the unseen.

Without a validation set the only figures are those of single folds: an ensemble has seen everybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNLib.anatomy import NOTICE
from MRNLib.bootstrap import Bootstrap
from MRNLib.markdown import INTERVALS, Figure, figure_table, figure_text, measure_title, table
from MRNLib.metrics import classification_metrics
from MRNLib.training.calibration import unseen_by
from MRNLib.training.folds import TrainedFold
from MRNLib.training.predictions import (
    Votes,
    ensemble,
    out_of_fold,
    read_predictions,
)
from MRNLib.training.search import Trial, cross_entropy
from MRNLib.writing import replaced

# What the table of a search shows.
SEARCH_MEASURES = ("auc", "accuracy", "f1", "brier")


@dataclass(frozen=True)
class Row:
    """Figures of one system on one set of patients."""

    name: str
    patients: int
    measures: dict[str, Figure]


def measured(votes: Votes, draws: int, names: Sequence[str] | None = None) -> dict[str, Figure]:
    """Measures of the mean probability with 95 % bootstrap intervals, uncalibrated."""
    bootstrap = Bootstrap(votes.diagnoses, draws=draws)
    return bootstrap.figures(names or classification_metrics(), votes.probabilities())


def fold_rows(
    folds: Sequence[TrainedFold], validation: Sequence[str], draws: int = 1000
) -> list[Row]:
    """Each fold's held-out figures, those of all folds, and the ensemble's on validation.

    Args:
        folds: All folds of a split, their predictions kept beside them.
        validation: Identifiers of patients that none of them was trained on.
        draws: Bootstrap draws.
    """
    kept = {one.fold: read_predictions(one) for one in folds}
    rows = []
    for one in folds:
        votes = ensemble([kept[one.fold]], sorted(one.held_out), tta=False)
        rows.append(_row(f"fold {one.fold}, its held-out patients", votes, draws))
    assigned = {name: kept[one.fold] for name, one in unseen_by(folds).items()}
    for tta in (False, True):
        mirror = ", mirror averaged in" if tta else ""
        votes = out_of_fold(assigned, tta=tta)
        rows.append(_row(f"all folds, each patient by the one without it{mirror}", votes, draws))
    for tta in (False, True) if validation else ():
        mirror = ", mirror averaged in" if tta else ""
        votes = ensemble(list(kept.values()), validation, tta=tta)
        rows.append(_row(f"{len(folds)} folds averaged, validation{mirror}", votes, draws))
    return rows


def _row(name: str, votes: Votes, draws: int) -> Row:
    return Row(name, len(votes.diagnoses), measured(votes, draws))


def write_report(folder: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> Path:
    """Writes ``report.md`` and ``report.json``; returns the former."""
    figures = {f"{row.name} (n={row.patients})": row.measures for row in rows}
    names = list(rows[0].measures)
    lines = [
        f"# {facts['folds']} folds on {facts['patients']}",
        "",
        f"**{NOTICE}**{_digital(facts)}",
        "",
        f"Settings: `settings.yaml`. {INTERVALS} Probabilities are not calibrated here; the "
        "mirror is the paper's test-time augmentation, which it uses in final submissions only.",
        "",
        *figure_table(figures, names),
        "",
        f"{facts['minutes']:.1f} minutes of training on {facts['device']}, all folds added up.",
        "",
    ]
    listed = [
        {"name": row.name, "patients": row.patients, "measures": row.measures} for row in rows
    ]
    _write(folder / "report.json", json.dumps({**facts, "rows": listed}, indent=1) + "\n")
    return _write(folder / "report.md", "\n".join(lines))


def write_search(
    folder: Path, trials: Sequence[Trial], chosen: Trial, facts: Mapping[str, Any], draws: int
) -> Path:
    """Writes ``search.md`` and ``search.json``; returns the former."""
    listed, rows = [], []
    for trial in trials:
        entry: dict[str, Any] = {"overrides": list(trial.overrides), "seconds": trial.seconds}
        cells = [" ".join(f"`{one}`" for one in trial.overrides)]
        if trial.votes is None:
            entry["failure"] = trial.failure
            cells += [f"failed: {trial.failure.splitlines()[0]}", *[""] * len(SEARCH_MEASURES), ""]
        else:
            figures = measured(trial.votes, draws, SEARCH_MEASURES)
            entry |= {"measures": figures, "cross_entropy": cross_entropy(trial.votes)}
            cells += [figure_text(one) for one in figures.values()]
            cells += [f"{cross_entropy(trial.votes):.3f}", f"{trial.seconds / 60:.1f}"]
        cells.append("chosen" if trial == chosen else "")
        listed.append(entry)
        rows.append(cells)
    names = [*map(measure_title, SEARCH_MEASURES), "Cross-entropy", "Minutes", ""]
    lines = [
        f"# {len(trials)} settings, fold 0 judged on validation",
        "",
        f"**{NOTICE}**{_digital(facts)}",
        "",
        f"Fold 0 of {facts['folds']} on {facts['patients']}, judged on {facts['validation']} "
        f"validation patients: highest AUC, then lowest cross-entropy. {INTERVALS} The best of "
        "several figures on the same patients flatters the settings it belongs to.",
        "",
        *table(["Settings", *names], rows),
        "",
    ]
    record = {**facts, "chosen": list(chosen.overrides), "trials": listed}
    _write(folder / "search.json", json.dumps(record, indent=1) + "\n")
    return _write(folder / "search.md", "\n".join(lines))


def _digital(facts: Mapping[str, Any]) -> str:
    if facts["trained_on"] != "phantom":
        return ""
    return " Digital patients (phantoms): these figures say nothing about real ones."


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
