"""Crops of patients: cut once at native resolution, wider than their boxes.

The spare margin lets boxes be jittered and turned in training without reading the volumes again.
Arrays are canonical (LPS), ``[slices, height, width]``; boxes ``(i, j, k)`` are in the stored
crop's own voxels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import ROIS, RoiDefinition
from MRNLib.boxes import Box, crop, triple, union
from MRNLib.casefiles import DIAGNOSES
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES, Roi, boxes_from_masks
from MRNLib.training.content import fingerprint, members

SPARE_VOXELS = 4
SPARE_SLICES = 1
NO_SEED = -1
FINGERPRINT_DIGITS = 16
# What the organisers' kind of baseline looks at: this many mm in plane and slices at most.
MIDBRAIN_MM = 50.0
MIDBRAIN_SLICES = 9


@dataclass(frozen=True)
class RoiCrop:
    """One ROI of one patient as it is stored.

    Attributes:
        image: ``[S, H, W]`` float16; QSM in ppb, neuromelanin divided by the crop's median (its
            absolute scale is the scanner's, and does not fit float16).
        labels: ``[S, H, W]`` uint8: 0 background, n the n-th nucleus of the ROI, left and right
            merged.
        box: The ROI's box from the true (or corrected) masks.
        predicted_box: The box from predicted masks, or None.
    """

    image: NDArray[np.float16]
    labels: NDArray[np.uint8]
    box: Box
    predicted_box: Box | None = None


@dataclass(frozen=True)
class MidbrainCrop:
    """One square around the midbrain, in both modalities.

    Attributes:
        image: ``[2, S, H, W]`` float16: QSM in ppb, neuromelanin divided by the crop's median.
        box: What is meant of it; around it lies the spare margin.
    """

    image: NDArray[np.float16]
    box: Box


@dataclass(frozen=True)
class PatientCrops:
    """The ROIs of one patient.

    Attributes:
        identifier: The patient's name; names the file.
        diagnosis: 0 HC, 1 PD.
        rois: By name; an absent ROI is missing.
        seed: Of a digital patient.
        phantom: Whether it is one.
        spacing: Voxel size ``(i, j, k)`` in mm.
        midbrain: The midbrain's square; ``None`` without a QSM2 ROI, which says where it is.
        margin_mm: In-plane margin of the boxes around the nuclei.
        margin_slices: Their margin at each end of the slices.
    """

    identifier: str
    diagnosis: int
    rois: Mapping[str, RoiCrop] = field(repr=False)
    seed: int = NO_SEED
    phantom: bool = False
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    midbrain: MidbrainCrop | None = field(default=None, repr=False)
    margin_mm: float = MARGIN_MM
    margin_slices: int = MARGIN_SLICES

    @property
    def file_name(self) -> str:
        """Of the patient's crop file."""
        return f"{self.identifier}.npz"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as named arrays: what the crop file holds."""
        arrays: dict[str, NDArray[Any]] = {
            "identifier": np.array(self.identifier),
            "diagnosis": np.array(self.diagnosis),
            "seed": np.array(self.seed),
            "phantom": np.array(self.phantom),
            "spacing": np.array(self.spacing),
            "margin_mm": np.array(self.margin_mm),
            "margin_slices": np.array(self.margin_slices),
        }
        if self.midbrain is not None:
            arrays["MIDBRAIN_image"] = self.midbrain.image
            arrays["MIDBRAIN_box"] = _box_array(self.midbrain.box)
        for name, roi in self.rois.items():
            arrays[f"{name}_image"] = roi.image
            arrays[f"{name}_labels"] = roi.labels
            arrays[f"{name}_box"] = _box_array(roi.box)
            if roi.predicted_box is not None:
                arrays[f"{name}_predicted_box"] = _box_array(roi.predicted_box)
        return arrays

    @cached_property
    def fingerprint(self) -> str:
        """Digits that crops of other content do not share (:mod:`MRNLib.training.content`)."""
        return fingerprint([(self.file_name, members(self.arrays()))])[:FINGERPRINT_DIGITS]


def _box_array(box: Box) -> NDArray[np.int32]:
    return np.array([box.lower, box.upper], np.int32)


def merged_labels(mask: NDArray[Any], definition: RoiDefinition) -> NDArray[np.uint8]:
    """The challenge's labels as classes of one ROI: sides merged, other nuclei background."""
    classes = np.zeros(mask.shape, np.uint8)
    for number, nucleus in enumerate(definition.nuclei, start=1):
        classes[(mask == nucleus.right) | (mask == nucleus.left)] = number
    return classes


def crops_from_arrays(
    qsm: NDArray[Any],
    nm: NDArray[Any],
    qsm_mask: NDArray[Any],
    nm_mask: NDArray[Any],
    spacing: tuple[float, float, float],
    *,
    identifier: str,
    diagnosis: str,
    predicted_masks: tuple[NDArray[Any], NDArray[Any]] | None = None,
    margin_mm: float = MARGIN_MM,
    margin_slices: int = MARGIN_SLICES,
    seed: int = NO_SEED,
    phantom: bool = False,
) -> PatientCrops:
    """Cuts the four ROIs of one patient.

    Args:
        qsm: Susceptibility in ppb, canonical ``[k, j, i]``.
        nm: Neuromelanin image, any unit, the same grid.
        qsm_mask: Labels 0-16 on that grid.
        nm_mask: Labels 0-2 on that grid.
        spacing: Voxel size (i, j, k) in mm.
        identifier: The patient's name; names the file.
        diagnosis: ``HC`` or ``PD``.
        predicted_masks: QSM and NM masks of a segmentation model, for a second set of boxes.
        margin_mm: In-plane margin of a box.
        margin_slices: Margin of a box at each end of its slices.
        seed: Seed of a digital patient.
        phantom: Whether this is a digital patient.
    """
    margins = {"margin_mm": margin_mm, "margin_slices": margin_slices}
    true = boxes_from_masks(qsm_mask, nm_mask, spacing, **margins)  # type: ignore[arg-type]
    predicted: Mapping[str, Roi] = {}
    if predicted_masks is not None:
        predicted = boxes_from_masks(*predicted_masks, spacing, **margins)  # type: ignore[arg-type]
    volumes = {"QSM": (qsm, qsm_mask), "NM": (nm, nm_mask)}
    rois: dict[str, RoiCrop] = {}
    for definition in ROIS:
        box = true[definition.name].box
        if box is None:
            continue
        other = predicted[definition.name].box if definition.name in predicted else None
        rois[definition.name] = _cut(definition, *volumes[definition.modality], box, other)
    where = true["QSM2"].box
    midbrain = None if where is None else _cut_midbrain(qsm, nm, where, spacing)
    number = DIAGNOSES.index(diagnosis)
    return PatientCrops(
        identifier, number, rois, seed, phantom, spacing, midbrain, margin_mm, margin_slices
    )


def _cut(
    definition: RoiDefinition, image: NDArray[Any], mask: NDArray[Any], box: Box, other: Box | None
) -> RoiCrop:
    boxes = [box] if other is None else [box, other]
    spare = (SPARE_VOXELS, SPARE_VOXELS, SPARE_SLICES)
    outer = union(boxes).expand(spare, image.shape[::-1])
    back = tuple(-first for first in outer.lower)
    return RoiCrop(
        _stored(crop(image, outer), definition.modality),
        merged_labels(crop(mask, outer), definition),
        box.shift(back),
        None if other is None else other.shift(back),
    )


def _stored(values: NDArray[Any], modality: str) -> NDArray[np.float16]:
    """Values as they are stored: neuromelanin over its median, nothing beyond float16."""
    values = values.astype(np.float32)
    if modality == "NM" and (values > 0).any():
        values = values / float(np.median(values[values > 0]))
    limit = float(np.finfo(np.float16).max)
    return np.clip(values, -limit, limit).astype(np.float16)


def _cut_midbrain(
    qsm: NDArray[Any], nm: NDArray[Any], where: Box, spacing: tuple[float, float, float]
) -> MidbrainCrop:
    """The square around the centre of the QSM2 ROI, clipped to the volume."""
    size = (
        round(MIDBRAIN_MM / spacing[0]),
        round(MIDBRAIN_MM / spacing[1]),
        min(MIDBRAIN_SLICES, qsm.shape[0]),
    )
    lower = [(a + b - n) // 2 for a, b, n in zip(where.lower, where.upper, size, strict=True)]
    box = Box(triple(lower), triple([a + n for a, n in zip(lower, size, strict=True)]))
    box = box.clip(qsm.shape[::-1])
    outer = box.expand((SPARE_VOXELS, SPARE_VOXELS, SPARE_SLICES), qsm.shape[::-1])
    image = np.stack([_stored(crop(qsm, outer), "QSM"), _stored(crop(nm, outer), "NM")])
    return MidbrainCrop(image, box.shift(tuple(-first for first in outer.lower)))
