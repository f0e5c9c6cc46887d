"""Several segmentations of the same cases beside each other, nucleus by nucleus."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from MRNLib.anatomy import NOTICE
from MRNLib.challenge.regions import REGIONS, Region
from MRNLib.challenge.segmentation import SegmentationScore, highest
from MRNLib.errors import InputError
from MRNLib.markdown import table


def comparison(scores: Mapping[str, SegmentationScore]) -> str:
    """A page with a row for each nucleus and two columns for each segmentation.

    Args:
        scores: By the name of the segmentation, all of the same cases.

    Raises:
        InputError: They are not of the same number of cases.
    """
    counts = {name: _cases(score) for name, score in scores.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"the segmentations have different numbers of cases ({said})",
            remedy="outline the missing ones, then compare",
        )
    number = next(iter(counts.values()))
    regions = [region for regions in REGIONS.values() for region in regions]
    header = ["", *(f"{name}: {what}" for name in scores for what in ("Dice (SD)", "H"))]
    rows = [
        [region.nucleus.key, *(cell for score in scores.values() for cell in _cells(score, region))]
        for region in regions
    ]
    found = list(scores.values())
    totals = [
        *((f"{one} score", [score.modality_score(one) for score in found]) for one in REGIONS),
        ("Composite, as printed", [score.as_printed for score in found]),
        ("Composite, left + right", [score.as_summed for score in found]),
    ]
    rows += [
        [title, *(cell for value in values for cell in (_number(value), ""))]
        for title, values in totals
    ]
    lines = [
        f"# Segmentation of {number} cases",
        "",
        NOTICE,
        "",
        *table(header, rows),
        "",
        "Dice and largest Hausdorff distance in voxels (H): means of both sides over all cases. "
        "The thalamus is in the masks but is not scored. A score is the challenge's, .7 Dice + "
        ".3 (1 - H / 10) weighted by nucleus; a perfect composite is "
        f"{highest(both_sides=False):.2f} as printed and {highest(both_sides=True):.2f} with left "
        "and right summed.",
        "",
    ]
    return "\n".join(lines)


def _cases(score: SegmentationScore) -> int:
    return max(one.cases for means in score.means.values() for one in means)


def _cells(score: SegmentationScore, region: Region) -> list[str]:
    sides = score.sides(region)
    if not sides:
        return ["", ""]
    spread = float(np.mean([side.dice_sd for side in sides]))
    distance = float(np.mean([side.hausdorff for side in sides]))
    return [f"{_number(score.dice(region))} ({_number(spread)})", _number(distance, 2)]


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""
