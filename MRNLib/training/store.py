"""Stored crops in a device's memory, and a batch of them on one canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from MRNLib.anatomy import ROI_NAMES
from MRNLib.boxes import Box
from MRNLib.errors import InputError
from MRNLib.models.system import MIDBRAIN
from MRNLib.training.crops import PatientCrops

Shape = tuple[int, int, int]
# Slices, rows and columns in voxels of a ROI that nobody has.
UNKNOWN_SHAPE = (8, 40, 60)


def median_shapes(patients: Sequence[PatientCrops]) -> dict[str, Shape]:
    """Median slices, rows and columns of each ROI's box: what an absent ROI is given."""
    shapes = {}
    for name in ROI_NAMES:
        found = [one.rois[name].box.size[::-1] for one in patients if name in one.rois]
        slices, rows, columns = np.median(found or [UNKNOWN_SHAPE], axis=0).astype(int).tolist()
        shapes[name] = (slices, rows, columns)
    return shapes


@dataclass(frozen=True)
class StoredRegion:
    """One region of B patients as stored, on one canvas.

    Attributes:
        images: ``[B, C, S, H, W]`` float32, ppb or neuromelanin over its median; 0 beyond a crop.
        labels: ``[B, S, H, W]`` uint8.
        boxes: ``[B, 3, 2]`` int64 on the CPU: slice, row, column.
        predicted_boxes: The same from predicted masks, or the true ones again.
        extents: ``[B, 3]`` slices, rows and columns of each crop.
        present: ``[B]`` bool.
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor
    predicted_boxes: Tensor
    extents: Tensor
    present: Tensor


@dataclass(frozen=True)
class _Stored:
    """One region of one patient; images ``[C, S, H, W]`` float16 on the device."""

    image: Tensor
    labels: Tensor
    box: Tensor
    predicted_box: Tensor
    present: bool


class CropStore:
    """The wanted regions of all patients on a device, float16.

    Args:
        patients: Their crops.
        regions: Which regions.
        absent_shapes: What an absent ROI is given.
        device: Where to keep them.

    Raises:
        InputError: A patient has no midbrain square, or an NM crop without tissue.
    """

    def __init__(
        self,
        patients: Sequence[PatientCrops],
        regions: Sequence[str],
        absent_shapes: Mapping[str, Shape],
        device: torch.device,
    ) -> None:
        self.device = device
        self._regions = {
            name: [_region(patient, name, absent_shapes, device) for patient in patients]
            for name in regions
        }

    def gather(self, name: str, indices: Sequence[int]) -> StoredRegion:
        """Some patients' region on one canvas, as large as the largest of them."""
        chosen = [self._regions[name][int(index)] for index in indices]
        shapes = [tuple(one.labels.shape) for one in chosen]
        canvas = [max(sizes) for sizes in zip(*shapes, strict=True)]
        channels = chosen[0].image.shape[0]
        images = torch.zeros(len(chosen), channels, *canvas, device=self.device)
        labels = torch.zeros(len(chosen), *canvas, dtype=torch.uint8, device=self.device)
        for number, (one, (slices, rows, columns)) in enumerate(zip(chosen, shapes, strict=True)):
            images[number, :, :slices, :rows, :columns] = one.image
            labels[number, :slices, :rows, :columns] = one.labels
        return StoredRegion(
            images,
            labels,
            torch.stack([one.box for one in chosen]),
            torch.stack([one.predicted_box for one in chosen]),
            torch.tensor(shapes),
            torch.tensor([one.present for one in chosen]),
        )


def _region(
    patient: PatientCrops, name: str, absent_shapes: Mapping[str, Shape], device: torch.device
) -> _Stored:
    if name == MIDBRAIN:
        return _midbrain(patient, device)
    roi = patient.rois.get(name)
    if roi is None:
        shape = absent_shapes[name]
        whole = _bounds(Box((0, 0, 0), shape[::-1]))
        empty = torch.zeros(shape, device=device)
        return _Stored(empty[None].half(), empty.to(torch.uint8), whole, whole, False)
    if name == "NM" and not (roi.image[roi.box.slices] > 0).any():
        raise InputError(
            "the NM region holds no tissue: none of its voxels is above 0",
            file=patient.identifier,
            remedy="check the patient's NM image and mask, then cut the crops again",
        )
    box = _bounds(roi.box)
    predicted = box if roi.predicted_box is None else _bounds(roi.predicted_box)
    return _Stored(
        _image(roi.image[None], device), _labels(roi.labels, device), box, predicted, True
    )


def _midbrain(patient: PatientCrops, device: torch.device) -> _Stored:
    crop = patient.midbrain
    if crop is None:
        raise InputError(
            "this patient has no midbrain crop: the mask lacks the QSM2 nuclei",
            file=patient.identifier,
            remedy="correct the mask and cut the crops again, or leave the patient out",
        )
    box = _bounds(crop.box)
    labels = torch.zeros(crop.image.shape[1:], dtype=torch.uint8, device=device)
    return _Stored(_image(crop.image, device), labels, box, box, True)


def _image(array: NDArray[np.float16], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _labels(array: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _bounds(box: Box) -> Tensor:
    """``[3, 2]`` along slice, row, column, from a box along column, row, slice."""
    return torch.tensor([box.lower[::-1], box.upper[::-1]]).T.contiguous()
