"""What the challenge scores: structures, their columns in the organisers' tables, their weights.

Sources: ``metric.py`` of github.com/Ruijin-IMIT/PDCADxFoundation (names, labels, order of the
columns) and the scoring section of the leaderboard page (weights). The thalamus is in the masks but
is not scored.
"""

from __future__ import annotations

from dataclasses import dataclass

from MRNLib.anatomy import SIDE_NAMES, Nucleus, nucleus

DICE_WEIGHT = 0.7
HAUSDORFF_WEIGHT = 0.3
# Voxels at which a Hausdorff distance costs its whole weight; nothing is clipped beyond.
HAUSDORFF_FULL = 10.0
MODALITY_WEIGHTS = {"QSM": 0.6, "NM": 0.4}


@dataclass(frozen=True)
class Region:
    """A nucleus with its weight in the score of its modality.

    Attributes:
        nucleus: Labels and name.
        column: The organisers' name of it.
        weight: Weight of its score.
    """

    nucleus: Nucleus
    column: str
    weight: float


@dataclass(frozen=True)
class Structure:
    """One side of a region: what has a Dice and a Hausdorff distance of its own."""

    region: Region
    side: str

    @property
    def column(self) -> str:
        """Start of its columns in the organisers' tables, such as ``CN_l``."""
        return f"{self.region.column}_{self.side.lower()}"

    @property
    def label(self) -> int:
        """Its number in the mask."""
        return self.region.nucleus.label(self.side)

    @property
    def name(self) -> str:
        """For people, such as ``CN left``."""
        return f"{self.region.nucleus.key} {SIDE_NAMES[self.side]}"


REGIONS: dict[str, tuple[Region, ...]] = {
    "QSM": (
        Region(nucleus("CN"), "CN", 1.0),
        Region(nucleus("PUT"), "Put", 1.0),
        Region(nucleus("GP"), "GP", 1.0),
        Region(nucleus("STN"), "STN", 1.2),
        Region(nucleus("SN"), "SN", 1.5),
        Region(nucleus("RN"), "RN", 1.1),
        Region(nucleus("DN"), "DN", 1.0),
    ),
    "NM": (Region(nucleus("NM-SN"), "SN", 2.0),),
}
# In the order of the organisers' columns: by name, left before right.
STRUCTURES: dict[str, tuple[Structure, ...]] = {
    modality: tuple(
        Structure(region, side)
        for region in sorted(regions, key=lambda region: region.column)
        for side in ("L", "R")
    )
    for modality, regions in REGIONS.items()
}


def region_score(dice: float, hausdorff: float) -> float:
    """The published score of one region: ``.7 Dice + .3 (1 - H / 10)``, H in voxels, unclipped."""
    return DICE_WEIGHT * dice + HAUSDORFF_WEIGHT * (1 - hausdorff / HAUSDORFF_FULL)
