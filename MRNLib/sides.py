"""Which side a label lies on. Arrays are canonical ``[k, j, i]``: i grows to the patient's left.

A mirrored image with an intact header cannot be noticed here or anywhere: everything in it agrees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import SIDES, Nucleus
from MRNLib.boxes import bounding_box
from MRNLib.errors import InputError

LabelArray = NDArray[np.uint8]
# The two halves of a merged label: the smaller holds at least this share of the larger.
HALF = 0.4


def _parts(where: NDArray[np.bool_]) -> tuple[NDArray[np.int64], list[int]]:
    """Connected parts of a mask, largest first: part numbers per voxel, and their numbers."""
    import SimpleITK as sitk

    image = sitk.ConnectedComponent(sitk.GetImageFromArray(where.astype(np.uint8)), True)
    numbered = sitk.GetArrayFromImage(image).astype(np.int64)
    counts = np.bincount(numbered.ravel())[1:]
    return numbered, [int(n) + 1 for n in np.argsort(-counts, kind="stable")]


def _two_halves(where: NDArray[np.bool_]) -> float | None:
    """The i midway between the two large parts of a label side by side, or None."""
    box = bounding_box(where)
    if box is None:
        return None
    numbered, order = _parts(where[box.slices])
    if len(order) < 2:
        return None
    spots = [np.nonzero(numbered == part) for part in order[:2]]
    if len(spots[1][0]) < HALF * len(spots[0][0]):
        return None
    spread = sorted((float(i.min()), float(i.max()), float(i.mean())) for _, _, i in spots)
    if spread[0][1] >= spread[1][0]:  # one above or before the other, not side by side
        return None
    return box.lower[0] + (spread[0][2] + spread[1][2]) / 2


def _middles(array: LabelArray) -> dict[int, float]:
    """For each label in two halves, the i midway between them."""
    box = bounding_box(array)
    if box is None:
        return {}
    inside = array[box.slices]
    found = {int(label): _two_halves(inside == label) for label in np.unique(inside) if label}
    return {label: box.lower[0] + at for label, at in found.items() if at is not None}


def is_merged(array: LabelArray) -> bool:
    """Whether most labels lie on both sides: each in two large parts, side by side."""
    present = int(np.count_nonzero(np.bincount(array.ravel(), minlength=1)[1:]))
    return present > 0 and 2 * len(_middles(array)) > present


def split_sides(array: LabelArray) -> LabelArray:
    """Merged labels in the challenge's numbering: odd on the right of the midline, even left.

    Merged masks number nuclei 1, 2, 3 ... or keep one label of each pair (1, 3, 5 ...). The first
    is assumed when both labels of any pair are present. Each label is split midway between its own
    halves, one in a single piece (a thalamus across the midline) at the mean of the others.
    """
    middles = _middles(array)
    usual = float(np.mean(list(middles.values())))
    present = [int(label) for label in np.unique(array) if label]
    consecutive = any(label % 2 == 0 and label - 1 in present for label in present)
    result = np.zeros_like(array)
    columns = np.arange(array.shape[2])
    for label in present:
        right = 2 * label - 1 if consecutive else label - 1 + label % 2
        side = np.where(columns < middles.get(label, usual), right, right + 1).astype(array.dtype)
        result = np.where(array == label, side, result)
    return result


def swap(array: LabelArray) -> LabelArray:
    """Right and left labels exchanged (1 and 2, 3 and 4, ...)."""
    other = np.arange(256, dtype=np.uint8)
    other[1:255] = np.arange(1, 255) + np.where(np.arange(1, 255) % 2, 1, -1)
    return other[array]


def exchanged(array: LabelArray, nuclei: Sequence[Nucleus]) -> tuple[list[str], int]:
    """Nuclei whose right label lies further left than their left label, and how many have both."""
    wrong: list[str] = []
    pairs = 0
    box = bounding_box(array)
    array = array if box is None else array[box.slices]
    for nucleus in nuclei:
        centres = []
        for side in SIDES:
            columns = np.nonzero(array == nucleus.label(side))[2]
            centres.append(float(columns.mean()) if columns.size else None)
        right, left = centres
        if right is not None and left is not None:
            pairs += 1
            wrong += [nucleus.key] if right > left else []
    return wrong, pairs


def check_sides(array: LabelArray, nuclei: Sequence[Nucleus], file: str) -> None:
    """Refuses a mask whose odd labels lie on the patient's left.

    Raises:
        InputError: Some or all pairs have their right label further left than their left label.
    """
    wrong, pairs = exchanged(array, nuclei)
    if wrong and len(wrong) == pairs:
        raise InputError(
            "odd labels lie on the patient's left, even labels on the right",
            file=file,
            expected="odd labels on the right, even on the left, by the file's own geometry",
            remedy="look at it beside the image, then have the sides exchanged (--swap-sides, or "
            "'Swap left and right labels')",
        )
    if wrong:
        raise InputError(
            f"left and right are exchanged in some nuclei only: {', '.join(wrong)}",
            file=file,
            expected="odd labels on the right, even on the left, by the file's own geometry",
            remedy="correct these labels in the mask",
        )
