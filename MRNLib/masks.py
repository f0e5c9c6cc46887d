"""Reading label maps of the nuclei: whole numbers, known labels, sides decided in space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib import files, geometry
from MRNLib.anatomy import LABEL_COUNT, NUCLEI_BY_MODALITY
from MRNLib.errors import InputError
from MRNLib.images import Volume, check_overlap
from MRNLib.sides import check_sides, exchanged, is_merged, split_sides, swap

# Labels that fall outside the image: a fringe is cut with a warning, more means another frame.
MOST_LABELS_LOST = 0.2


def read_mask(
    path: str | Path,
    modality: str,
    reference: Volume,
    *,
    swap_sides: bool = False,
    split_merged: bool = False,
) -> tuple[sitk.Image, tuple[str, ...]]:
    """Reads a label map and brings it on the canonical grid of ``reference``.

    Args:
        path: A NIfTI, NRRD or MHA label map.
        modality: ``QSM`` (labels 0-16) or ``NM`` (labels 0-2).
        reference: The volume whose grid the case uses.
        swap_sides: Exchange right and left if odd labels lie on the left; others stay as they are.
        split_merged: Give merged left-right labels their sides at the midline.

    Returns:
        A uint8 label map in the challenge's numbering, and warnings.

    Raises:
        InputError: Empty, fractional or unknown labels, sides exchanged or merged (unless asked to
            change them), or a grid that does not fit the reference.
    """
    path = Path(path)
    raw = files.read_raw(path)
    labels = whole_labels(raw.image, path)
    image, warnings = _on_reference(labels, path, reference)
    array = sitk.GetArrayFromImage(image)
    _check_range(array, modality, path, split_merged)
    nuclei = NUCLEI_BY_MODALITY[modality]
    if is_merged(array):
        if not split_merged:
            raise _merged(array, path)
        array = split_sides(array)
        warnings = (*warnings, f"{path}: merged labels were split at the midline")
    wrong, pairs = exchanged(array, nuclei)
    if swap_sides and len(wrong) == pairs:
        array = swap(array)
        warnings = (*warnings, f"{path}: right and left labels were exchanged on request")
    check_sides(array, nuclei, str(path))
    result = sitk.GetImageFromArray(array)
    result.CopyInformation(image)
    return result, (*raw.warnings, *warnings)


def _listed(numbers: NDArray[Any], most: int = 12) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:most])
    return shown + (", ..." if len(numbers) > most else "")


def whole_labels(image: sitk.Image, path: Path) -> sitk.Image:
    """``image`` as uint8 if all its values are whole numbers 0-255."""
    array = sitk.GetArrayViewFromImage(image)
    expected = "whole numbers: 0 for background and one label for each nucleus and side"
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.round(array))
        if not whole.all():
            found = np.unique(array[~whole])
            raise InputError(
                f"labels are not whole numbers: {_listed(found)}",
                file=path,
                expected=expected,
                remedy="give the label map itself, resampled with nearest neighbour if at all",
            )
    if array.min() < 0 or array.max() > 255:
        found = np.unique(array)
        raise InputError(
            f"labels out of range: {_listed(found[(found < 0) | (found > 255)])}",
            file=path,
            expected=expected,
            remedy="give the label map, not an image",
        )
    return sitk.Cast(image, sitk.sitkUInt8)


def _check_range(array: NDArray[np.uint8], modality: str, path: Path, merged: bool) -> None:
    found = np.unique(array)
    last = LABEL_COUNT[modality]
    nuclei = ", ".join(
        f"{item.key} {item.right}/{item.left}" for item in NUCLEI_BY_MODALITY[modality]
    )
    if not array.any():
        raise InputError(
            "the mask is empty (all voxels are 0)",
            file=path,
            expected=f"labels 1-{last} (right/left: {nuclei})",
            remedy="give the finished mask, or leave it out to have the nuclei segmented",
        )
    if found[-1] > last:
        raise InputError(
            f"labels found: {_listed(found[found > 0], 24)}",
            file=path,
            expected=f"labels 1-{last} in the {modality} mask (right/left: {nuclei})",
            remedy="renumber the labels; check that the QSM and NM masks are not exchanged",
        )
    if modality == "QSM" and found[-1] <= LABEL_COUNT["NM"]:
        # Taken as it is, the substantia nigra would be measured as a tiny caudate.
        raise InputError(
            f"labels found: {_listed(found[found > 0])} alone, all that an NM mask has",
            file=path,
            expected=f"a QSM mask with more than its caudate ({nuclei})",
            remedy="check that the NM mask is not given as the QSM mask; leave the mask out to "
            "have the nuclei segmented",
        )


def _merged(array: NDArray[np.uint8], path: Path) -> InputError:
    found = np.unique(array)
    return InputError(
        f"left and right share a label (labels found: {_listed(found[found > 0])})",
        file=path,
        expected="odd labels on the patient's right and even labels on the left",
        remedy="have them split at the midline (--split-merged, or 'Split merged labels'), "
        "or relabel the mask",
    )


def _on_reference(
    labels: sitk.Image, path: Path, reference: Volume
) -> tuple[sitk.Image, tuple[str, ...]]:
    """The label map on the reference's canonical grid, by nearest neighbour if it must be."""
    file = str(path)
    oriented = sitk.DICOMOrient(labels, "LPS")
    if geometry.same_grid(oriented, reference.image):
        oriented.CopyInformation(reference.image)
        return oriented, ()
    check_overlap(oriented, file, reference)
    resampled = geometry.onto(oriented, reference.image, sitk.sitkNearestNeighbor)
    if geometry.same_grid(oriented, sitk.DICOMOrient(reference.source.grid.empty(), "LPS")):
        return resampled, ()  # it follows its image, whose resampling is already in the warnings
    before, after = _cubic_mm(oriented), _cubic_mm(resampled)
    if before and after < (1 - MOST_LABELS_LOST) * before:
        raise InputError(
            f"{100 * (1 - after / before):.0f} % of its labels lie outside {reference.source.path}",
            file=path,
            expected="a mask drawn on this image",
            remedy="check that mask and image belong to one examination",
        )
    note = f"{path}: resampled (nearest label) on the grid of {reference.source.path}"
    return resampled, (note,)


def _cubic_mm(labels: sitk.Image) -> float:
    count = np.count_nonzero(sitk.GetArrayViewFromImage(labels))
    return float(count * np.prod(labels.GetSpacing()))
