"""The published test rankings, and where a result would stand among them.

Source: ``challenges/PDCADxFoundation-MICCAI2025/rank_test.html`` of the organisers' site
(github.com/Ruijin-IMIT/ruijin-imit.github.io, commit 91cdbcd of 1 September 2025; shown at
ruijin-imit.github.io). The accuracy of their baseline is from the challenge's main page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SOURCE = (
    "ruijin-imit.github.io/challenges/PDCADxFoundation-MICCAI2025/rank_test.html, 1 September 2025"
)
TEST_CASES = 200
MRN_TEAM = "BHANMDingsd"


@dataclass(frozen=True)
class SegmentationRow:
    """A row of the segmentation ranking.

    Attributes:
        team: Name of the team.
        total: Published composite score.
        qsm_dice: Published Dice, both sides, in the order CN, PUT, GP, STN, SN, RN, DN.
        nm_dice: Published Dice of the substantia nigra in the NM mask.
    """

    team: str
    total: float
    qsm_dice: tuple[float, ...]
    nm_dice: float


SEGMENTATION = (
    SegmentationRow("PolyUAIM", 9.2469, (0.895, 0.913, 0.919, 0.730, 0.904, 0.903, 0.867), 0.882),
    SegmentationRow("Space", 9.1988, (0.897, 0.918, 0.924, 0.733, 0.907, 0.903, 0.874), 0.812),
    SegmentationRow("NIMG", 9.1246, (0.898, 0.917, 0.922, 0.735, 0.907, 0.907, 0.880), 0.773),
    SegmentationRow(MRN_TEAM, 9.0875, (0.865, 0.906, 0.919, 0.731, 0.903, 0.901, 0.863), 0.848),
    SegmentationRow(
        "ZhangFan_Lab", 8.618, (0.832, 0.885, 0.906, 0.644, 0.845, 0.840, 0.839), 0.763
    ),
    SegmentationRow("NeuroX", 8.4768, (0.841, 0.876, 0.894, 0.619, 0.842, 0.824, 0.792), 0.769),
    SegmentationRow(
        "MThirtyOne AI", 8.3357, (0.813, 0.861, 0.884, 0.631, 0.827, 0.805, 0.788), 0.782
    ),
    SegmentationRow("Cemrg", 8.1609, (0.767, 0.810, 0.828, 0.638, 0.806, 0.799, 0.798), 0.815),
    SegmentationRow("elaphin", 7.8251, (0.831, 0.870, 0.893, 0.555, 0.568, 0.788, 0.791), 0.735),
    SegmentationRow(
        "junqiangmler", 7.6749, (0.780, 0.839, 0.865, 0.506, 0.746, 0.734, 0.774), 0.674
    ),
)
CLASSIFICATION = (
    (MRN_TEAM, 0.86),
    ("MThirtyOne AI", 0.805),
    ("Space", 0.795),
    ("PRLABbySMU", 0.765),
    ("ZhangFan_Lab", 0.755),
    ("NeuroX", 0.74),
    ("PolyUAIM", 0.65),
    ("GenMI", 0.585),
    ("junqiangmler", 0.5),
)
BASELINE_ACCURACY = 0.62


def place(value: float, published: Iterable[float]) -> int:
    """The rank a value would have among published ones; equal values share a rank."""
    return 1 + sum(other > value for other in published)
