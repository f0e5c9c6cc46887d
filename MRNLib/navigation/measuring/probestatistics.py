"""From the probes' cells to figures: means over seeds, intervals over patients, differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.errors import InputError
from MRNLib.navigation.gap import interval_of_mean
from MRNLib.navigation.measuring.pretrainedarms import NAVIGATION_ENCODER, RANDOM_ENCODER
from MRNLib.navigation.measuring.probecells import KIND
from MRNLib.navigation.measuring.proberows import CHANCE, CONTEXT, TOKENIZER, TOLD, UNTRAINED

Array = NDArray[np.float64]
# Of the draws of patients, the same for all figures.
SEED = 1


@dataclass(frozen=True)
class Measure:
    """What is measured.

    Attributes:
        key: Its name in a cell.
        title: Its name for people, with its unit.
        digits: After the point.
        higher: Whether more is better.
        pooled: One number without patients, so that there is no interval over them.
    """

    key: str
    title: str
    digits: int
    higher: bool = False
    pooled: bool = False


OUTLINES = (
    Measure("linear_dice", "linear Dice", 3, True),
    Measure("linear_training_dice", "on its training patients", 3, True, pooled=True),
    Measure("dpt_dice", "DPT Dice", 3, True),
    Measure("dpt_training_dice", "on its training patients", 3, True, pooled=True),
)


def _places(key: str, centre: str, turn: str, digits: int) -> tuple[Measure, ...]:
    """Errors of places, read by the two ways."""
    return tuple(
        Measure(f"{key}_{way}_{part}", f"{title}, {way}", more)
        for part, title, more in (
            ("mm", f"{centre} (mm)", digits),
            ("degrees", f"{turn} (°)", digits),
            ("log_scale", "log-scale", 3),
        )
        for way in ("ridge", "network")
    )


ABSOLUTE = _places("absolute", "centre", "orientation", 1)
RELATIVE = _places("relative", "translation", "rotation", 2)
PLANE = (
    Measure("plane_accuracy", "accuracy", 3, True),
    Measure("plane_balanced_accuracy", "balanced accuracy", 3, True, pooled=True),
)
MEASURES = (*OUTLINES, *ABSOLUTE, *RELATIVE, *PLANE)

ROW_NAMES = {
    (TOKENIZER, CHANCE): "no features (chance)",
    (TOKENIZER, RANDOM_ENCODER): "random start",
    (TOKENIZER, "static"): "static volumes",
    (TOKENIZER, "tokenizer"): "tokenizer only",
    (TOKENIZER, NAVIGATION_ENCODER): "slice navigation",
    (CONTEXT, UNTRAINED): "dynamics, untrained",
    (CONTEXT, "zeroed"): "dynamics, zeroed actions",
    (CONTEXT, "shuffled"): "dynamics, shuffled actions",
    (CONTEXT, "aligned"): "dynamics, aligned actions",
    (TOLD, "shuffled"): "dynamics, shuffled actions, told",
    (TOLD, "aligned"): "dynamics, aligned actions, told",
}
# Who is compared with whom: the first less the second.
COMPARED = (
    ((TOKENIZER, "static"), (TOKENIZER, RANDOM_ENCODER)),
    ((TOKENIZER, "tokenizer"), (TOKENIZER, RANDOM_ENCODER)),
    ((TOKENIZER, NAVIGATION_ENCODER), (TOKENIZER, RANDOM_ENCODER)),
    ((TOKENIZER, NAVIGATION_ENCODER), (TOKENIZER, "static")),
    ((TOKENIZER, NAVIGATION_ENCODER), (TOKENIZER, "tokenizer")),
    ((CONTEXT, "aligned"), (CONTEXT, "shuffled")),
    ((CONTEXT, "aligned"), (CONTEXT, "zeroed")),
    ((CONTEXT, "aligned"), (CONTEXT, UNTRAINED)),
    ((TOLD, "aligned"), (TOLD, "shuffled")),
    ((TOLD, "aligned"), (CONTEXT, "zeroed")),
)


@dataclass(frozen=True)
class Figure:
    """A mean over seeds.

    Attributes:
        value: The mean over seeds and patients.
        interval: 95 % by drawing the test patients anew, of the seeds' mean; None where there is
            none.
        seeds: Each seed's mean over patients.
    """

    value: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]

    @property
    def apart(self) -> bool:
        """Of a difference: its interval leaves out 0, and all seeds are on that side of it."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return False
        return all((one > 0) == (self.value > 0) for one in self.seeds)


class ProbeRow:
    """One row of the tables: an arm's one kind of features, all of its seeds.

    Args:
        records: Its cells.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.results = [one["result"] for one in records]
        self.identities = [one["identity"] for one in records]

        self.seeds = [one["seed"] for one in self.identities]

    @property
    def measures(self) -> list[Measure]:
        """Those that it has."""
        first = self.results[0]
        return [one for one in MEASURES if one.key in first["pooled" if one.pooled else "patients"]]

    def by_patient(self, measure: Measure) -> Array:
        """``[seeds, patients]``, patients in the order of their names."""
        return _matrix(one["patients"][measure.key] for one in self.results)

    def figure(self, measure: Measure) -> Figure:
        """A measure that it has."""
        if measure.pooled:
            seeds = tuple(float(one["pooled"][measure.key]) for one in self.results)
            return Figure(float(np.mean(seeds)), None, seeds)
        return _figure(self.by_patient(measure))

    def nuclei(self, probe: str) -> dict[str, Figure]:
        """Dice of each nucleus that some test patient shows."""
        names = [name for name, found in self.results[0]["nuclei"][probe].items() if found]
        return {
            name: _figure(_matrix(one["nuclei"][probe][name] for one in self.results))
            for name in names
        }

    def minus(self, other: ProbeRow, measure: Measure) -> Figure | None:
        """The difference on the same patients; None for what is not measured by patient in both.

        Equal seeds are paired, the others left out; without any the means are compared.
        """
        if measure.pooled or not (measure in self.measures and measure in other.measures):
            return None
        mine, theirs = self.by_patient(measure), other.by_patient(measure)
        if both := [seed for seed in self.seeds if seed in other.seeds]:
            mine, theirs = (
                values[[row.seeds.index(seed) for seed in both]]
                for row, values in ((self, mine), (other, theirs))
            )
        else:
            mine, theirs = mine.mean(0, keepdims=True), theirs.mean(0, keepdims=True)
        return _figure(mine - theirs)


Rows = Mapping[tuple[str, str], ProbeRow]


def _matrix(rows: Iterable[Mapping[str, float]]) -> Array:
    rows = list(rows)
    return np.array([[one[name] for name in sorted(rows[0])] for one in rows])


def _figure(values: Array) -> Figure:
    seeds = tuple(float(one) for one in values.mean(axis=1))
    return Figure(float(values.mean()), interval_of_mean(values.mean(axis=0), SEED), seeds)


def probe_rows(cells: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], ProbeRow]:
    """Rows by features and name, in the order of :data:`ROW_NAMES`.

    Raises:
        InputError: The cells were not measured with the same patients, slices and settings.
    """
    found = [one for one in cells.values() if one["identity"]["kind"] == KIND]
    for name in ("data", "pretrained_on", "clips", "settings", "train", "test"):
        if any(one["identity"][name] != found[0]["identity"][name] for one in found):
            raise InputError(
                f"the folder holds cells of probes of different {name}",
                expected="one experiment in each folder",
                remedy="measure the others in another --out folder",
            )
    rows = {}
    for key in ROW_NAMES:
        own = [
            one for one in found if (one["identity"]["features"], one["identity"]["name"]) == key
        ]
        if own:
            rows[key] = ProbeRow(own)
    return rows
