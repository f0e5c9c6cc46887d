"""A score as files: the organisers' tables, one of all measures, and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from MRNLib.bootstrap import Figure
from MRNLib.challenge.cases import CaseResult
from MRNLib.challenge.regions import STRUCTURES
from MRNLib.challenge.scoring import Score
from MRNLib.challenge.segmentation import SegmentationScore

# Names that the organisers' script gives its tables.
ORGANISERS_FILES = {
    "NM": "batch_seg_eval_results_nm.csv",
    "QSM": "batch_seg_eval_results_qsm.csv",
}
MEASURES_FILE = "challenge_measures.csv"
JSON_FILE = "challenge_score.json"


def write_tables(score: Score, folder: Path) -> None:
    """Writes the tables and the JSON file into ``folder``."""
    for modality, name in ORGANISERS_FILES.items():
        if any(modality in one.measured for one in score.results):
            _write(folder / name, organisers_rows(score.results, modality))
    _write(folder / MEASURES_FILE, _measures(score.results))
    text = json.dumps(as_json(score), indent=2, allow_nan=False)
    (folder / JSON_FILE).write_text(text + "\n", encoding="utf-8")


def _write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def organisers_rows(results: Iterable[CaseResult], modality: str) -> Iterator[list[str]]:
    """Rows of the organisers' table: header, cases, and the average of the rounded values.

    What is infinite or not a number is written as ``inf`` or ``nan`` and left out of the average,
    which is ``nan`` if nothing remains.
    """
    columns = [structure.column for structure in STRUCTURES[modality]]
    yield ["Sample", *(f"{one}_{what}" for one in columns for what in ("Dice", "Hausdorff"))]
    rows = []
    for one in results:
        if modality in one.measured:
            pairs = [(found.dice, found.hausdorff) for found in one.measured[modality]]
            cells = [_rounded(value) for pair in pairs for value in pair]
            rows.append(cells)
            yield [f"{one.identifier}_{modality}", *cells]
    yield ["Average", *(_average(column) for column in zip(*rows, strict=True))]


def _rounded(value: float) -> str:
    return f"{value:.4f}"  # "inf" and "nan" where it is no number


def _average(cells: Sequence[str]) -> str:
    values = [value for value in map(float, cells) if math.isfinite(value)]
    return _rounded(sum(values) / len(values)) if values else "nan"


def _measures(results: Iterable[CaseResult]) -> Iterator[list[str]]:
    names = ("dice", "hausdorff_voxels", "hausdorff95_mm", "surface_distance_mm")
    yield ["case", "mask", "nucleus", "side", *names]
    for one in results:
        for modality, found in one.measured.items():
            for structure, values in zip(STRUCTURES[modality], found, strict=True):
                cells = [f"{value:.6g}" for value in asdict(values).values()]
                nucleus = structure.region.nucleus.key
                yield [one.identifier, modality, nucleus, structure.side, *cells]


def as_json(score: Score) -> dict[str, Any]:
    """The score as JSON values; what is infinite or not there is null."""
    segmentation, classification = score.segmentation, score.classification
    result: dict[str, Any] = {
        "cases": len(score.results),
        "segmentation": None,
        "classification": None,
        "problems": {one.identifier: one.problem for one in score.problems},
        "empty": {one.identifier: list(one.empty) for one in score.results if one.empty},
        "notes": list(score.notes),
    }
    if segmentation is not None:
        result["segmentation"] = {
            "composite_as_printed": _finite(segmentation.as_printed),
            "composite_as_summed": _finite(segmentation.as_summed),
            "qsm_score": _finite(segmentation.modality_score("QSM")),
            "nm_score": _finite(segmentation.modality_score("NM")),
            "missing": segmentation.missing,
            "over_asked": _over_asked(segmentation),
            "structures": [
                {"mask": modality, "nucleus": one.structure.region.nucleus.key}
                | {"side": one.structure.side, "score": _finite(one.score)}
                | {key: _finite(value) for key, value in vars(one).items() if key != "structure"}
                for modality, means in segmentation.means.items()
                for one in means
            ],
        }
    if classification is not None:
        result["classification"] = {
            "asked": classification.asked,
            "cases": classification.cases,
            "pd": classification.pd,
            "correct": classification.correct,
            "accuracy": classification.accuracy,
            "over_asked": _figure(classification.over_asked),
            "figures": {name: _figure(figure) for name, figure in classification.figures.items()},
            "notes": list(classification.notes),
        }
    return result


def _over_asked(segmentation: SegmentationScore) -> dict[str, float | None] | None:
    """The composite with missing masks as empty ones, null if there are none."""
    filled = segmentation.over_asked
    if filled is None:
        return None
    return {"as_printed": _finite(filled.as_printed), "as_summed": _finite(filled.as_summed)}


def _figure(figure: Figure) -> dict[str, float | None]:
    return dict(zip(("value", "low", "high"), map(_finite, figure), strict=True))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
