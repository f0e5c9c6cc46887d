"""How two slices of a clip lie to one another: what is read of each part where that part moves.

Most paths move in one way alone: a scroll turns nothing, a tilt shifts nothing. Over all pairs "no
movement" would be nearly right, and a probe that reads something would pay for it where nothing
moves. So each part (translation, rotation, log-scale) has a probe of its own, learned from the
pairs in which that part moves and measured on such pairs of other patients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from MRNLib.navigation.measuring.networkprobe import network_parts
from MRNLib.navigation.measuring.poseprobes import (
    UNITS,
    Array,
    Grid,
    Places,
    part_errors,
    ridge_parts,
)
from MRNLib.navigation.poses import Poses, actions_between
from MRNLib.training.sampling import generator_for

# Slices of a pair are so many steps apart.
GAPS = (1, 2, 3)
# What moves less stands still: far below any step, far above rounding.
STILL = {"mm": 0.01, "degrees": 0.01, "log_scale": 1e-4}
WAYS: dict[str, Callable[[Grid, Sequence[Array], Sequence[str], Grid], list[Array]]] = {
    "ridge": ridge_parts,
    "network": network_parts,
}

Squares = dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of slices to learn from, or to measure on.

    Attributes:
        features: ``[N, 2 F]``.
        places: Where from a pair's first slice its second lies.
        patients: ``[N]`` names.
    """

    features: Grid
    places: Places
    patients: NDArray[np.str_]

    @classmethod
    def drawn(cls, grid: Grid, poses: Poses, patients: Sequence[str], seed: int) -> Pairs:
        """Of B clips.

        Args:
            grid: ``[B, T, F]`` features of the slices.
            poses: ``[B, T]``.
            patients: ``[B]`` names.
            seed: Of the draw.
        """
        chosen = pairs_of_slices(grid.shape[0], grid.shape[1], seed)
        names = np.array(patients)[chosen[0].numpy()]
        return cls(pair_features(grid, chosen), pair_targets(poses, chosen), names)

    def moving(self, unit: str) -> tuple[Grid, Array, list[str]]:
        """Features, part and patients of the pairs in which a part moves.

        Args:
            unit: The part's, one of :data:`.poseprobes.UNITS`.
        """
        block = self.places.parts()[UNITS.index(unit)]
        still = np.eye(3).reshape(1, 9) if unit == "degrees" else np.zeros((1, block.shape[1]))
        moves = part_errors(unit, block, still) > STILL[unit]
        return self.features[moves], block[moves], self.patients[moves].tolist()


def read_pairs(train: Pairs, test: Pairs) -> tuple[dict[str, dict[str, float]], dict[str, Squares]]:
    """What is read of the way from one slice to another, by ridge regression and by a network.

    Parts that move in fewer than two patients to learn from, or in none to measure on, are left
    out, and so are patients in whom a part does not move.

    Args:
        train: Pairs to learn from.
        test: Of other patients.

    Returns:
        By ``way_unit`` and patient the mean error; and by ``way_unit_r2`` the sums of squares of
        :func:`squares`.
    """
    errors: dict[str, dict[str, float]] = {}
    sums: dict[str, Squares] = {}
    for unit in UNITS:
        features, part, patients = train.moving(unit)
        others, true, names = test.moving(unit)
        if len({*patients}) < 2 or not names:
            continue
        mean = part.mean(axis=0, keepdims=True)
        for way, read in WAYS.items():
            found = part_errors(unit, read(features, [part], patients, others)[0], true)
            errors[f"{way}_{unit}"] = _by_patient(np.mean, found, names)
            sums[f"{way}_{unit}_r2"] = squares(found, part_errors(unit, mean, true), names)
    return errors, sums


def squares(found: Array, nothing: Array, patients: Sequence[str]) -> Squares:
    """What the share of variance explained is made of.

    Of some patients together R² is 1 less the sum of their ``left`` over the sum of their
    ``total``: 1 is all, 0 what the training mean says, below 0 worse than that. It is the R² of
    the field, but told from the mean of the pairs learned from, since that of those measured on
    is not to be known.

    Args:
        found: ``[N]`` a probe's errors.
        nothing: ``[N]`` those of the mean that it was trained on.
        patients: Whose they are.

    Returns:
        ``left`` and ``total`` by patient: sums of squared errors.
    """
    return {
        "left": _by_patient(np.sum, found**2, patients),
        "total": _by_patient(np.sum, nothing**2, patients),
    }


def _by_patient(
    reduce: Callable[[Array], float], values: Array, patients: Sequence[str]
) -> dict[str, float]:
    names = np.array(patients)
    return {name: float(reduce(values[names == name])) for name in sorted({*patients})}


def pairs_of_slices(clips: int, length: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of slices, one for each of ``GAPS`` that a clip is long enough for.

    Returns:
        ``[N]`` each: the clip, the earlier and the later slice.
    """
    chosen = []
    for clip in range(clips):
        generator = generator_for(seed, clip)
        for gap in GAPS:
            if gap < length:
                first = int(torch.randint(length - gap, (), generator=generator))
                chosen.append((clip, first, first + gap))
    return torch.tensor(chosen).unbind(1)  # type: ignore[return-value]


def pair_targets(poses: Poses, pairs: tuple[Tensor, Tensor, Tensor]) -> Places:
    """Where from a pair's first slice its second lies."""
    clip, first, second = pairs
    return Places.of_actions(actions_between(poses[clip, first], poses[clip, second]))


def pair_features(features: Grid, pairs: tuple[Tensor, Tensor, Tensor]) -> Grid:
    """``[N, 2 F]``: both slices' features, of ``[B, T, F]``."""
    clip, first, second = (one.numpy() for one in pairs)
    return np.concatenate([features[clip, first], features[clip, second]], axis=1)
