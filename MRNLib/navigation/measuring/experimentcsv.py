"""The experiment's figures as CSV: everything a reader might compute with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from MRNLib.navigation.measuring.gapstatistics import BETWEEN, WITHIN, Gap, contrasts
from MRNLib.navigation.measuring.labelstatistics import LabelResults
from MRNLib.navigation.measuring.probemeasures import MEASURES
from MRNLib.navigation.measuring.probestatistics import COMPARED, Figure, Rows
from MRNLib.writing import replaced


def probe_records(rows: Rows, data: str) -> Iterable[dict[str, Any]]:
    """Every measure of every row, and of the compared ones' differences."""
    for (features, name), row in rows.items():
        base = {"data": data, "features": features, "arm": name, "minus": ""}
        for measure in row.measures:
            yield {**base, "measure": measure.key, **_numbers(row.figure(measure))}
        for probe in ("linear", "dpt"):
            for nucleus, figure in row.nuclei(probe).items():
                yield {**base, "measure": f"{probe}_dice {nucleus}", **_numbers(figure)}
    for one, other in COMPARED:
        for measure in MEASURES if one in rows and other in rows else ():
            if (difference := rows[one].minus(rows[other], measure)) is not None:
                minus = other[1] if other[0] == one[0] else " ".join(other)
                base = {"data": data, "features": one[0], "arm": one[1], "minus": minus}
                yield {**base, "measure": measure.key, **_numbers(difference)}


def _numbers(figure: Figure) -> dict[str, Any]:
    low, high = figure.interval or ("", "")
    return {
        "value": figure.value,
        "low": low,
        "high": high,
        "seeds": len(figure.seeds),
        "least_seed": min(figure.seeds),
        "largest_seed": max(figure.seeds),
    }


def gap_records(found: Sequence[Gap], data: str) -> Iterable[dict[str, Any]]:
    """The held-out errors, one row for a pre-training, patient and kind of path."""
    for one in found:
        for patient, kinds in one.record["by_patient"].items():
            for kind, errors in kinds.items():
                row = {"data": data, "arm": one.arm, "seed": one.seed, "patient": patient}
                yield {**row, "kind": kind, **errors}


def gap_difference_records(found: Sequence[Gap], data: str) -> Iterable[dict[str, Any]]:
    """Differences of errors over seeds, one row a kind of path."""
    for one in contrasts(found, (*WITHIN, *BETWEEN)):
        (arm, told), (minus_arm, minus_told) = one.one, one.other
        names = {"arm": arm, "told": told, "minus_arm": minus_arm, "minus_told": minus_told}
        yield {"data": data, **names, "kind": one.kind, **_numbers(one.figure)}


def label_records(labels: LabelResults, data: str, read_out: str) -> Iterable[dict[str, Any]]:
    """Areas under the curve, shares of 1, by what is behind the encoder."""
    for (name, size), row in labels.rows.items():
        figure = row.figure
        record = {"data": data, "encoder": name, "labels": size, "test_patients": labels.patients}
        yield record | {
            "read_out": read_out,
            **_numbers(figure),
            "auc_of_seeds": " ".join(f"{one:.5f}" for one in figure.seeds),
        }


def write_csv(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Writes a table; floats with six digits."""
    rows = [
        {k: round(v, 6) if isinstance(v, float) else v for k, v in one.items()} for one in records
    ]
    with replaced(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
