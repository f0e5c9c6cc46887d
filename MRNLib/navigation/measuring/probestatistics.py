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
from MRNLib.navigation.measuring.probemeasures import MEASURES, Measure
from MRNLib.navigation.measuring.proberows import CHANCE, CONTEXT, TOKENIZER, TOLD, UNTRAINED

Array = NDArray[np.float64]
# Of the draws of patients, the same for all figures.
SEED = 1


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
CHANCE_ROW = (TOKENIZER, CHANCE)
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
        """Of a difference: its interval leaves out 0, and two seeds or more are on that side."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return False
        # One seed agrees with itself, and says nothing of another.
        return len(self.seeds) > 1 and all((one > 0) == (self.value > 0) for one in self.seeds)


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
        return [one for one in MEASURES if one.key in first.get(one.block, ())]

    def by_patient(self, measure: Measure) -> tuple[Array, Array]:
        """What a figure is made of, patients in the order of their names.

        Returns:
            ``[seeds, patients]`` values and ``[patients]`` what their sum is to be divided by the
            sum of: 1 each for a mean, squares for a share of them.
        """
        if not measure.squares:
            values = _matrix(one["patients"][measure.key] for one in self.results)
            return values, np.ones(values.shape[1])
        left, total = (
            _matrix(one["squares"][measure.key][name] for one in self.results)
            for name in ("left", "total")
        )
        return total - left, total[0]  # the same pairs in all seeds

    def figure(self, measure: Measure) -> Figure:
        """A measure that it has."""
        if measure.pooled:
            seeds = tuple(float(one["pooled"][measure.key]) for one in self.results)
            return Figure(float(np.mean(seeds)), None, seeds)
        return _figure(*self.by_patient(measure))

    def nuclei(self, probe: str) -> dict[str, Figure]:
        """Dice of each nucleus that some test patient shows."""
        names = [name for name, found in self.results[0]["nuclei"][probe].items() if found]
        return {
            name: _figure(values, np.ones(values.shape[1]))
            for name in names
            for values in [_matrix(one["nuclei"][probe][name] for one in self.results)]
        }

    def minus(self, other: ProbeRow, measure: Measure) -> Figure | None:
        """The difference on the same patients; None for what is not measured by patient in both.

        Equal seeds are paired, the others left out; without any the means are compared.
        """
        if measure.pooled or not (measure in self.measures and measure in other.measures):
            return None
        (mine, weights), (theirs, _) = self.by_patient(measure), other.by_patient(measure)
        if both := [seed for seed in self.seeds if seed in other.seeds]:
            mine, theirs = (
                values[[row.seeds.index(seed) for seed in both]]
                for row, values in ((self, mine), (other, theirs))
            )
        else:
            mine, theirs = mine.mean(0, keepdims=True), theirs.mean(0, keepdims=True)
        return _figure(mine - theirs, weights)

    def beats(self, chance: ProbeRow | None, measure: Measure) -> bool:
        """Whether it is better than no features at all, by the interval of the difference."""
        above = None if chance is None else self.minus(chance, measure)
        if above is None or above.interval is None:
            return False
        low, high = above.interval
        return low > 0 if measure.higher else high < 0


Rows = Mapping[tuple[str, str], ProbeRow]


def _matrix(rows: Iterable[Mapping[str, float]]) -> Array:
    rows = list(rows)
    return np.array([[one[name] for name in sorted(rows[0])] for one in rows])


def _figure(values: Array, weights: Array) -> Figure:
    """Of ``[seeds, patients]`` values and ``[patients]`` what they are a share of."""
    seeds = tuple(float(one) for one in values.sum(axis=1) / weights.sum())
    interval = interval_of_mean(values.mean(axis=0), SEED, weights)
    return Figure(float(np.mean(seeds)), interval, seeds)


def probe_rows(cells: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], ProbeRow]:
    """Rows by features and name, in the order of :data:`ROW_NAMES`.

    Raises:
        InputError: The cells were not measured with the same patients, slices and settings.
    """
    found = [one for one in cells.values() if one["identity"]["kind"] == KIND]
    for name in ("data", "pretrained_on", "clips", "settings", "train", "test", "volumes"):
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
