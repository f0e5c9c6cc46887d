"""The segmentation track's figures: means of each structure, region scores and the composite.

A mean leaves out what is infinite or not a number, as the organisers' script does: a structure that
was not found keeps its Dice of 0, and its Hausdorff distance costs nothing; one that is in neither
mask does not count at all. How many were left out is counted. A case without a mask is left out
too; what it costs when its mask is taken for an empty one stands beside.

The composite is printed as .6 QSM + .4 NM with one score for each region. The totals of the
leaderboard are higher than that formula can give; they fit a sum over left and right (tested
against the published Dice). Both are given. The page's own "highest possible score", 9.8, is the
sum of the region weights and fits neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from MRNLib.challenge.cases import CaseResult
from MRNLib.challenge.measures import Agreement
from MRNLib.challenge.regions import (
    MODALITY_WEIGHTS,
    REGIONS,
    STRUCTURES,
    Region,
    Structure,
    region_score,
)


@dataclass(frozen=True)
class StructureMean:
    """One side of a nucleus over all cases; distances over those where both masks have it.

    Attributes:
        structure: Which.
        cases: How many were compared.
        infinite: In how many of them a mask lacks it, so that there is no distance.
        dice: Mean overlap, over the cases where a mask has it.
        dice_sd: Its standard deviation over the cases.
        hausdorff: Mean largest distance in voxels; NaN where no case has one.
        hausdorff95_mm: Mean 95th percentile, mm.
        surface_mm: Mean surface distance, mm.
    """

    structure: Structure
    cases: int
    infinite: int
    dice: float
    dice_sd: float
    hausdorff: float
    hausdorff95_mm: float
    surface_mm: float

    @property
    def score(self) -> float:
        """The region score of this side alone."""
        return region_score(self.dice, self.hausdorff)


def structure_mean(structure: Structure, found: Sequence[Agreement]) -> StructureMean:
    """Means of one structure over cases, of which there is at least one."""
    dices = np.array([one.dice for one in found if math.isfinite(one.dice)])
    there = [one for one in found if math.isfinite(one.hausdorff)]
    distances = np.array([(one.hausdorff, one.hausdorff95_mm, one.surface_mm) for one in there])
    means = distances.mean(axis=0) if there else np.full(3, math.nan)
    return StructureMean(
        structure,
        len(found),
        len(found) - len(there),
        float(dices.mean()) if dices.size else math.nan,
        float(dices.std(ddof=1)) if dices.size > 1 else math.nan,
        *(float(value) for value in means),
    )


# What a structure is worth in an empty prediction.
EMPTY = Agreement(0.0, math.inf, math.inf, math.inf)


@dataclass(frozen=True)
class SegmentationScore:
    """The figures of all cases whose masks were compared.

    Attributes:
        means: By modality, in the order of its structures; a modality without a case is left out.
        asked: By modality, how many masks should have been compared.
        missing: By modality, how many of them were not; only where there are such.
        over_asked: The figures with the missing masks as empty ones; None if there are none.
    """

    means: dict[str, tuple[StructureMean, ...]]
    asked: dict[str, int]
    missing: dict[str, int]
    over_asked: SegmentationScore | None

    @classmethod
    def of(
        cls, results: Iterable[CaseResult], asked: Mapping[str, int]
    ) -> SegmentationScore | None:
        """The figures of some cases; None if not one mask was compared.

        Args:
            results: The cases.
            asked: By modality, how many masks should be among them.
        """
        results = list(results)
        rows = {
            modality: [one.measured[modality] for one in results if modality in one.measured]
            for modality in STRUCTURES
        }
        if not any(rows.values()):
            return None
        absent = {name: asked.get(name, 0) - len(found) for name, found in rows.items()}
        missing = {name: count for name, count in absent.items() if count > 0}
        over_asked = None
        if missing:
            filled = {
                name: [*found, *[(EMPTY,) * len(STRUCTURES[name])] * missing.get(name, 0)]
                for name, found in rows.items()
            }
            over_asked = cls(_means(filled), dict(asked), {}, None)
        return cls(_means(rows), dict(asked), missing, over_asked)

    def sides(self, region: Region) -> tuple[StructureMean, ...]:
        """The means of a region's two sides."""
        everything = (one for means in self.means.values() for one in means)
        return tuple(one for one in everything if one.structure.region == region)

    def modality_score(self, modality: str) -> float:
        """Weighted region scores with one score for each region, NaN without cases."""
        if modality not in self.means:
            return math.nan
        return sum(
            region.weight * float(np.mean([side.score for side in self.sides(region)]))
            for region in REGIONS[modality]
        )

    @property
    def as_printed(self) -> float:
        """The composite of the printed formula: a region's score is the mean of its sides."""
        return sum(weight * self.modality_score(name) for name, weight in MODALITY_WEIGHTS.items())

    @property
    def as_summed(self) -> float:
        """The composite as the leaderboard's totals fit it: left and right are summed."""
        return 2 * self.as_printed

    def dice(self, region: Region) -> float:
        """Mean Dice of both sides, NaN without cases."""
        sides = self.sides(region)
        return float(np.mean([side.dice for side in sides])) if sides else math.nan


def _means(
    rows: Mapping[str, Sequence[tuple[Agreement, ...]]],
) -> dict[str, tuple[StructureMean, ...]]:
    return {
        modality: tuple(map(structure_mean, STRUCTURES[modality], zip(*found, strict=True)))
        for modality, found in rows.items()
        if found
    }


def highest(both_sides: bool) -> float:
    """The composite of a perfect segmentation, for either reading of the formula."""
    one = sum(
        MODALITY_WEIGHTS[modality] * sum(region.weight for region in regions)
        for modality, regions in REGIONS.items()
    )
    return 2 * one if both_sides else one
