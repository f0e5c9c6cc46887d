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
ALL_KINDS = "all"


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

    def by_patient(self, kind: str) -> Array:
        """``[patients]`` aligned minus shuffled; of one kind of path, those who have such clips."""
        known = self.record["by_patient"].values()
        if kind != ALL_KINDS:
            known = [{kind: one[kind]} for one in known if kind in one]
        return np.array([mean_error(one, "aligned") - mean_error(one, "shuffled") for one in known])


def gaps(cells: Mapping[str, Mapping[str, Any]]) -> list[Gap]:
    """Those of all pre-trainings with dynamics that have one; aligned first, by seed."""
    found = [
        Gap(identity["name"], identity["seed"], identity["gap"])
        for one in cells.values()
        if (identity := one["identity"])["kind"] == KIND and identity["gap"]
    ]
    order = ("aligned", "shuffled", "zeroed")
    return sorted(found, key=lambda one: (order.index(one.arm), one.seed))


def pooled_gaps(found: Sequence[Gap]) -> dict[tuple[str, str], Figure]:
    """Mean gaps over seeds, by arm and kind of path (``all`` first)."""
    result = {}
    for arm in dict.fromkeys(one.arm for one in found):
        for kind in (ALL_KINDS, *KINDS):
            seeds = [one.by_patient(kind) for one in found if one.arm == arm]
            if all(len(one) for one in seeds):
                result[arm, kind] = pooled(seeds)
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
