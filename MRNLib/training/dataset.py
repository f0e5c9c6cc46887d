"""From stored crops to batches of regions: boxes, turns and grey values, on the training's device.

Every random draw of a patient comes from a generator of its own, made from (seed, update, place in
the batch), so that a resumed training and one on several GPUs see what one undisturbed process
sees.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from MRNLib.anatomy import ROIS
from MRNLib.models.config import IntensityConfig
from MRNLib.models.preprocess import window_limits
from MRNLib.models.system import MIDBRAIN, RegionBatch
from MRNLib.training.augment import (
    ContrastShift,
    GaussianNoise,
    HistogramShift,
    IntensityShift,
    Transform,
    inside_boxes,
    rotate,
)
from MRNLib.training.config import AugmentSettings, DataSettings
from MRNLib.training.crops import PatientCrops
from MRNLib.training.store import CropStore, StoredRegion, median_shapes

# Modality of each channel of a region's images.
MODALITIES: dict[str, tuple[str, ...]] = {
    **{definition.name: (definition.modality,) for definition in ROIS},
    MIDBRAIN: ("QSM", "NM"),
}
NO_AUGMENTATION = AugmentSettings(probability=0.0, mirror=False)
TRUE_BOXES = DataSettings(jitter_voxels=0, jitter_slices=0, predicted_share=0.0)
# Chance of a whole patient: which masks gave the boxes, mirror, whether to turn, how far.
PATIENT_DRAWS = 4
JITTER_DRAWS = 6


@dataclass(frozen=True)
class Draws:
    """Uniform numbers of a batch: ``[B, PATIENT_DRAWS]``, and ``[B, n]`` for each region."""

    patient: Tensor
    regions: dict[str, Tensor]


class CropDataset:
    """Patients in the device's memory.

    Args:
        patients: Their crops.
        intensity: Windows of the system in training.
        regions: Which regions it looks at.
        augment: Strengths of the augmentations; ``None`` for none.
        data: How boxes vary in training; ``None`` for not at all.
        device: Where crops are kept and batches are made.

    Raises:
        InputError: A patient lacks a region's tissue, or the midbrain's square when it is asked
            for.
    """

    def __init__(
        self,
        patients: Sequence[PatientCrops],
        intensity: IntensityConfig,
        regions: Sequence[str],
        augment: AugmentSettings | None = None,
        data: DataSettings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.patients = list(patients)
        self.intensity = intensity
        self.regions = tuple(regions)
        self.augment = augment or NO_AUGMENTATION
        self.data = data or TRUE_BOXES
        self.device = torch.device(device)
        self.diagnoses = np.array([patient.diagnosis for patient in self.patients])
        self.absent_shapes = median_shapes(self.patients)
        self._store = CropStore(self.patients, self.regions, self.absent_shapes, self.device)
        strengths = self.augment
        self._transforms: tuple[Transform, ...] = (
            IntensityShift(strengths.intensity_shift, strengths.probability),
            ContrastShift(strengths.contrast_shift, strengths.probability),
            HistogramShift(strengths.histogram_shift, strengths.probability),
            GaussianNoise(strengths.noise, strengths.probability),
        )

    def __len__(self) -> int:
        return len(self.patients)

    def plain(
        self, indices: Sequence[int], masked: Collection[str] = (), mirrored: bool = False
    ) -> dict[str, RegionBatch]:
        """Patients with their true boxes and nothing random, for evaluation.

        Args:
            indices: Positions in ``patients``.
            masked: Regions whose images are emptied (Table 4).
            mirrored: Left and right exchanged, for test-time augmentation.
        """
        batch = {}
        for name in self.regions:
            stored = self._store.gather(name, indices)
            flip = torch.full((len(indices),), mirrored)
            region = self._windowed(name, stored, stored.boxes, flip)
            batch[name] = region.masked() if name in masked else region
        return batch

    def varied(
        self, indices: Sequence[int], generators: Sequence[Generator]
    ) -> dict[str, RegionBatch]:
        """Patients as training sees them: chosen and jittered boxes, then augmentation.

        Args:
            indices: Positions in ``patients``.
            generators: One a patient, on the CPU; it alone decides the patient's chance.
        """
        draws = self._draw(generators)
        return {name: self._vary(name, indices, draws) for name in self.regions}

    def _draw(self, generators: Sequence[Generator]) -> Draws:
        own = JITTER_DRAWS + sum(transform.draws for transform in self._transforms)
        counts = [PATIENT_DRAWS, *([own] * len(self.regions))]
        rows = torch.stack([torch.rand(sum(counts), generator=one) for one in generators])
        patient, *regions = rows.split(counts, dim=1)
        return Draws(patient, dict(zip(self.regions, regions, strict=True)))

    def _vary(self, name: str, indices: Sequence[int], draws: Draws) -> RegionBatch:
        """One region: a box, its window, a turn about its centre, then the grey values."""
        stored, uniform = self._store.gather(name, indices), draws.regions[name]
        predicted = draws.patient[:, 0] < self.data.predicted_share
        chosen = torch.where(predicted[:, None, None], stored.predicted_boxes, stored.boxes)
        reach = (self.data.jitter_slices, self.data.jitter_voxels, self.data.jitter_voxels)
        boxes = jittered(chosen, stored.extents, reach, uniform[:, :JITTER_DRAWS])
        mirrored = (draws.patient[:, 1] < 0.5) & self.augment.mirror
        region = self._windowed(name, stored, boxes, mirrored, clamp=False)
        region = self._turned(region, stored.extents, draws.patient[:, 2:4])
        images, uniform = region.images, uniform[:, JITTER_DRAWS:]
        for transform in self._transforms:
            if transform.amount > 0:
                images = transform(images, boxes, uniform[:, : transform.draws])
            uniform = uniform[:, transform.draws :]
        present = region.present.to(self.device)[:, None, None, None, None]
        return replace(region, images=images.clamp_(0.0, 1.0).mul_(present))

    def _windowed(
        self,
        name: str,
        stored: StoredRegion,
        boxes: Tensor,
        mirrored: Tensor,
        clamp: bool = True,
    ) -> RegionBatch:
        """Crops in window units, by the reference inside their boxes."""
        images = stored.images
        for channel, modality in enumerate(MODALITIES[name]):
            one = images[:, channel]
            low, high = self._limits(one, boxes, modality)
            one.sub_(low[:, None, None, None]).div_((high - low)[:, None, None, None])
        if clamp:
            images = images.clamp_(0.0, 1.0)
            images *= stored.present.to(self.device)[:, None, None, None, None]
        return RegionBatch(images, stored.labels, boxes, mirrored, stored.present)

    def _limits(self, images: Tensor, boxes: Tensor, modality: str) -> tuple[Tensor, Tensor]:
        """Ends of the window ``[B]`` by the voxels in the boxes; 0 and 1 for an absent region."""
        fixed = modality == "QSM" and self.intensity.intensity == "window"
        if fixed:
            low, high = (images.new_tensor([end]) for end in self.intensity.qsm_window)
            return low, high
        inside = inside_boxes(boxes, images[:, None])[:, 0]
        low, high = window_limits(images, inside, modality, self.intensity)
        return low.nan_to_num(0.0), high.nan_to_num(1.0)

    def _turned(self, region: RegionBatch, extents: Tensor, uniform: Tensor) -> RegionBatch:
        chosen = uniform[:, 0] < self.augment.probability
        if self.augment.rotation_degrees == 0 or not chosen.any():
            return region
        which = chosen.nonzero()[:, 0]
        limit = math.radians(self.augment.rotation_degrees)
        angles = (2 * uniform[which, 1] - 1) * limit
        centres = region.boxes[which, 1:].float().mean(2)
        index = which.to(self.device)
        images, labels = rotate(
            region.images[index], region.labels[index], centres, angles, extents[which, 1:]
        )
        return replace(
            region,
            images=region.images.index_copy(0, index, images),
            labels=region.labels.index_copy(0, index, labels),
        )


def jittered(
    boxes: Tensor, extents: Tensor, reach: tuple[int, int, int], uniform: Tensor
) -> Tensor:
    """Boxes ``[B, 3, 2]`` with each face moved at random, inside crops of ``[B, 3]`` voxels.

    Args:
        boxes: First and past-the-last slice, row and column.
        extents: Slices, rows and columns of the stored crops.
        reach: How far a face moves at most along each axis.
        uniform: ``[B, 6]`` in [0, 1).
    """
    most = torch.tensor(reach)[None, :, None]
    moves = ((uniform.view(-1, 3, 2) * (2 * most + 1)).floor() - most).long()
    moved = boxes + moves
    first = torch.minimum(moved[..., 0].clamp_min(0), extents - 1)
    last = torch.minimum(torch.maximum(moved[..., 1], first + 1), extents)
    return torch.stack((first, last), dim=2)
