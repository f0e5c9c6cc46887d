"""From stored crops to training batches: boxes, augmentation, the model's own preprocessing.

Every random draw comes from (seed, epoch, place in the epoch), so that a training resumed in the
middle of an epoch sees exactly what an uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from MRNLib.anatomy import ROIS
from MRNLib.models.config import PreprocessConfig
from MRNLib.models.preprocess import blank, preprocess, preprocess_labels, tissue_median
from MRNLib.rois import Box
from MRNLib.training.augment import NO_AUGMENTATION, Augmentation
from MRNLib.training.crops import PatientCrops, RoiCrop
from MRNLib.training.losses import IGNORED_LABEL

MODALITIES = {definition.name: definition.modality for definition in ROIS}
# Slices, height and width in voxels of a ROI that nobody has.
UNKNOWN_SHAPE = (8, 40, 60)


@dataclass(frozen=True)
class BoxVariation:
    """How boxes vary in training; none of it by default.

    Attributes:
        voxels: Each in-plane face moves by up to this many voxels.
        slices: Each end of the slices moves by up to this many.
        predicted_share: Chance that a patient's predicted boxes are used, where there are some.
    """

    voxels: int = 0
    slices: int = 0
    predicted_share: float = 0.0


@dataclass(frozen=True)
class Sample:
    """One patient ready for the model.

    Attributes:
        stacks: ``[S, 3, h, w]`` for each ROI name.
        labels: ``[S, h, w]`` int64 for each ROI name; padding and absent ROIs hold
            ``IGNORED_LABEL``.
        diagnosis: 0 HC, 1 PD.
        patient: Position of the patient in the dataset.
    """

    stacks: dict[str, Tensor]
    labels: dict[str, Tensor]
    diagnosis: int
    patient: int

    def to(self, device: torch.device) -> Sample:
        """The same sample on a device."""
        return Sample(
            {name: one.to(device, non_blocking=True) for name, one in self.stacks.items()},
            {name: one.to(device, non_blocking=True) for name, one in self.labels.items()},
            self.diagnosis,
            self.patient,
        )


def median_shapes(patients: Sequence[PatientCrops]) -> dict[str, tuple[int, int, int]]:
    """Median slices, height and width of each ROI's box: what an absent ROI is given."""
    shapes = {}
    for name in MODALITIES:
        found = [one.rois[name].box.size[::-1] for one in patients if name in one.rois]
        slices, height, width = np.median(found or [UNKNOWN_SHAPE], axis=0).astype(int).tolist()
        shapes[name] = (slices, height, width)
    return shapes


class CropDataset:
    """Patients in memory.

    Args:
        patients: Their crops.
        config: The model's preprocessing.
        augmentation: Random transforms of training samples.
        variation: Random boxes of training samples.
    """

    def __init__(
        self,
        patients: Sequence[PatientCrops],
        config: PreprocessConfig,
        augmentation: Augmentation = NO_AUGMENTATION,
        variation: BoxVariation | None = None,
    ) -> None:
        self.patients = list(patients)
        self.config = config
        self.augmentation = augmentation
        self.variation = variation or BoxVariation()
        self.diagnoses = np.array([patient.diagnosis for patient in self.patients])
        self.absent_shapes = median_shapes(self.patients)

    def __len__(self) -> int:
        return len(self.patients)

    def plain(self, index: int) -> Sample:
        """One patient with its true boxes, nothing random: for evaluation."""
        rois = self.patients[index].rois
        return self._sample(index, {name: _cut(roi, roi.box) for name, roi in rois.items()})

    def varied(self, index: int, generator: Generator) -> Sample:
        """One patient as training sees it: a chosen and jittered box, then augmentation."""
        rois = self.patients[index].rois
        draw = float(torch.rand((), generator=generator))
        predicted = draw < self.variation.predicted_share
        cuts, limits = {}, {}
        for name, roi in rois.items():
            box = roi.predicted_box if predicted and roi.predicted_box else roi.box
            image, labels = _cut(roi, jittered(box, roi.image.shape, self.variation, generator))
            low, high = limits[name] = window_limits(image, MODALITIES[name], self.config)
            cuts[name] = ((image - low) / (high - low), labels)
        changed = self.augmentation(list(cuts.values()), generator)
        for name, (image, labels) in zip(cuts, changed, strict=True):
            low, high = limits[name]
            cuts[name] = (image * (high - low) + low, labels)
        return self._sample(index, cuts)

    def _sample(self, index: int, cuts: Mapping[str, tuple[Tensor, Tensor]]) -> Sample:
        stacks, labels = {}, {}
        for name, modality in MODALITIES.items():
            if name not in cuts:
                stacks[name] = blank(*self.absent_shapes[name], self.config)
                labels[name] = torch.full(stacks[name][:, 0].shape, IGNORED_LABEL)
                continue
            image, classes = cuts[name]
            stacks[name] = preprocess(image, modality, self.config)
            labels[name] = preprocess_labels(classes, self.config, padding=IGNORED_LABEL)
        return Sample(stacks, labels, self.patients[index].diagnosis, index)


def _cut(roi: RoiCrop, box: Box) -> tuple[Tensor, Tensor]:
    image = torch.from_numpy(roi.image[box.slices].astype(np.float32))
    return image, torch.from_numpy(roi.labels[box.slices].copy())


def jittered(
    box: Box, shape: tuple[int, ...], variation: BoxVariation, generator: Generator
) -> Box:
    """The box with each face moved at random, inside a stored crop of ``shape`` ``[S, H, W]``."""
    if variation.voxels == 0 and variation.slices == 0:
        return box
    reach = torch.tensor([variation.voxels, variation.voxels, variation.slices])
    draws = torch.rand((2, 3), generator=generator)
    moves = ((draws * (2 * reach + 1)).floor() - reach).long().tolist()
    lower = [max(a + move, 0) for a, move in zip(box.lower, moves[0], strict=True)]
    upper = [
        min(b + move, size) for b, move, size in zip(box.upper, moves[1], shape[::-1], strict=True)
    ]
    upper = [max(b, a + 1) for a, b in zip(lower, upper, strict=True)]
    return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))


def window_limits(image: Tensor, modality: str, config: PreprocessConfig) -> tuple[float, float]:
    """The window's ends in the crop's own unit."""
    if config.intensity == "percentiles":
        ends = torch.quantile(image.flatten(), torch.tensor(config.percentiles) / 100.0)
        return float(ends[0]), max(float(ends[1]), float(ends[0]) + 1e-6)
    if modality == "QSM":
        return config.qsm_window
    reference = float(tissue_median(image)) if config.nm_reference == "median" else 1.0
    return config.nm_window[0] * reference, config.nm_window[1] * reference


def generator_for(*numbers: int) -> Generator:
    """A random generator that depends on the given numbers only."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return Generator().manual_seed(int(state >> np.uint64(1)))


def balanced_batches(
    diagnoses: NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """One epoch of batches that each hold both classes, half and half.

    A smaller class is repeated, each patient as often as the others (give or take one), until both
    are used up. With an odd batch size the extra place goes to the classes in turn.

    Args:
        diagnoses: ``[N]`` classes 0 and 1, both present.
        batch_size: Patients in a batch, at least 2.
        seed: Of the training.
        epoch: Its number; each has its own order.
    """
    random = np.random.default_rng([seed, epoch])
    members = [np.flatnonzero(diagnoses == label) for label in (0, 1)]
    half = batch_size / 2
    number = max(-(-len(group) // max(int(half), 1)) for group in members)
    places = [
        batch_size // 2 + (batch_size % 2 if batch % 2 == 0 else 0) for batch in range(number)
    ]
    needed = [sum(places), sum(batch_size - place for place in places)]
    order = [_cycled(group, count, random) for group, count in zip(members, needed, strict=True)]
    batches, used = [], [0, 0]
    for place in places:
        counts = (place, batch_size - place)
        parts = [order[k][used[k] : used[k] + counts[k]] for k in (0, 1)]
        used = [used[k] + counts[k] for k in (0, 1)]
        batches.append(random.permutation(np.concatenate(parts)))
    return batches


def _cycled(
    members: NDArray[np.int64], count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    rounds = [random.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate(rounds)[:count]
