"""The plain way to take MRN's training step, for train_step.py to measure the trainer against.

fp32; every ROI padded to a square and run by itself; crops cut, augmented and resized one after
another on the CPU; a teacher with its segmentation head; optimizer and moving average one tensor at
a time. The layers and the losses' formulas are the library's.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from MRNLib.anatomy import ROIS
from MRNLib.models.config import PreprocessConfig
from MRNLib.models.mrn import Mrn
from MRNLib.models.res import RoiFeatures
from MRNLib.training.config import AugmentSettings, TrainingConfig
from MRNLib.training.crops import PatientCrops, RoiCrop
from MRNLib.training.losses import (
    IGNORED_LABEL,
    classification_loss,
    contrastive_loss,
    segmentation_loss,
)
from MRNLib.training.memory_bank import Keys, MemoryBank
from MRNLib.training.optimisation import HEAD_MODULES

Rois = dict[str, tuple[Tensor, Tensor]]


class ReferenceStep:
    """A student, a teacher, a bank and an optimizer, nothing shared with the trainer.

    Args:
        config: The settings; its model an MRN.
        model: The student, in training mode on its device.
        patients: Whom to train on.
    """

    def __init__(self, config: TrainingConfig, model: Mrn, patients: list[PatientCrops]) -> None:
        self.config, self.model, self.patients = config, model, patients
        self.device = next(model.parameters()).device
        self.teacher = copy.deepcopy(model).eval().requires_grad_(False)
        self.bank = MemoryBank(config.loss.bank_capacity, model.config.projection_dim)
        self.bank.to(self.device)
        heads = [p for name, p in model.named_parameters() if name.startswith(HEAD_MODULES)]
        others = [p for name, p in model.named_parameters() if not name.startswith(HEAD_MODULES)]
        train = config.train
        groups = [{"params": others, "lr": train.lr_backbone}, {"params": heads}]
        self.optimizer = torch.optim.AdamW(
            groups, lr=train.lr_heads, betas=train.betas, foreach=False, fused=False
        )
        self.generator = Generator().manual_seed(1)

    def step(self, chosen: list[int]) -> float:
        """One step with all losses; returns the total."""
        batch = [self._sample(self.patients[index]) for index in chosen]
        diagnoses = torch.tensor([self.patients[i].diagnosis for i in chosen], device=self.device)
        numbers = torch.tensor(chosen, device=self.device)
        tokens, segmentation = [], []
        for rois in batch:
            features, logits = _encode(self.model, rois)
            tokens.append(features)
            for name, (_, labels) in rois.items():
                segmentation.append(segmentation_loss(logits[name], labels))
        joined = torch.stack(tokens)
        with torch.no_grad():
            views = batch
            if self.config.teacher.own_view:
                views = [self._sample(self.patients[index]) for index in chosen]
            taught = torch.stack([_encode(self.teacher, rois)[0] for rois in views])
            current = Keys(self.teacher.project(taught).float(), diagnoses, numbers)
        keys = current.joined(self.bank.keys())
        contrastive = contrastive_loss(
            self.model.project(joined), diagnoses, keys.vectors, keys.labels
        )
        classification = classification_loss(self.model.classify(joined), diagnoses)
        loss = classification + torch.stack(segmentation).mean() + 0.1 * contrastive
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=False)
        self.optimizer.step()
        with torch.no_grad():
            followed = dict(self.model.named_parameters())
            for name, parameter in self.teacher.named_parameters():
                parameter.mul_(0.999).add_(followed[name], alpha=0.001)
        self.bank.enqueue(current)
        return loss.item()

    def _sample(self, patient: PatientCrops) -> Rois:
        """One patient, cut, augmented and resized on the CPU, then sent to the device."""
        shared = int(torch.randint(2**31, (), generator=self.generator))
        rois = {}
        for definition in ROIS:
            roi = patient.rois[definition.name]
            image, labels = _cut(roi, self.config.data.jitter_voxels, self.generator)
            image = _windowed(image, definition.modality, self.config.model.preprocess)
            geometry = Generator().manual_seed(shared)
            image, labels = _augmented(image, labels, self.config.augment, geometry, self.generator)
            stack, target = _squared(image.clamp(0, 1), labels, self.config.model.preprocess)
            rois[definition.name] = (stack.to(self.device), target.to(self.device))
        return rois


def _encode(model: Mrn, rois: Rois) -> tuple[Tensor, dict[str, Tensor]]:
    """Tokens ``[4, C]`` and logits of one patient, ROI by ROI."""
    tokens, logits = [], {}
    for name, (stack, _) in rois.items():
        features: RoiFeatures = model.res([stack], with_maps=True)
        tokens.append(features.tokens[0])
        logits[name] = model.segment(features, [name])[0]
    return torch.stack(tokens), logits


def _cut(roi: RoiCrop, jitter: int, generator: Generator) -> tuple[Tensor, Tensor]:
    ends = []
    for low, high, size in zip(
        roi.box.lower[:2], roi.box.upper[:2], roi.image.shape[:0:-1], strict=True
    ):
        moves = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
        ends.append(slice(max(low + moves[0], 0), min(high + moves[1], size)))
    place = (slice(roi.box.lower[2], roi.box.upper[2]), ends[1], ends[0])
    image = torch.from_numpy(roi.image[place].astype(np.float32))
    return image, torch.from_numpy(roi.labels[place].astype(np.int64))


def _windowed(image: Tensor, modality: str, config: PreprocessConfig) -> Tensor:
    low, high = config.qsm_window
    if modality == "NM":
        image = image / image[image > 0].median()
        low, high = config.nm_window
    return (image - low) / (high - low)


def _augmented(
    image: Tensor,
    labels: Tensor,
    settings: AugmentSettings,
    geometry: Generator,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """The paper's six augmentations; geometry is one for the patient."""

    def draw(low: float, high: float, source: Generator = generator) -> float:
        return low + (high - low) * float(torch.rand((), generator=source))

    if settings.mirror and draw(0, 1, geometry) < 0.5:
        image, labels = image.flip(-1), labels.flip(-1)
    angle = math.radians(draw(-1, 1, geometry) * settings.rotation_degrees)
    if settings.rotation_degrees and draw(0, 1, geometry) < settings.probability:
        image, labels = _rotated(image, labels, angle)
    if settings.intensity_shift and draw(0, 1) < settings.probability:
        image = image + draw(-settings.intensity_shift, settings.intensity_shift)
    if settings.contrast_shift and draw(0, 1) < settings.probability:
        mean = image.mean()
        image = mean + (image - mean) * (1 + draw(-1, 1) * settings.contrast_shift)
    if settings.histogram_shift and draw(0, 1) < settings.probability:
        knots = torch.linspace(0, 1, 10)
        moves = (torch.rand(10, generator=generator) * 2 - 1) * settings.histogram_shift / 9
        moves[0] = moves[-1] = 0
        place = image.clamp(0, 1) * 9
        lower = place.floor().clamp(0, 8).long()
        bent = torch.lerp((knots + moves)[lower], (knots + moves)[lower + 1], place - lower)
        image = bent + image - image.clamp(0, 1)
    if settings.noise and draw(0, 1) < settings.probability:
        noise = torch.randn(image.shape, generator=generator)
        image = image + draw(0, settings.noise) * noise
    return image, labels


def _rotated(image: Tensor, labels: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    height, width = image.shape[-2:]
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor(
        [[[cosine, -sine * height / width, 0], [sine * width / height, cosine, 0]]]
    )
    grid = F.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    turned = F.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
    moved = F.grid_sample(labels[None].float(), grid, mode="nearest", align_corners=False)[0]
    return turned, moved.long()


def _squared(image: Tensor, labels: Tensor, config: PreprocessConfig) -> tuple[Tensor, Tensor]:
    """Longest side resized, padded to a square of whole patches, three normalised channels."""
    scale = config.roi_size / max(image.shape[-2:])
    size = tuple(max(1, round(side * scale)) for side in image.shape[-2:])
    side = -(-config.roi_size // config.patch_size) * config.patch_size
    border = (0, side - size[1], 0, side - size[0])
    resized = F.interpolate(image[:, None], size=size, mode="bilinear", antialias=True)
    nearest = F.interpolate(labels[:, None].float(), size=size, mode="nearest-exact")[:, 0].long()
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in (config.mean, config.std))
    stack = (F.pad(resized, border) - mean) / std
    return stack, F.pad(nearest, border, value=IGNORED_LABEL)
