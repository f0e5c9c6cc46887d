"""Regions of an easy cohort, and the smallest systems there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from MRNLib.anatomy import ROIS
from MRNLib.models.config import VolumeConfig
from MRNLib.models.m3d_clip import M3dClipConfig
from MRNLib.models.midbrain_cnn import MidbrainCnnConfig
from MRNLib.models.seres10 import SeRes10Config
from MRNLib.models.system import MIDBRAIN, RegionBatch, System

TINY_SERES10 = SeRes10Config(
    preprocess=VolumeConfig(size=(4, 24, 28)),
    widths=(8, 8, 12, 16),
    reduction=4,
    head_hidden=16,
    head_dropout=0.0,
    projection_hidden=16,
    projection_dim=6,
)
TINY_M3D_CLIP = M3dClipConfig(
    preprocess=VolumeConfig(size=(8, 32, 32)),
    width=24,
    mlp_width=48,
    depth=2,
    num_heads=2,
    head_hidden=16,
    head_dropout=0.0,
)
TINY_MIDBRAIN_CNN = MidbrainCnnConfig(
    preprocess=VolumeConfig(size=(5, 24, 24)), widen_factor=1 / 16, head_hidden=16, head_dropout=0.0
)
TINY_SYSTEMS = (TINY_SERES10, TINY_M3D_CLIP, TINY_MIDBRAIN_CNN)


def make_regions(patients: int = 8, absent: str | None = None) -> dict[str, RegionBatch]:
    """Patients in turn of class 0 and 1; the nuclei of class 1 are brighter.

    ``absent`` names a region that the first patient lacks.
    """
    regions = {}
    shapes = {one.name: (6, 30, 34) for one in ROIS} | {MIDBRAIN: (7, 28, 28)}
    classes = {one.name: one.classes for one in ROIS}
    for place, (name, shape) in enumerate(shapes.items()):
        generator = torch.Generator().manual_seed(place)
        labels = torch.zeros(patients, *shape, dtype=torch.uint8)
        for nucleus in range(1, classes.get(name, 2)):
            labels[:, 1:-1, 5 * nucleus : 5 * nucleus + 5, 8:26] = nucleus
        diagnosis = (torch.arange(patients) % 2)[:, None, None, None]
        image = 0.3 + 0.05 * torch.randn(labels.shape, generator=generator)
        image = (image + (labels > 0) * (0.1 + 0.4 * diagnosis)).clamp(0, 1)[:, None]
        present = torch.ones(patients, dtype=torch.bool)
        if name == MIDBRAIN:
            image, labels = image.repeat(1, 2, 1, 1, 1), torch.zeros_like(labels)
        if name == absent:
            present[0], image[0], labels[0] = False, 0.0, 0
        boxes = torch.tensor([[1, 6], [2, 28], [3, 33]]).repeat(patients, 1, 1)
        boxes[1::2, 2, 1] -= 4
        boxes = torch.minimum(boxes, torch.tensor(shape)[None, :, None])
        regions[name] = RegionBatch(
            image, labels, boxes, torch.zeros(patients, dtype=torch.bool), present
        )
    return regions


def mirrored(region: RegionBatch) -> RegionBatch:
    """The region with the columns of every box reversed."""
    return replace(region, mirrored=torch.ones_like(region.mirrored))


def diagnoses(patients: int = 8) -> Tensor:
    """The classes of :func:`make_regions`."""
    return torch.arange(patients) % 2


def run(
    system: System, regions: Mapping[str, RegionBatch], **options: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Tokens, logits and projections of a cohort."""
    stacks = [one.stacks for one in system.prepare(regions)]
    output = system(stacks, **options)
    return output.tokens, output.logits, output.projections


def losses(system: System, stacks: Sequence[Mapping[str, Tensor]], steps: int) -> list[float]:
    """Classification losses before each of some steps of AdamW on one batch."""
    optimizer = torch.optim.AdamW(system.parameters(), lr=1e-3)
    system.train()
    values = []
    for _ in range(steps):
        loss = F.cross_entropy(system(stacks).logits, diagnoses(len(stacks)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    return values
