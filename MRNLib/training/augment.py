"""Augmentations of the paper's section 4.1.2 on a batch of patients, one small transform each.

Each transform is a small frozen dataclass that changes ``[B, C, S, H, W]`` images in *window
units*: 0 and 1 are the limits of the modality's display window, so that one set of strengths serves
QSM (ppb) and neuromelanin (unitless). All chance comes in as uniform numbers in [0, 1), one row a
patient, so that a patient's changes do not depend on who else is in the batch.

Mirroring, which needs left and right merged in the labels, is done where the box is cut
(``models/resampling.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional


class Transform(Protocol):
    """What every change of grey values looks like."""

    draws: ClassVar[int]

    @property
    def amount(self) -> float:
        """The strength; 0 changes nothing."""
        ...

    def __call__(self, images: Tensor, boxes: Tensor, uniform: Tensor) -> Tensor:
        """Changes images.

        Args:
            images: ``[B, C, S, H, W]`` in window units.
            boxes: ``[B, 3, 2]`` on the CPU: first and past-the-last slice, row and column.
            uniform: ``[B, draws]`` on the CPU.
        """
        ...


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * uniform


def _each(values: Tensor, images: Tensor) -> Tensor:
    """One number a patient, shaped and placed to act on its images."""
    return values.to(images.device)[:, None, None, None, None]


def inside_boxes(boxes: Tensor, images: Tensor) -> Tensor:
    """``[B, 1, S, H, W]`` bool: the voxels of images ``[B, C, S, H, W]`` inside ``[B, 3, 2]``."""
    boxes = boxes.to(images.device)
    result = torch.ones((), dtype=torch.bool, device=images.device)
    for axis, length in enumerate(images.shape[2:]):
        index = torch.arange(length, device=images.device)[None]
        within = (index >= boxes[:, axis, :1]) & (index < boxes[:, axis, 1:])
        shape = [len(boxes), 1, 1, 1, 1]
        shape[2 + axis] = length
        result = result & within.view(shape)
    return result


@dataclass(frozen=True)
class IntensityShift:
    """Adds one offset, up to ``amount`` of the window."""

    amount: float = 0.05
    probability: float = 0.5
    draws: ClassVar[int] = 2

    def __call__(self, images: Tensor, boxes: Tensor, uniform: Tensor) -> Tensor:
        """Shifts the images."""
        chosen = uniform[:, 0] < self.probability
        offset = _between(uniform[:, 1], -self.amount, self.amount) * chosen
        return images + _each(offset, images)


@dataclass(frozen=True)
class ContrastShift:
    """Stretches or squeezes the grey values about the box's mean by up to ``amount``."""

    amount: float = 0.15
    probability: float = 0.5
    draws: ClassVar[int] = 2

    def __call__(self, images: Tensor, boxes: Tensor, uniform: Tensor) -> Tensor:
        """Scales the images about their means."""
        chosen = uniform[:, 0] < self.probability
        factor = 1 + _between(uniform[:, 1], -self.amount, self.amount) * chosen
        inside, axes = inside_boxes(boxes, images), (2, 3, 4)
        mean = (images * inside).sum(axes, keepdim=True) / inside.sum(axes, keepdim=True)
        return torch.lerp(mean.expand_as(images), images, _each(factor, images))


@dataclass(frozen=True)
class HistogramShift:
    """Bends the grey scale by a random monotone curve, as MONAI's RandHistogramShift.

    Attributes:
        amount: How far each of the inner control points may move to either side, as a share of the
            distance between two of them; below .5 none reaches the next.
        probability: Chance that it is applied.
    """

    amount: float = 0.4
    probability: float = 0.5
    points: ClassVar[int] = 10
    draws: ClassVar[int] = 1 + points

    def __call__(self, images: Tensor, boxes: Tensor, uniform: Tensor) -> Tensor:
        """Maps the images through the curves; beyond the window they go on with slope 1."""
        chosen = uniform[:, :1] < self.probability
        furthest = self.amount * chosen / (self.points - 1)
        moves = _between(uniform[:, 1:], -1.0, 1.0) * furthest
        moves[:, 0] = moves[:, -1] = 0.0
        knots = (torch.linspace(0.0, 1.0, self.points) + moves).to(images.device)
        within = images.clamp(0.0, 1.0).flatten(1)
        place = within * (self.points - 1)
        lower = place.floor().clamp(0, self.points - 2).long()
        bent = torch.lerp(knots.gather(1, lower), knots.gather(1, lower + 1), place - lower)
        return images + (bent - within).view_as(images)


@dataclass(frozen=True)
class GaussianNoise:
    """Adds white noise of a standard deviation up to ``amount`` of the window."""

    amount: float = 0.03
    probability: float = 0.5
    draws: ClassVar[int] = 3

    def __call__(self, images: Tensor, boxes: Tensor, uniform: Tensor) -> Tensor:
        """Adds the noise; each patient has its own generator, on the images' device."""
        sigma = uniform[:, 1] * self.amount * (uniform[:, 0] < self.probability)
        noisy = images.clone()
        for image, box, strength, seed in zip(
            noisy, boxes.tolist(), sigma.tolist(), uniform[:, 2].tolist(), strict=True
        ):
            if strength:
                # Drawn for the box alone, so that the canvas, which all share, has no say in it.
                within = image[:, *(slice(*ends) for ends in box)]
                own = Generator(images.device).manual_seed(int(seed * 2**24))
                noise = torch.randn(within.shape, generator=own, device=images.device)
                within += strength * noise
        return noisy


def rotate(
    images: Tensor, labels: Tensor, centres: Tensor, angles: Tensor, extents: Tensor
) -> tuple[Tensor, Tensor]:
    """Turns the axial planes; what comes in from outside repeats a crop's border.

    Args:
        images: ``[B, C, S, H, W]``; pixels are square.
        labels: ``[B, S, H, W]``.
        centres: ``[B, 2]`` row and column about which to turn, in voxels from the first one's edge.
        angles: ``[B]`` in radians; row axis towards column axis.
        extents: ``[B, 2]`` rows and columns of each patient's own crop on the canvas.

    Returns:
        Both, turned; labels to the nearest voxel.
    """
    height, width = images.shape[-2:]
    device = images.device
    centres, angles, extents = (one.to(device).float() for one in (centres, angles, extents))
    middle_row, middle_column = centres[:, :, None, None].unbind(1)
    row = torch.arange(height, device=device)[None, :, None] + 0.5 - middle_row
    column = torch.arange(width, device=device)[None, None] + 0.5 - middle_column
    cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
    rows = cosine * row + sine * column + middle_row
    columns = cosine * column - sine * row + middle_column
    # Half a voxel inside the crop's edge lies the centre of its last voxel.
    rows = torch.minimum(rows.clamp_min(0.5), extents[:, 0, None, None] - 0.5)
    columns = torch.minimum(columns.clamp_min(0.5), extents[:, 1, None, None] - 0.5)
    grid = torch.stack((2 * columns / width - 1, 2 * rows / height - 1), dim=3)
    turned = functional.grid_sample(
        images.flatten(1, 2), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    moved = functional.grid_sample(
        labels.float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return turned.view_as(images), moved.to(labels.dtype)
