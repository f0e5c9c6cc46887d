"""The four boxes around the nuclei, and native-resolution crops of them (MRN paper, section 3.3).

A box comes from the largest connected part of each label and side, widened by a margin: 5 mm in
plane and one slice at each end (the paper states none; the challenge's baseline crops at least
50 mm). The module needs numpy only; SimpleITK is imported where connected parts are looked for.

Arrays are ``[k, j, i]`` (slice, row, column); boxes and spacings are in ``(i, j, k)`` order, as
SimpleITK's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import NORM_VOLUME_MM3, ROIS, SIDE_NAMES, SIDES, Nucleus, RoiDefinition
from MRNLib.boxes import Box, Index, bounding_box, crop, union
from MRNLib.errors import InputError

MARGIN_MM = 5.0
MARGIN_SLICES = 1
# A nucleus below this share of its usual volume is reported; a ROI below the lower one is absent.
SMALL_SHARE = 0.3
ABSENT_SHARE = 0.1
WITH_NIGRA = ("NM", "QSM2")
# How a warning about voxels apart from their nucleus begins.
STRAYS = "stray voxels outside the largest part are ignored"

Spacing = tuple[float, float, float]

__all__ = [
    "MARGIN_MM",
    "MARGIN_SLICES",
    "STRAYS",
    "Box",
    "Roi",
    "bounding_box",
    "boxes_from_masks",
    "crop",
    "largest_part",
    "require_brainstem",
    "union",
    "volume_note",
    "without_strays",
]


@dataclass(frozen=True)
class Roi:
    """One of the four ROIs in one patient.

    Attributes:
        name: ``NM``, ``QSM1``, ``QSM2`` or ``QSM3``.
        box: Where it is, or None when it is absent.
        present: False when its nuclei are (nearly) all missing.
        slices: Slices in the box, 0 when absent.
        size_mm: Extent along ``(i, j, k)`` in mm.
        warnings: What a reader should know, as sentences.
    """

    name: str
    box: Box | None
    present: bool
    slices: int
    size_mm: tuple[float, float, float]
    warnings: tuple[str, ...] = ()


def volume_note(key: str, side: str, cubic_mm: float) -> str:
    """What is said about a nucleus whose volume ``cubic_mm`` is unusual, or 0."""
    usual = NORM_VOLUME_MM3[key][side]
    share = f"{cubic_mm:.0f} mm³, {100 * cubic_mm / usual:.0f} % of the usual {usual:.0f}"
    return f"{key} {SIDE_NAMES[side]}: {share if cubic_mm else 'not in the mask'}"


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 26-connected part of a boolean ``mask`` ``[k, j, i]``; of equals the first."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    counts = np.bincount(parts.ravel())
    counts[0] = 0
    return parts == counts.argmax()


def without_strays(mask: NDArray[Any], labels: Collection[int] | None = None) -> NDArray[Any]:
    """``mask`` ``[k, j, i]`` reduced to the largest connected part of each label.

    Args:
        mask: Label map.
        labels: Those that are reduced; all by default.
    """
    result = mask.copy()
    for label in np.unique(mask[mask > 0]):
        if labels is not None and label not in labels:
            continue
        where = mask == label
        outer = bounding_box(where)
        assert outer is not None  # the label was found
        inside = where[outer.slices]
        result[outer.slices][inside & ~largest_part(inside)] = 0
    return result


def _label_box(
    mask: NDArray[Any], nucleus: Nucleus, side: str, keep_largest: bool
) -> tuple[Box | None, int, int]:
    """Box and voxel count of one label, and how many stray voxels were left out."""
    where = mask == nucleus.label(side)
    outer = bounding_box(where)
    if outer is None:
        return None, 0, 0
    inside = where[outer.slices]
    total = int(np.count_nonzero(inside))
    if not keep_largest:
        return outer, total, 0
    kept = largest_part(inside)
    count = int(np.count_nonzero(kept))
    inner = bounding_box(kept)
    assert inner is not None  # `inside` holds at least one voxel
    return inner.shift(outer.lower), count, total - count


def _margin(spacing: Spacing, margin_mm: float, margin_slices: int) -> Index:
    in_plane = [math.ceil(margin_mm / step - 1e-6) for step in spacing[:2]]
    return in_plane[0], in_plane[1], margin_slices


def _roi(
    definition: RoiDefinition,
    mask: NDArray[Any],
    spacing: Spacing,
    margin: Index,
    keep_largest: bool,
) -> Roi:
    boxes: list[Box] = []
    notes: list[str] = []
    strays: list[str] = []
    volume = norm = 0.0
    for nucleus in definition.nuclei:
        for side in SIDES:
            box, count, stray = _label_box(mask, nucleus, side, keep_largest)
            usual = NORM_VOLUME_MM3[nucleus.key][side]
            cubic_mm = count * math.prod(spacing)
            volume, norm = volume + cubic_mm, norm + usual
            strays += [f"{nucleus.key} {SIDE_NAMES[side]} {stray}"] if stray else []
            boxes += [box] if box else []
            if cubic_mm < SMALL_SHARE * usual:
                notes.append(volume_note(nucleus.key, side, cubic_mm))
    if strays:
        notes.append(f"ROI {definition.name}: {STRAYS}: {', '.join(strays)}")
    if not boxes or volume < ABSENT_SHARE * norm:
        notes.append(f"ROI {definition.name} is absent: its nuclei are (nearly) all missing")
        return Roi(definition.name, None, False, 0, (0.0, 0.0, 0.0), tuple(notes))
    size = mask.shape[::-1]
    tight = union(boxes)
    if min(tight.lower) == 0 or any(a == b for a, b in zip(tight.upper, size, strict=True)):
        notes.append(f"ROI {definition.name} touches the volume's edge and may be cut")
    box = tight.expand(margin, size)
    i, j, k = (round(n * step, 3) for n, step in zip(box.size, spacing, strict=True))
    return Roi(definition.name, box, True, box.size[2], (i, j, k), tuple(notes))


def boxes_from_masks(
    qsm_mask: NDArray[Any] | None,
    nm_mask: NDArray[Any] | None,
    spacing: Spacing,
    margin_mm: float = MARGIN_MM,
    margin_slices: int = MARGIN_SLICES,
    keep_largest: bool = True,
) -> dict[str, Roi]:
    """The four ROIs of one patient from the two masks.

    Args:
        qsm_mask: Labels 0-16, ``[k, j, i]``; None leaves the QSM ROIs absent.
        nm_mask: Labels 0-2, ``[k, j, i]``; None leaves the NM ROI absent.
        spacing: Voxel size ``(i, j, k)`` in mm.
        margin_mm: Widening in plane, in mm, rounded up to whole voxels.
        margin_slices: Widening at each end of the stack, in slices.
        keep_largest: Take only the largest connected part of each label and side.

    Returns:
        One :class:`Roi` for each of ``NM``, ``QSM1``, ``QSM2``, ``QSM3``, in that order. A ROI
        whose nuclei together hold under 10 % of their usual volume is absent; a nucleus under
        30 % of its own is named in the warnings.
    """
    margin = _margin(spacing, margin_mm, margin_slices)
    masks: Mapping[str, NDArray[Any] | None] = {"QSM": qsm_mask, "NM": nm_mask}
    rois: dict[str, Roi] = {}
    for definition in ROIS:
        mask = masks[definition.modality]
        if mask is None:
            note = f"ROI {definition.name} is absent: there is no {definition.modality} mask"
            rois[definition.name] = Roi(definition.name, None, False, 0, (0.0, 0.0, 0.0), (note,))
        else:
            rois[definition.name] = _roi(definition, mask, spacing, margin, keep_largest)
    return rois


def require_brainstem(
    rois: Mapping[str, Roi], left_out: Collection[str] = (), file: str | None = None
) -> None:
    """Refuses a patient in whom neither ROI with the substantia nigra can be seen.

    Args:
        rois: From :func:`boxes_from_masks`.
        left_out: ROIs to be masked on request.
        file: For the message.

    Raises:
        InputError: ``NM`` and ``QSM2`` are absent or left out.
    """
    if any(rois[name].present and name not in left_out for name in WITH_NIGRA):
        return
    why = "absent or left out" if left_out else "absent"
    raise InputError(
        f"both ROIs with the substantia nigra (NM and QSM2) are {why}",
        file=file,
        expected="at least one of them; what is left says too little about Parkinson's disease",
        remedy="check that the volumes cover the midbrain, correct the masks, or leave out less; "
        "the masking table of any diagnosis shows what the model says without them",
    )
