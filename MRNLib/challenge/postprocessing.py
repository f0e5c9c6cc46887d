"""Post-processing chosen on validation: of which nuclei only the largest connected part is kept.

nnU-Net makes this choice by Dice (``nnunetv2.postprocessing.remove_connected_components``). A voxel
far from its nucleus hardly moves the Dice, but the challenge's score has the maximum Hausdorff
distance in it, without a bound. So the choice goes by that score here, for each label by itself, on
cases that the network was not trained on: those that each fold held out, or other patients.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib.anatomy import NOTICE
from MRNLib.casefiles import Case
from MRNLib.cases import load_case
from MRNLib.challenge.measures import agreements
from MRNLib.challenge.regions import region_score
from MRNLib.errors import InputError
from MRNLib.markdown import table
from MRNLib.nnunet.commands import Workspace, held_out_by
from MRNLib.nnunet.dataset import raw_case
from MRNLib.nnunet.stored import SETTINGS, StoredNetwork, load
from MRNLib.nuclei import Modality, segmenter_inputs
from MRNLib.progress import Progress, part, silent
from MRNLib.rois import without_strays
from MRNLib.segmentation import Segmenter
from MRNLib.writing import replaced

Pair = tuple[NDArray[Any], NDArray[Any]]
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
        """Whether the region score of the challenge is higher with the largest part alone."""
        if not self.outlined:
            return False
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
        ".7 Dice + .3 (1 - H / 10), is higher with it; the thalamus, which is not scored, goes by "
        "the same rule.",
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
        pairs: From :func:`folds_pairs` or :func:`cohort_pairs`.

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


def folds_pairs(
    segmenter: Path,
    workspace: Workspace,
    dataset: str,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> Iterator[Pair]:
    """Truth and outlines of every case by the fold that was not trained on it.

    Args:
        segmenter: The imported folds.
        workspace: Where they were trained: its split and raw images are used.
        dataset: ``Dataset505_PDSegQSM``.
        device: ``cpu`` or ``cuda``.
        progress: Called with the share done; may raise Cancelled.

    Raises:
        InputError: The split or a raw image is missing.
        BundleError: The segmenter cannot be read, or has a fold that holds nobody out.
    """
    stored = load(segmenter)
    jobs = held_out_by(workspace, dataset, stored.settings.folds)
    for done, (name, place) in enumerate(jobs.items()):
        images, truth = raw_case(workspace.raw / dataset, name, len(stored.channels))
        step = part(progress, done / len(jobs), (done + 1) / len(jobs))
        network = Segmenter(_untouched(stored, (stored.folds[place],)))
        yield _pair(network, images, truth, device, step)


def cohort_pairs(
    segmenter: Path,
    modality: Modality,
    cases: Sequence[Case],
    *,
    device: str = "cpu",
    progress: Progress = silent,
    skipped: Callable[[str], None] = lambda line: None,
) -> Iterator[Pair]:
    """Truth and outlines by all folds together of a cohort that none of them was trained on.

    Truth and outlines are on the QSM volume's grid, to which :func:`MRNLib.cases.load_case` brings
    the NM volume of a patient whose two differ.

    Args:
        segmenter: The imported folds.
        modality: Whose masks.
        cases: With the mask and the network's volumes.
        device: ``cpu`` or ``cuda``.
        progress: Called with the share done; may raise Cancelled.
        skipped: Told of each case that lacks its mask or a volume, or cannot be read.

    Raises:
        InputError: No case can be used.
        BundleError: The segmenter cannot be read.
    """
    stored, used = load(segmenter), 0
    network = Segmenter(_untouched(stored, stored.folds))
    for done, case in enumerate(cases):
        step = part(progress, done / len(cases), (done + 1) / len(cases))
        try:
            images = load_case(case, t1_needed="T1" in stored.channels)
            truth = images.qsm_mask if modality == "QSM" else images.nm_mask
            if truth is None:
                raise InputError(f"no {modality} mask to compare with")
            inputs = segmenter_inputs(images, modality, stored.channels, segmenter.name)
        except InputError as error:
            skipped(f"{case.identifier}: left out. {error}")
            continue
        used += 1
        yield _pair(network, inputs, truth, device, step)
    if not used:
        raise InputError(f"none of {len(cases)} cases can be compared with a {modality} mask")


def _untouched(stored: StoredNetwork, folds: tuple[dict[str, Any], ...]) -> StoredNetwork:
    """Some folds of a network, without an earlier choice."""
    settings = stored.settings.model_copy(update={"keep_largest": ()})
    return replace(stored, settings=settings, folds=folds)


def _pair(
    network: Segmenter, images: list[sitk.Image], truth: sitk.Image, device: str, step: Progress
) -> Pair:
    predicted = network.segment(images, device=device, progress=step)
    return sitk.GetArrayFromImage(truth), sitk.GetArrayFromImage(predicted)
