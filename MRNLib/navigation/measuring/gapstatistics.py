"""Whether predictions follow the actions, over several pre-trainings together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.navigation.gap import DRAWS, mean_error
from MRNLib.navigation.measuring.probecells import KIND
from MRNLib.navigation.measuring.probestatistics import SEED, Figure
from MRNLib.navigation.trajectories import KINDS

Array = NDArray[np.float64]
# An arm, and what it is told: one of MRNLib.navigation.gap.TOLD.
Told = tuple[str, str]
ALL_KINDS = "all"
ARMS = ("aligned", "shuffled", "zeroed")
# The first less the second. Within one model: whether it uses its actions.
WITHIN = tuple(((arm, "aligned"), (arm, "shuffled")) for arm in ARMS)
# Each told what it was trained on, and the same slice again: what true actions are worth.
BETWEEN: tuple[tuple[Told, Told], ...] = tuple(
    (("aligned", "aligned"), other)
    for other in (("zeroed", "zeroed"), ("shuffled", "shuffled"), ("aligned", "copied"))
)
# Of the error of the same slice again, which is a matter of clips and encoder alone, from one
# machine to another; other clips are far apart.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Gap:
    """The held-out errors of one pre-training.

    Attributes:
        arm: Which.
        seed: Its.
        record: As :func:`MRNLib.navigation.gap.held_out_gap` gives it.
    """

    arm: str
    seed: int
    record: Mapping[str, Any]

    def errors(self, told: str, kind: str) -> Array:
        """``[patients]`` in the order of their names; of one kind of path, those with such clips.

        Args:
            told: What the model is told, one of :data:`MRNLib.navigation.gap.TOLD`.
            kind: Of path, or :data:`ALL_KINDS`.
        """
        known = [one for _, one in sorted(self.record["by_patient"].items())]
        if kind != ALL_KINDS:
            known = [{kind: one[kind]} for one in known if kind in one]
        return np.array([mean_error(one, told) for one in known])

    def compares_with(self, other: Gap) -> bool:
        """Whether both were measured on the same patients' same clips, seen by one encoder."""
        mine, theirs = self._copied(), other._copied()
        if mine.keys() != theirs.keys():
            return False
        return all(np.allclose(mine[key], theirs[key], rtol=ROUNDING, atol=0) for key in mine)

    def _copied(self) -> dict[tuple[str, str], tuple[int, float]]:
        return {
            (patient, kind): (one["clips"], one["copied"])
            for patient, kinds in self.record["by_patient"].items()
            for kind, one in kinds.items()
        }


@dataclass(frozen=True)
class Contrast:
    """One error less another on the same patients, over seeds.

    Attributes:
        one: Arm, and what it is told.
        other: The same of what is taken off.
        kind: Of path, or :data:`ALL_KINDS`.
        seeds: Whose.
        figure: Below 0 where the first errs less.
    """

    one: Told
    other: Told
    kind: str
    seeds: tuple[int, ...]
    figure: Figure


def gaps(cells: Mapping[str, Mapping[str, Any]]) -> list[Gap]:
    """Those of all pre-trainings with dynamics that have one; aligned first, by seed."""
    found = [
        Gap(identity["name"], identity["seed"], identity["gap"])
        for one in cells.values()
        if (identity := one["identity"])["kind"] == KIND and identity["gap"]
    ]
    return sorted(found, key=lambda one: (ARMS.index(one.arm), one.seed))


def contrasts(found: Sequence[Gap], pairs: Sequence[tuple[Told, Told]]) -> list[Contrast]:
    """Mean differences over seeds, each of all kinds of path together and of each kind.

    A seed whose two arms do not compare (:meth:`Gap.compares_with`) is left out; a kind of path is
    there if all seeds have it.

    Args:
        found: All.
        pairs: :data:`WITHIN` or :data:`BETWEEN`.
    """
    known = {(one.arm, one.seed): one for one in found}
    result = []
    for one, other in pairs:
        both = [
            (mine, known[other[0], seed])
            for (arm, seed), mine in known.items()
            if arm == one[0]
            and (other[0], seed) in known
            and mine.compares_with(known[other[0], seed])
        ]
        for kind in (ALL_KINDS, *KINDS) if both else ():
            seeds = [
                mine.errors(one[1], kind) - theirs.errors(other[1], kind) for mine, theirs in both
            ]
            if all(len(values) for values in seeds):
                numbers = tuple(mine.seed for mine, _ in both)
                result.append(Contrast(one, other, kind, numbers, pooled(seeds)))
    return result


def pooled(seeds: Sequence[Array]) -> Figure:
    """The mean of some seeds' means over patients.

    Each seed holds out patients of its own, so that they are drawn anew within each seed.

    Args:
        seeds: ``[patients]`` of each seed.
    """
    means = tuple(float(one.mean()) for one in seeds)
    if min(len(one) for one in seeds) < 2:
        return Figure(float(np.mean(means)), None, means)
    random = np.random.default_rng(SEED)
    drawn = [one[random.integers(len(one), size=(DRAWS, len(one)))].mean(axis=1) for one in seeds]
    low, high = np.percentile(np.mean(drawn, axis=0), [2.5, 97.5])
    return Figure(float(np.mean(means)), (float(low), float(high)), means)
