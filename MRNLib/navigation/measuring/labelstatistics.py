"""From the label-efficiency cells to areas under the curve, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.bootstrap import Bootstrap, Drawn
from MRNLib.errors import InputError
from MRNLib.metrics import areas_under_curve
from MRNLib.navigation.measuring.labelledpatients import LABELS, MARGINS
from MRNLib.navigation.measuring.pretrainedarms import NAVIGATION_ENCODER, RANDOM_ENCODER
from MRNLib.navigation.measuring.probestatistics import Figure

Array = NDArray[np.float64]
ENCODERS = {
    RANDOM_ENCODER: "random start",
    "static": "static volumes",
    "tokenizer": "tokenizer only",
    NAVIGATION_ENCODER: "slice navigation, first stage",
}
# Which are compared: the first less the second.
COMPARED_ENCODERS = (
    *((name, RANDOM_ENCODER) for name in ("static", "tokenizer", NAVIGATION_ENCODER)),
    (NAVIGATION_ENCODER, "static"),
    (NAVIGATION_ENCODER, "tokenizer"),
)
DRAWS = 2000


@dataclass(frozen=True)
class LabelRow:
    """One encoder with one number of labels.

    Attributes:
        margins: ``[patients]`` of each seed's training.
        bootstrap: The draws of the test patients, the same for all rows.
        training_auc: On the patients learned from, the mean over seeds; None where it is not known.
    """

    margins: Mapping[int, Array]
    bootstrap: Bootstrap
    training_auc: float | None = None

    def mean(self, seeds: Sequence[int]) -> Drawn:
        """AUC, the mean over some seeds, in all draws."""
        return self.bootstrap.mean("auc", [self.margins[seed] for seed in seeds])

    @property
    def figure(self) -> Figure:
        """AUC, mean over seeds, with its 95 % interval by drawing the test patients anew."""
        return _figure(self.mean([*self.margins]), [self.area(seed) for seed in self.margins])

    def area(self, seed: int) -> float:
        """One seed's AUC."""
        return float(areas_under_curve(self.bootstrap.labels, self.margins[seed][None])[0])


def _figure(drawn: Drawn, seeds: Sequence[float]) -> Figure:
    value, low, high = drawn.figure
    return Figure(value, (low, high), tuple(seeds))


@dataclass(frozen=True)
class LabelResults:
    """All trainings of one kind.

    Attributes:
        rows: By encoder and number of labels.
        patients: How many were tested.
        data: Whom they learned from and were tested on, ``phantom`` or ``human``.
        identity: Of one of the cells.
    """

    rows: dict[tuple[str, int], LabelRow]
    patients: int
    data: str
    identity: Mapping[str, Any]

    @property
    def sizes(self) -> list[int]:
        """Numbers of labels."""
        return sorted({size for _, size in self.rows})

    @property
    def encoders(self) -> list[str]:
        """Those that are there, in the order of the tables."""
        return [name for name in ENCODERS if any(name == one for one, _ in self.rows)]

    def minus(self, one: str, other: str, size: int) -> Figure | None:
        """AUC less another encoder's on the same draws of patients; None without equal seeds.

        Trainings of one seed have the same labelled patients and start; others are no pair.
        """
        mine, theirs = (self.rows.get((name, size)) for name in (one, other))
        if mine is None or theirs is None:
            return None
        both = [seed for seed in mine.margins if seed in theirs.margins]
        if not both:
            return None
        differences = [mine.area(seed) - theirs.area(seed) for seed in both]
        return _figure(mine.mean(both) - theirs.mean(both), differences)


def label_results(
    cells: Mapping[str, Mapping[str, Any]], kind: str = LABELS, read_out: str = MARGINS
) -> LabelResults | None:
    """The trainings' figures; None without any.

    Args:
        cells: By key.
        kind: ``labels`` (frozen encoders) or ``finetuned``.
        read_out: Which of the cells' margins.

    Raises:
        InputError: The cells were not tested on the same patients, or were trained with other
            settings; or whole MRNs of one seed on other patients.
    """
    found = [one for one in cells.values() if one["identity"]["kind"] == kind]
    if not found:
        return None
    first = found[0]["result"]
    same = ("data", "training", *(("settings", "crops") if kind == LABELS else ()))
    trained: dict[tuple[int, int], Any] = {}  # whole MRNs: whom, by number of labels and seed
    for one in found:
        own = one["identity"]
        whom = own.get("trained")
        if (
            one["result"]["identifiers"] != first["identifiers"]
            or any(own[name] != found[0]["identity"][name] for name in same)
            or trained.setdefault((own["size"], own["seed"]), whom) != whom
        ):
            raise InputError(
                f"the folder holds {kind} cells of different settings or patients",
                expected="one experiment in each folder",
                remedy="measure the others in another --out folder",
            )
    bootstrap = Bootstrap(first["labels"], draws=DRAWS, seed=1)
    groups: dict[tuple[str, int], dict[int, Any]] = {}
    for one in found:
        key = (one["identity"]["encoder"], one["identity"]["size"])
        groups.setdefault(key, {})[one["identity"]["seed"]] = one["result"]
    rows = {}
    for key, results in sorted(groups.items()):
        margins = {seed: np.array(results[seed][read_out]) for seed in sorted(results)}
        # Of MRN behind the encoder; whole MRNs and linear models do not say it.
        own = [one["training_auc"] for one in results.values() if "training_auc" in one]
        known = read_out == MARGINS and len(own) == len(results)
        rows[key] = LabelRow(margins, bootstrap, float(np.mean(own)) if known else None)
    identity = found[0]["identity"]
    return LabelResults(rows, len(first["labels"]), identity["data"], identity)
