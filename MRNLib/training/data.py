"""Crops of patients: cut once at native resolution, kept on disk as one small file each.

A stored crop is wider than its box by a spare margin, so that boxes can be jittered in training
without reading the volumes again. Arrays are canonical (LPS), ``[slices, height, width]``; boxes
``(i, j, k)`` are in the stored crop's own voxels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import ROIS, RoiDefinition
from MRNLib.casefiles import DIAGNOSES, Case
from MRNLib.errors import InputError
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES, Box, Roi, boxes_from_masks, crop, union
from MRNLib.splits import folds
from MRNLib.writing import replaced

SPARE_VOXELS = 4
SPARE_SLICES = 1
NO_SEED = -1


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
class PatientCrops:
    """The ROIs of one patient; an absent ROI is missing in ``rois``."""

    identifier: str
    diagnosis: int
    rois: Mapping[str, RoiCrop] = field(repr=False)
    seed: int = NO_SEED
    phantom: bool = False


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
    rois = {}
    for definition in ROIS:
        box = true[definition.name].box
        if box is None:
            continue
        other = predicted[definition.name].box if definition.name in predicted else None
        rois[definition.name] = _cut(definition, *volumes[definition.modality], box, other)
    return PatientCrops(identifier, DIAGNOSES.index(diagnosis), rois, seed, phantom)


def _cut(
    definition: RoiDefinition, image: NDArray[Any], mask: NDArray[Any], box: Box, other: Box | None
) -> RoiCrop:
    boxes = [box] if other is None else [box, other]
    spare = (SPARE_VOXELS, SPARE_VOXELS, SPARE_SLICES)
    outer = union(boxes).expand(spare, image.shape[::-1])
    values = crop(image, outer).astype(np.float32)
    if definition.modality == "NM":
        values = values / max(float(np.median(values[values > 0])), 1e-6)
    limit = float(np.finfo(np.float16).max)
    back = tuple(-first for first in outer.lower)
    return RoiCrop(
        np.clip(values, -limit, limit).astype(np.float16),
        merged_labels(crop(mask, outer), definition),
        box.shift(back),
        None if other is None else other.shift(back),
    )


def save_crops(crops: PatientCrops, folder: Path) -> Path:
    """Writes ``<identifier>.npz`` beside its target and moves it into place."""
    arrays: dict[str, Any] = {
        "identifier": np.array(crops.identifier),
        "diagnosis": np.array(crops.diagnosis),
        "seed": np.array(crops.seed),
        "phantom": np.array(crops.phantom),
    }
    for name, roi in crops.rois.items():
        arrays[f"{name}_image"] = roi.image
        arrays[f"{name}_labels"] = roi.labels
        arrays[f"{name}_box"] = _box_array(roi.box)
        if roi.predicted_box is not None:
            arrays[f"{name}_predicted_box"] = _box_array(roi.predicted_box)
    target = folder / f"{crops.identifier}.npz"
    with replaced(target) as partial:
        np.savez_compressed(partial, **arrays)
    return target


def _box_array(box: Box) -> NDArray[np.int32]:
    return np.array([box.lower, box.upper], np.int32)


def _box(array: NDArray[Any]) -> Box:
    return Box(tuple(array[0].tolist()), tuple(array[1].tolist()))


def load_crops(path: Path) -> PatientCrops:
    """Reads one patient's crops.

    Raises:
        InputError: The file is no crop file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        rois = {
            definition.name: RoiCrop(
                arrays[f"{definition.name}_image"],
                arrays[f"{definition.name}_labels"],
                _box(arrays[f"{definition.name}_box"]),
                _box(arrays[f"{definition.name}_predicted_box"])
                if f"{definition.name}_predicted_box" in arrays
                else None,
            )
            for definition in ROIS
            if f"{definition.name}_image" in arrays
        }
        return PatientCrops(
            str(arrays["identifier"]),
            int(arrays["diagnosis"]),
            rois,
            int(arrays["seed"]),
            bool(arrays["phantom"]),
        )
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(
            "this is not a crop file",
            file=path,
            expected="an .npz file written by Training/prepare_crops.py",
            remedy="delete it and run prepare_crops.py again; finished patients are skipped",
        ) from error


def load_folder(folder: Path, limit: int | None = None) -> list[PatientCrops]:
    """All patients of a crop folder in name order, the first ``limit`` if given.

    Raises:
        InputError: No crops there, or only one class.
    """
    paths = sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))[:limit]
    if not paths:
        raise InputError(
            "no crops found",
            file=folder,
            expected="one .npz file for each patient",
            remedy="write them with Training/prepare_crops.py",
        )
    patients = [load_crops(path) for path in paths]
    if len({patient.diagnosis for patient in patients}) < 2:
        raise InputError(
            f"all {len(patients)} patients have the same diagnosis",
            file=folder,
            expected="patients of both classes, HC and PD",
        )
    return patients


def stratified_folds(
    patients: Sequence[PatientCrops], number: int, seed: int = 1
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The library's folds (:func:`MRNLib.casefiles.folds`) as positions in ``patients``.

    Args:
        patients: Patients with different identifiers.
        number: Folds (paper: 5).
        seed: Of the split (paper: 1).

    Returns:
        For each fold the (training, held-out) positions, ascending.

    Raises:
        InputError: A class has fewer patients than there are folds.
    """
    position = {patient.identifier: place for place, patient in enumerate(patients)}
    cases = [
        Case(patient.identifier, Path(), Path(), diagnosis=DIAGNOSES[patient.diagnosis])
        for patient in patients
    ]

    def positions(part: Sequence[Case]) -> NDArray[np.int64]:
        return np.array(sorted(position[case.identifier] for case in part), np.int64)

    return [(positions(training), positions(held)) for training, held in folds(cases, number, seed)]
