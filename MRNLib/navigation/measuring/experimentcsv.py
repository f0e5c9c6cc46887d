"""The experiment's figures as CSV: everything a reader might compute with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from MRNLib.navigation.measuring.labelstatistics import LabelResults
from MRNLib.navigation.measuring.probestatistics import COMPARED, MEASURES, Figure, Rows
from MRNLib.writing import replaced


def probe_records(rows: Rows, data: str) -> Iterable[dict[str, Any]]:
    """Every measure of every row, and of the compared ones' differences."""
    for (features, name), row in rows.items():
        base = {"data": data, "features": features, "arm": name, "minus": ""}
        for measure in MEASURES:
            yield {**base, "measure": measure.key, **_numbers(row.figure(measure))}
        for probe in ("linear", "dpt"):
            for nucleus, figure in row.nuclei(probe).items():
                yield {**base, "measure": f"{probe}_dice {nucleus}", **_numbers(figure)}
    for one, other in COMPARED:
        for measure in MEASURES if one in rows and other in rows else ():
            if (difference := rows[one].minus(rows[other], measure)) is not None:
                base = {"data": data, "features": one[0], "arm": one[1], "minus": other[1]}
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


def gap_records(
    found: Sequence[tuple[str, int, dict[str, Any]]], data: str
) -> Iterable[dict[str, Any]]:
    """The held-out gaps, one row a pre-training."""
    for arm, seed, gap in found:
        low, high = gap["interval"] or ("", "")
        errors = {f"error_{name}": value for name, value in gap["errors"].items()}
        shared = {"aligned_minus_shuffled": gap["aligned_minus_shuffled"], "low": low, "high": high}
        yield {
            "data": data,
            "arm": arm,
            "seed": seed,
            "patients": gap["patients"],
            **errors,
            **shared,
        }


def label_records(labels: LabelResults, data: str) -> Iterable[dict[str, Any]]:
    """Areas under the curve, shares of 1."""
    for (name, size), row in labels.rows.items():
        value, low, high = row.auc
        record = {"data": data, "encoder": name, "labels": size, "test_patients": labels.patients}
        yield record | {
            **_numbers(Figure(value, (low, high), row.seeds)),
            "auc_of_seeds": " ".join(f"{one:.5f}" for one in row.seeds),
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
