"""A score as a page of Markdown, with its place among the published results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from MRNLib import __version__
from MRNLib.anatomy import NOTICE
from MRNLib.challenge.classification import ClassificationScore
from MRNLib.challenge.leaderboard import (
    BASELINE_ACCURACY,
    CLASSIFICATION,
    SEGMENTATION,
    SOURCE,
    TEST_CASES,
    place,
)
from MRNLib.challenge.regions import REGIONS
from MRNLib.challenge.scoring import Score
from MRNLib.challenge.segmentation import SegmentationScore, highest
from MRNLib.markdown import figure_text, measure_title, table

PAGE_FILE = "challenge_score.md"
OURS = "**this result**"
NO_PLACE = "No place among the published results"


def page(score: Score) -> str:
    """The whole page."""
    problems = score.problems
    lines = [
        "# PDCADxFoundation challenge: score",
        "",
        f"{len(score.results)} cases, {len(score.results) - len(problems)} of them whole. {NOTICE}",
    ]
    if score.segmentation is not None:
        lines += _segmentation(score.segmentation, score.phantoms)
    if score.classification is not None:
        lines += _classification(score.classification, score.phantoms)
    lines += _remarks(score)
    return "\n".join([*lines, "", f"MRN for Slicer {__version__}", ""])


def structure_rows(segmentation: SegmentationScore) -> Iterator[list[str]]:
    """A row for each structure: name, cases, measures, score, cases without a distance."""
    for region in (region for regions in REGIONS.values() for region in regions):
        for one in reversed(segmentation.sides(region)):  # right first
            yield [
                one.structure.name,
                str(one.cases),
                f"{_number(one.dice)} ({_number(one.dice_sd)})",
                _number(one.hausdorff, 2),
                _number(one.hausdorff95_mm, 2),
                _number(one.surface_mm, 2),
                _number(one.score),
                str(one.infinite or ""),
            ]


STRUCTURE_HEADER = (
    "Structure",
    "Cases",
    "Dice (SD)",
    "H, voxels",
    "HD95, mm",
    "ASD, mm",
    "Score",
    "Empty",
)


def composite_rows(segmentation: SegmentationScore) -> list[list[str]]:
    """The composite in both readings, with its parts and the value of a perfect result.

    Where masks are missing, once more with these as empty ones.
    """
    filled = segmentation.over_asked
    return [
        [
            f"{name}{of}",
            *(_number(factor * one.modality_score(modality)) for modality in REGIONS),
            _number(factor * one.as_printed, 4),
            f"{highest(both_sides=factor == 2):.2f}",
        ]
        for of, one in (("", segmentation), (", over all cases", filled))
        if one is not None
        for name, factor in (("as printed", 1), ("left + right", 2))
    ]


COMPOSITE_HEADER = ("Composite", *REGIONS, "Total", "Perfect")


def _segmentation(segmentation: SegmentationScore, phantoms: int) -> list[str]:
    return [
        "",
        "## Segmentation",
        "",
        *table(STRUCTURE_HEADER, structure_rows(segmentation)),
        "",
        "Score of a region: .7 Dice + .3 (1 - H / 10), H the largest Hausdorff distance in voxels, "
        "unclipped. *Empty* counts cases in which the true or the predicted mask has no voxel of "
        "the structure: their distance is infinite and left out of the averages, as in the "
        "organisers' script; a Dice of 0 is in. HD95 (larger of both surfaces' 95th percentiles) "
        "and ASD (mean distance over both surfaces) are not scored.",
        "",
        *table(COMPOSITE_HEADER, composite_rows(segmentation)),
        "",
        "Total: .6 QSM + .4 NM; QSM = CN + PUT + GP + 1.2 STN + 1.5 SN + 1.1 RN + DN, NM = 2 SN. "
        "*As printed*, a region has one score, the mean of its sides. The published totals are "
        "higher than that can give and fit left and right summed, the second row.",
        "",
        *_missing_masks(segmentation),
        *_segmentation_ranking(segmentation, phantoms),
    ]


def _missing_masks(segmentation: SegmentationScore) -> list[str]:
    if not segmentation.missing:
        return []
    counts = "; ".join(
        f"{modality} masks: {count} of {segmentation.asked[modality]} cases could not be compared"
        for modality, count in segmentation.missing.items()
    )
    return [
        f"{counts}. They are in no mean, as in the organisers' script. *Over all cases*, a mask "
        "that is missing is taken for an empty one: Dice 0, no distance.",
        "",
    ]


def _segmentation_ranking(segmentation: SegmentationScore, phantoms: int) -> list[str]:
    if segmentation.missing:
        return [f"{NO_PLACE}: masks are missing."]
    total = segmentation.as_summed
    if not math.isfinite(total):
        return [f"{NO_PLACE}: there is no total, since a modality or a distance is absent."]
    rank = place(total, (row.total for row in SEGMENTATION))
    rows = [
        [str(number), row.team, f"{row.total:.4f}"]
        + [f"{value:.3f}" for value in (*row.qsm_dice, row.nm_dice)]
        for number, row in enumerate(SEGMENTATION, start=1)
    ]
    regions = [region for regions in REGIONS.values() for region in regions]
    ours = [_number(segmentation.dice(region)) for region in regions]
    rows.insert(rank - 1, [f"({rank})", OURS, f"{total:.4f}", *ours])
    return [
        "### Among the published results",
        "",
        *table(("", "Team", "Total", *(f"{one.nucleus.key} Dice" for one in regions)), rows),
        "",
        _published(phantoms),
    ]


def classification_rows(classification: ClassificationScore) -> list[list[str]]:
    """A row for each measure, and one for the accuracy over all cases where votes are missing."""
    rows = [
        [measure_title(name), figure_text(figure)]
        for name, figure in classification.figures.items()
    ]
    if classification.missing:
        rows.insert(1, ["Accuracy, no vote as wrong", figure_text(classification.over_asked)])
    return rows


def _classification(classification: ClassificationScore, phantoms: int) -> list[str]:
    meaning = (
        "95 % intervals in brackets: Wilson's of the accuracy, bootstrap over cases of F1, "
        "DeLong's of the AUC. Accuracy and F1 (mean of both classes') are of the answers 0 and 1, "
        "the AUC is of the probabilities."
    )
    return [
        "",
        "## Classification",
        "",
        f"{classification.summary}. With PD: {classification.pd} of those with a vote.",
        "",
        *table(("", ""), classification_rows(classification)),
        "",
        " ".join([meaning, *classification.notes]),
        "",
        *_classification_ranking(classification, phantoms),
    ]


def _classification_ranking(classification: ClassificationScore, phantoms: int) -> list[str]:
    if classification.missing:
        return [f"{NO_PLACE}: votes are missing."]
    rank = place(classification.accuracy, (value for _, value in CLASSIFICATION))
    ranking = [
        [str(number), team, _number(value)]
        for number, (team, value) in enumerate(CLASSIFICATION, start=1)
    ]
    ranking.insert(rank - 1, [f"({rank})", OURS, _number(classification.accuracy)])
    return [
        "### Among the published results",
        "",
        *table(("", "Team", "Accuracy"), ranking),
        "",
        f"{_published(phantoms)} The organisers' baseline: {BASELINE_ACCURACY:.2f}.",
    ]


def _published(phantoms: int) -> str:
    made_up = (
        f" {phantoms} of the cases scored here are digital patients: the place says nothing of how "
        "the method does on patients."
    )
    return (
        f"Published: {SOURCE}; {TEST_CASES} hidden test cases. A result on other cases is put "
        f"among them for orientation and has no rank.{made_up if phantoms else ''}"
    )


def _remarks(score: Score) -> list[str]:
    """What was not scored, and structures that are not there: one line a case."""
    lines = []
    parts: Sequence[tuple[str, list[str]]] = (
        ("Not scored", [f"{one.identifier}: {one.problem}" for one in score.problems]),
        (
            "Empty structures",
            [f"{one.identifier}: {'; '.join(one.empty)}" for one in score.results if one.empty],
        ),
        ("Notes", list(score.notes)),
    )
    for title, texts in parts:
        if texts:
            lines += ["", f"## {title}", "", *(f"- {text}" for text in texts)]
    return lines


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "none"
