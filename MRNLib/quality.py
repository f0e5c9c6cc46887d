"""What can only be judged once the nuclei are known: repaired voxels, sign, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import SimpleITK as sitk

from MRNLib.anatomy import ROIS, nucleus
from MRNLib.cases import CaseImages
from MRNLib.errors import InputError
from MRNLib.images import Volume
from MRNLib.rois import Roi, boxes_from_masks, crop, require_brainstem
from MRNLib.values import not_susceptibility

# More repaired voxels than this in a ROI's box would let the repair speak instead of the patient.
MOST_NOT_FINITE = 0.01
# Nuclei with much iron in every adult: 100-150 ppb in health and disease.
IRON_RICH = ("GP", "SN", "RN", "DN")
INVERTED_BELOW = -20.0


def check_rois(
    images: CaseImages, rois: Mapping[str, Roi], left_out: Collection[str] = ()
) -> tuple[str, ...]:
    """Refuses what must not be diagnosed, and gathers the warnings of the ROIs.

    Args:
        images: The patient, with masks where they are known.
        rois: From :func:`MRNLib.rois.boxes_from_masks`.
        left_out: ROIs to be masked on request.

    Returns:
        The ROIs' warnings (small or missing nuclei, stray voxels, the volume's edge), each once.

    Raises:
        InputError: NM and QSM2 are both absent or left out, more than 1 % of a ROI's voxels were no
            numbers, or the iron-rich nuclei are negative (inverted sign).
    """
    require_brainstem(rois, left_out, images.case.identifier)
    for definition in ROIS:
        volume = images.qsm if definition.modality == "QSM" else images.nm
        _check_finite(volume, rois[definition.name])
    if images.qsm_mask is not None:
        _check_iron(images.qsm, images.qsm_mask)
    return tuple(dict.fromkeys(note for roi in rois.values() for note in roi.warnings))


def check_masks(images: CaseImages) -> tuple[str, ...]:
    """:func:`check_rois` for the given masks, with ROIs of the usual margin; needs both.

    Raises:
        InputError: As :func:`check_rois`.
    """
    if images.qsm_mask is None or images.nm_mask is None:
        return ()
    qsm_mask, nm_mask = map(sitk.GetArrayViewFromImage, (images.qsm_mask, images.nm_mask))
    spacing = images.qsm.image.GetSpacing()
    return check_rois(images, boxes_from_masks(qsm_mask, nm_mask, spacing))


def _check_finite(volume: Volume, roi: Roi) -> None:
    if roi.box is None or volume.not_finite is None:
        return
    share = float(np.mean(crop(sitk.GetArrayViewFromImage(volume.not_finite), roi.box) != 0))
    if share > MOST_NOT_FINITE:
        raise InputError(
            f"{100 * share:.1f} % of the voxels in ROI {roi.name} are not numbers (NaN, infinite)",
            file=volume.source.path,
            expected=f"at most {100 * MOST_NOT_FINITE:.0f} %",
            remedy="export or reconstruct the volume again",
        )


def _check_iron(qsm: Volume, mask: sitk.Image) -> None:
    values, labels = sitk.GetArrayViewFromImage(qsm.image), sitk.GetArrayViewFromImage(mask)
    iron = [label for key in IRON_RICH for label in (nucleus(key).right, nucleus(key).left)]
    where = np.isin(labels, iron)
    if not where.any():
        return
    median = float(np.median(values[where]))
    if median < INVERTED_BELOW:
        raise not_susceptibility(
            f"its sign is inverted: the iron-rich nuclei have a median of {median:.0f} ppb",
            qsm.source.path,
            "multiply it by -1, so that iron (the nuclei, veins) is positive, and save it again",
        )
