"""Post-processing chosen on validation: of which nuclei only the largest connected part is kept.

nnU-Net makes this choice by Dice (``nnunetv2.postprocessing.remove_connected_components``). A voxel
far from its nucleus hardly moves the Dice, but the challenge's score has the maximum Hausdorff
distance in it, without a bound. So the choice goes by that score here, for each label by itself, on
cases that the network was not trained on: those that each fold held out, or other patients.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MRNLib.anatomy import NOTICE
from MRNLib.challenge.heldout import Pair
from MRNLib.challenge.measures import agreements
from MRNLib.challenge.regions import region_score
from MRNLib.markdown import table
from MRNLib.nnunet.stored import SETTINGS, load
from MRNLib.rois import without_strays
from MRNLib.writing import replaced

# The choice goes by distances in voxels alone.
VOXELS = (1.0, 1.0, 1.0)
# Below this mean Dice a network does not outline a nucleus: its largest part is any part.
OUTLINED = 0.1
# On fewer cases than this the choice is made all the same, with a warning.
ENOUGH = 10


@dataclass(frozen=True)
class Comparison:
    """One label on the validation cases in which both masks have it, before and after.

    Attributes:
        label: Its number.
        name: Its name.
        cases: How many cases.
        changed: In how many of them voxels were removed.
        dice: Mean Dice with all parts and with the largest one alone.
        hausdorff: Mean largest distance in voxels, likewise.
    """

    label: int
    name: str
    cases: int
    changed: int
    dice: tuple[float, float]
    hausdorff: tuple[float, float]

    @property
    def outlined(self) -> bool:
        """Whether the network finds it at all; without a case of both masks there is no Dice."""
        return self.dice[0] >= OUTLINED

    @property
    def helps(self) -> bool:
        """Whether the region score of the challenge is higher with the largest part alone.

        Where no case had a second part, keeping the largest changes nothing that was seen, and
        costs nothing; one stray voxel in a new patient can cost a structure its score.
        """
        if not self.outlined:
            return False
        if not self.changed:
            return True
        before, after = (region_score(*one) for one in zip(self.dice, self.hausdorff, strict=True))
        return after > before


def compare(pairs: Iterable[Pair], names: Mapping[int, str]) -> list[Comparison]:
    """Each label with all its parts and with the largest alone.

    Args:
        pairs: True and predicted label map ``[k, j, i]`` of each case.
        names: Of the labels.
    """
    labels = sorted(names)
    rows: dict[int, list[tuple[float, ...]]] = {label: [] for label in labels}
    for truth, predicted in pairs:
        reduced = without_strays(predicted)
        before = agreements(truth, predicted, labels, VOXELS)
        after = agreements(truth, reduced, labels, VOXELS)
        for label, one, other in zip(labels, before, after, strict=True):
            if not np.isfinite(one.hausdorff):
                continue  # a mask lacks it: there is no distance, and no part to remove either way
            changed = ((predicted == label) & (reduced != label)).any()
            row = (one.dice, other.dice, one.hausdorff, other.hausdorff, float(changed))
            rows[label].append(row)
    return [_comparison(label, names[label], rows[label]) for label in labels]


def _comparison(label: int, name: str, rows: list[tuple[float, ...]]) -> Comparison:
    values = np.array(rows).reshape(len(rows), 5)
    means = values[:, :4].mean(axis=0) if rows else np.full(4, np.nan)
    dice, reduced_dice, distance, reduced_distance = (float(value) for value in means)
    return Comparison(
        label,
        name,
        len(rows),
        int(values[:, 4].sum()),
        (dice, reduced_dice),
        (distance, reduced_distance),
    )


def page(modality: str, compared: Sequence[Comparison]) -> str:
    """The comparison as a page of Markdown."""
    rows = [
        [
            one.name,
            str(one.cases),
            str(one.changed),
            *(f"{value:.4f}" for value in one.dice),
            *(f"{value:.2f}" for value in one.hausdorff),
            "kept alone" if one.helps else "" if one.outlined else "not outlined",
        ]
        for one in compared
    ]
    header = ("", "Cases", "Changed", "Dice", "after", "H, voxels", "after", "Largest part")
    lines = [
        f"# Largest connected parts: {modality} network on held-out cases",
        "",
        NOTICE,
        "",
        *table(header, rows),
        "",
        "*After*: the largest part alone. It is kept alone where the challenge's region score, "
        ".7 Dice + .3 (1 - H / 10), is higher with it, or where no case had another part; the "
        "thalamus, which is not scored, goes by the same rule.",
        "",
    ]
    return "\n".join(lines)


def doubts(compared: Sequence[Comparison]) -> list[str]:
    """What there is to say against the choice, in one line each."""

    def said(some: Sequence[Comparison]) -> str:
        return "all" if len(some) == len(compared) else ", ".join(one.name for one in some)

    lines = []
    if missed := [one for one in compared if not one.outlined]:
        lines.append(
            f"not outlined (no mean Dice of {OUTLINED} or more), so nothing was chosen: "
            f"{said(missed)}"
        )
    if few := [one for one in compared if one.outlined and one.cases < ENOUGH]:
        low, high = (end(one.cases for one in few) for end in (min, max))
        number = str(low) if low == high else f"{low} to {high}"
        lines.append(
            f"chosen on fewer than {ENOUGH} held-out cases ({number}), which may be chance; more "
            f"patients can be given with --data: {said(few)}"
        )
    return lines


def choose(segmenter: Path, pairs: Iterable[Pair]) -> list[Comparison]:
    """Compares each label of a segmenter and writes the choice into it.

    Args:
        segmenter: The imported folds; ``keep_largest`` of its settings is replaced.
        pairs: From :func:`.heldout.folds_pairs` or :func:`.heldout.cohort_pairs`.

    Raises:
        InputError: A case cannot be used.
        BundleError: The segmenter cannot be read.
    """
    stored = load(segmenter)
    names = {number: name for name, number in stored.dataset["labels"].items() if number}
    compared = compare(pairs, names)
    chosen = tuple(one.label for one in compared if one.helps)
    settings = stored.settings.model_copy(update={"keep_largest": chosen})
    with replaced(segmenter / SETTINGS) as file:
        text = json.dumps(settings.model_dump(mode="json"), indent=1)
        file.write_text(text + "\n", encoding="utf-8")
    return compared
