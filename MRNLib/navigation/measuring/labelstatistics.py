"""From the label-efficiency cells to areas under the curve, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from MRNLib.bootstrap import Bootstrap, Drawn
from MRNLib.bootstrap import Figure as Interval
from MRNLib.errors import InputError
from MRNLib.metrics import areas_under_curve
from MRNLib.navigation.measuring.finetunedcells import FINETUNED
from MRNLib.navigation.measuring.labelcells import LABELS
from MRNLib.navigation.measuring.pretrainedarms import NAVIGATION_ENCODER, RANDOM_ENCODER
from MRNLib.navigation.measuring.probestatistics import Figure

ENCODERS = {
    RANDOM_ENCODER: "random start",
    "static": "static volumes",
    "tokenizer": "tokenizer only",
    NAVIGATION_ENCODER: "slice navigation",
}
DRAWS = 2000


@dataclass(frozen=True)
class LabelRow:
    """One encoder with one number of labels.

    Attributes:
        mean: AUC, mean over seeds, with the draws of the test patients.
        seeds: Each seed's AUC.
        numbers: The seeds.
    """

    mean: Drawn
    seeds: tuple[float, ...]
    numbers: tuple[int, ...]

    @property
    def auc(self) -> Interval:
        """Mean over seeds, and its 95 % interval by drawing the test patients anew."""
        return self.mean.figure

    def same(self, other: LabelRow) -> bool:
        """Whether both are of the same seeds, so that they drew the same patients."""
        return self.numbers == other.numbers


@dataclass(frozen=True)
class LabelResults:
    """All trainings of one kind.

    Attributes:
        rows: By encoder and number of labels.
        patients: How many were tested.
        trained_on: ``phantom`` or ``human``.
        identity: Of one of the cells.
    """

    rows: dict[tuple[str, int], LabelRow]
    patients: int
    trained_on: str
    identity: Mapping[str, Any]

    @property
    def sizes(self) -> list[int]:
        """Numbers of labels."""
        return sorted({size for _, size in self.rows})

    @property
    def encoders(self) -> list[str]:
        """Those that are there, in the order of the tables."""
        return [name for name in ENCODERS if any(name == one for one, _ in self.rows)]

    def minus_random(self, encoder: str, size: int) -> Figure | None:
        """AUC less that of the random start on the same draws of patients, seed by seed."""
        mine, theirs = (self.rows.get((name, size)) for name in (encoder, RANDOM_ENCODER))
        if mine is None or theirs is None:
            return None
        value, *interval = (mine.mean - theirs.mean).figure
        paired = zip(mine.seeds, theirs.seeds, strict=False)
        seeds = tuple(one - other for one, other in paired) if mine.same(theirs) else ()
        return Figure(value, (interval[0], interval[1]), seeds)


def label_results(
    cells: Mapping[str, Mapping[str, Any]], kind: str = LABELS
) -> LabelResults | None:
    """The trainings' figures; None without any.

    Args:
        cells: By key.
        kind: ``labels`` (frozen encoders) or ``finetuned``.

    Raises:
        InputError: The cells were not tested on the same patients.
    """
    found = [one for one in cells.values() if one["identity"]["kind"] == kind]
    if not found:
        return None
    first = found[0]["result"]
    same = ("trained_on",) if kind == FINETUNED else ("trained_on", "settings", "training", "crops")
    for one in found:
        if one["result"]["identifiers"] != first["identifiers"] or any(
            one["identity"][name] != found[0]["identity"][name] for name in same
        ):
            raise InputError(
                f"the folder holds {kind} cells of different settings or test patients",
                expected="one experiment in each folder",
                remedy="measure the others in another --out folder",
            )
    bootstrap = Bootstrap(first["labels"], draws=DRAWS, seed=1)
    groups: dict[tuple[str, int], dict[int, Any]] = {}
    for one in found:
        key = (one["identity"]["encoder"], one["identity"]["size"])
        groups.setdefault(key, {})[one["identity"]["seed"]] = one["result"]["margins"]
    rows = {}
    for key, margins in sorted(groups.items()):
        numbers = tuple(sorted(margins))
        scores = np.array([margins[seed] for seed in numbers])
        areas = areas_under_curve(first["labels"], scores)
        seeds = tuple(float(one) for one in areas)
        rows[key] = LabelRow(bootstrap.mean("auc", scores), seeds, numbers)
    identity = found[0]["identity"]
    return LabelResults(rows, len(first["labels"]), identity["trained_on"], identity)
