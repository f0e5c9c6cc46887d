"""True masks beside outlines of cases that a network was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib.casefiles import Case
from MRNLib.cases import load_case
from MRNLib.errors import InputError
from MRNLib.nnunet.commands import Workspace, held_out_by
from MRNLib.nnunet.dataset import raw_case
from MRNLib.nnunet.stored import StoredNetwork, load
from MRNLib.nuclei import Modality, segmenter_inputs
from MRNLib.progress import Progress, part, silent
from MRNLib.segmentation import Segmenter

Pair = tuple[NDArray[Any], NDArray[Any]]


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
