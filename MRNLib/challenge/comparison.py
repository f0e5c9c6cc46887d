"""Several segmentations of the same cases beside each other, nucleus by nucleus."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import bootstrap

from MRNLib.anatomy import NOTICE
from MRNLib.challenge.regions import REGIONS, Region
from MRNLib.challenge.scoring import Score
from MRNLib.challenge.segmentation import SegmentationScore, highest
from MRNLib.errors import InputError
from MRNLib.markdown import table
from MRNLib.metrics import FEWEST

DRAWS = 2000
COLUMNS = ("Dice (SD)", "H", "missing")


def comparison(scores: Mapping[str, Score]) -> str:
    """A page with a row for each nucleus and three columns for each segmentation.

    Args:
        scores: By the name of the segmentation, all of the same cases.

    Raises:
        InputError: They are not of the same cases, or not a mask of one could be compared.
    """
    compared = {name: _cases(score) for name, score in scores.items()}
    _require_same(compared)
    found = [one.segmentation for one in scores.values() if one.segmentation is not None]
    if len(found) < len(scores):
        raise InputError(f"no mask could be compared in any of {', '.join(scores)}")
    regions = [region for regions in REGIONS.values() for region in regions]
    header = ["", *(f"{name}: {what}" for name in scores for what in COLUMNS)]
    rows = [
        [region.nucleus.key, *(cell for score in found for cell in _cells(score, region))]
        for region in regions
    ]
    totals = [
        *((f"{one} score", [score.modality_score(one) for score in found]) for one in REGIONS),
        ("Composite, as printed", [score.as_printed for score in found]),
        ("Composite, left + right", [score.as_summed for score in found]),
    ]
    blank = [""] * (len(COLUMNS) - 1)
    rows += [
        [title, *(cell for value in values for cell in (_number(value), *blank))]
        for title, values in totals
    ]
    counts = next(iter(compared.values()))
    differences = [
        [f"{name} − {first}", modality, *_difference(scores[name], scores[first], modality)]
        for first, *others in [list(scores)]
        for name in others
        for modality in REGIONS
        if counts[modality]
    ]
    of = " and ".join(f"{modality} of {len(names)} cases" for modality, names in counts.items())
    lines = [
        f"# Segmentation: {of}",
        "",
        NOTICE,
        "",
        *table(header, rows),
        "",
        "Dice and largest Hausdorff distance in voxels (H): means of both sides over all cases. "
        "*Missing*: how often one of a nucleus's sides was not found; it then has a Dice of 0 and "
        "no distance, which the challenge's score leaves out. The thalamus is in the masks but is "
        "not scored. A score is the challenge's, .7 Dice + .3 (1 - H / 10) weighted by nucleus; a "
        f"perfect composite is {highest(both_sides=False):.2f} as printed and "
        f"{highest(both_sides=True):.2f} with left and right summed.",
        "",
    ]
    if differences:
        lines += [
            *table(("Mean Dice of a case", "", "difference [95 %]", "higher in"), differences),
            "",
            "Differences case by case, of the mean over the scored structures; intervals by "
            "drawing cases anew.",
            "",
        ]
    return "\n".join(lines)


def _cases(score: Score) -> dict[str, frozenset[str]]:
    """By modality, the cases whose masks were compared."""
    return {
        modality: frozenset(one.identifier for one in score.results if modality in one.measured)
        for modality in REGIONS
    }


def _require_same(compared: Mapping[str, Mapping[str, frozenset[str]]]) -> None:
    (first, expected), *others = compared.items()
    for name, cases in others:
        for modality in REGIONS:
            if apart := sorted(cases[modality] ^ expected[modality]):
                raise InputError(
                    f"{first} and {name} do not have {modality} masks of the same cases "
                    f"({len(apart)} differ, such as {apart[0]})",
                    remedy="outline the missing ones, then compare",
                )


def _difference(one: Score, other: Score, modality: str) -> tuple[str, str]:
    """The paired difference of a case's mean Dice with its interval, and in how many it is > 0."""
    first, second = _case_dices(one, modality), _case_dices(other, modality)
    apart = np.array([first[name] - second[name] for name in sorted(first)])
    higher = f"{int((apart > 0).sum())} of {len(apart)}"
    if len(apart) < FEWEST:
        return f"{apart.mean():+.4f}", higher
    drawn = bootstrap((apart,), np.mean, n_resamples=DRAWS, method="percentile", rng=0)
    low, high = drawn.confidence_interval
    return f"{apart.mean():+.4f} [{low:+.4f}, {high:+.4f}]", higher


def _case_dices(score: Score, modality: str) -> dict[str, float]:
    """Each case's mean Dice over the structures that its true or predicted mask has."""
    return {
        one.identifier: float(np.nanmean([found.dice for found in one.measured[modality]]))
        for one in score.results
        if modality in one.measured
    }


def _cells(score: SegmentationScore, region: Region) -> Sequence[str]:
    sides = score.sides(region)
    if not sides:
        return [""] * len(COLUMNS)
    spread = float(np.mean([side.dice_sd for side in sides]))
    found = [side.hausdorff for side in sides if math.isfinite(side.hausdorff)]
    distance = float(np.mean(found)) if found else math.nan
    missing = sum(side.infinite for side in sides)
    dice = f"{_number(score.dice(region))} ({_number(spread)})"
    return [dice, _number(distance, 2), str(missing) if missing else ""]


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""
