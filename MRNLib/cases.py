"""A patient's images and masks on one grid, checked and aligned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import SimpleITK as sitk

from MRNLib.casefiles import DIAGNOSES, Case, find_case, read_cohort
from MRNLib.errors import InputError
from MRNLib.images import Volume, check_not_swapped, check_pair, on_grid, read_volume
from MRNLib.masks import read_mask
from MRNLib.progress import Progress, silent
from MRNLib.splits import folds

__all__ = [
    "DIAGNOSES",
    "Case",
    "CaseImages",
    "find_case",
    "folds",
    "load_case",
    "read_cohort",
]


@dataclass(frozen=True, eq=False)
class CaseImages:
    """A patient's images and masks on the QSM's canonical grid.

    Attributes:
        case: The files they came from.
        qsm: ppb.
        nm: Unitless, on the QSM's grid.
        t1: Unitless, on the QSM's grid, or None.
        qsm_mask: uint8 labels 0-16 on the same grid, or None.
        nm_mask: uint8 labels 0-2 on the same grid, or None.
        warnings: All warnings of reading, in order.
        phantom: Both QSM and NM are marked as a digital phantom.
    """

    case: Case
    qsm: Volume
    nm: Volume
    t1: Volume | None
    qsm_mask: sitk.Image | None
    nm_mask: sitk.Image | None
    warnings: tuple[str, ...]
    phantom: bool


def load_case(
    case: Case,
    *,
    swap_modalities: bool = False,
    swap_sides: bool = False,
    split_merged: bool = False,
    t1_needed: bool = True,
    progress: Progress = silent,
) -> CaseImages:
    """Reads, checks and aligns a patient's images.

    Args:
        case: The files.
        swap_modalities: Take the QSM file as NM and the NM file as QSM.
        swap_sides: Exchange right and left labels in masks whose odd labels lie on the left.
        split_merged: Split merged left-right labels at the midline.
        t1_needed: Refuse a T1 that cannot be used; otherwise it is left out with a warning.
        progress: Called with the share done.

    Raises:
        InputError: A file cannot be used, or the files do not belong together.
    """
    if swap_modalities:
        case = replace(case, qsm=case.nm, nm=case.qsm)
    progress(0.0, "Reading QSM and NM")
    qsm, nm = _read_pair(case)
    progress(0.5, "Aligning")
    nm = check_pair(qsm, nm)
    t1, left_out = _read_t1(case, qsm, t1_needed)
    warnings = [note for volume in (qsm, nm, t1) if volume for note in volume.warnings]
    warnings += left_out
    masks: list[sitk.Image | None] = []
    for path, modality in ((case.qsm_mask, "QSM"), (case.nm_mask, "NM")):
        progress(0.8, "Reading masks")
        if path is None:
            masks.append(None)
            continue
        mask, notes = read_mask(
            path, modality, qsm, swap_sides=swap_sides, split_merged=split_merged
        )
        masks.append(mask)
        warnings += notes
    if qsm.phantom != nm.phantom:
        warnings.append(f"{case.identifier}: only one of QSM and NM is marked as a digital phantom")
    progress(1.0, "Images read")
    phantom = qsm.phantom and nm.phantom
    return CaseImages(case, qsm, nm, t1, masks[0], masks[1], tuple(warnings), phantom)


def _read_t1(case: Case, qsm: Volume, needed: bool) -> tuple[Volume | None, tuple[str, ...]]:
    if case.t1 is None:
        return None, ()
    try:
        return on_grid(read_volume(case.t1, "T1"), qsm), ()
    except InputError as error:
        if needed:
            raise
        return None, (f"{case.t1}: left out, this model does not use it ({error.found})",)


def _read_pair(case: Case) -> tuple[Volume, Volume]:
    try:
        return read_volume(case.qsm, "QSM"), read_volume(case.nm, "NM")
    except InputError:
        # An exchanged pair is refused for its values; say then what is the matter with both.
        check_not_swapped(case.qsm, case.nm)
        raise
