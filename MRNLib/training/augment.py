"""Augmentations of the paper's section 4.1.2, one small transform each.

Each transform is a small frozen dataclass called with image, labels and a random generator. Images
are ``[S, H, W]`` in *window units*: 0 and 1 are the limits of the modality's display window, so
that one set of strengths serves QSM (ppb) and neuromelanin (unitless). Labels are ``[S, H, W]``
integers with left and right merged, which is what makes the left-right mirror valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional

Pair = tuple[Tensor, Tensor]


class Transform(Protocol):
    """What every augmentation looks like."""

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Changes image (and labels where geometry moves)."""
        ...


def _uniform(generator: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


@dataclass(frozen=True)
class Mirror:
    """Swaps left and right (the last axis) with the given probability."""

    probability: float = 0.5

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Flips both or neither."""
        if _uniform(generator, 0.0, 1.0) >= self.probability:
            return image, labels
        return image.flip(-1), labels.flip(-1)


@dataclass(frozen=True)
class Rotation:
    """Turns the axial plane about the crop's centre by up to ``degrees``.

    What comes in from outside repeats the crop's border; stored crops carry a spare margin against
    that.
    """

    degrees: float = 10.0
    probability: float = 0.5

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Rotates both by one angle."""
        chosen = _uniform(generator, 0.0, 1.0) < self.probability
        angle = math.radians(_uniform(generator, -self.degrees, self.degrees))
        return rotate(image, labels, angle) if chosen else (image, labels)


def rotate(image: Tensor, labels: Tensor, angle: float) -> Pair:
    """Rotates ``[S, H, W]`` image and labels in plane by ``angle`` radians; pixels stay square."""
    height, width = image.shape[-2:]
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor(
        [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]],
        dtype=image.dtype,
    )[None]
    grid = functional.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    turned = functional.grid_sample(
        image[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    moved = functional.grid_sample(
        labels[None].to(image.dtype),
        grid,
        mode="nearest",
        padding_mode="zeros",
        align_corners=False,
    )
    return turned[0], moved[0].round().to(labels.dtype)


@dataclass(frozen=True)
class IntensityShift:
    """Adds one offset, up to ``amount`` of the window."""

    amount: float = 0.05
    probability: float = 0.5

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Shifts the image."""
        if _uniform(generator, 0.0, 1.0) >= self.probability:
            return image, labels
        return image + _uniform(generator, -self.amount, self.amount), labels


@dataclass(frozen=True)
class ContrastShift:
    """Stretches or squeezes the grey values about the crop's mean by up to ``amount``."""

    amount: float = 0.15
    probability: float = 0.5

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Scales the image about its mean."""
        if _uniform(generator, 0.0, 1.0) >= self.probability:
            return image, labels
        mean = image.mean()
        return mean + (image - mean) * _uniform(generator, 1 - self.amount, 1 + self.amount), labels


@dataclass(frozen=True)
class GaussianNoise:
    """Adds white noise of a standard deviation up to ``amount`` of the window."""

    amount: float = 0.03
    probability: float = 0.5

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Adds the noise."""
        if _uniform(generator, 0.0, 1.0) >= self.probability:
            return image, labels
        sigma = _uniform(generator, 0.0, self.amount)
        return image + sigma * torch.randn(image.shape, generator=generator), labels


@dataclass(frozen=True)
class HistogramShift:
    """Bends the grey scale by a random monotone curve, as MONAI's RandHistogramShift.

    Attributes:
        amount: How far a control point may move towards its neighbour, as a share of their
            distance.
        points: Control points over the window, both ends fixed.
        probability: Chance that it is applied.
    """

    amount: float = 0.4
    points: int = 10
    probability: float = 0.5

    def __call__(self, image: Tensor, labels: Tensor, generator: Generator) -> Pair:
        """Maps the image through the curve; beyond the window it continues with slope 1."""
        if _uniform(generator, 0.0, 1.0) >= self.probability:
            return image, labels
        knots = torch.linspace(0.0, 1.0, self.points)
        moves = (torch.rand(self.points, generator=generator) - 0.5) * self.amount
        moves[0] = moves[-1] = 0.0
        moved = knots + moves / (self.points - 1)
        inside = image.clamp(0.0, 1.0)
        place = inside * (self.points - 1)
        lower = place.floor().clamp(0, self.points - 2).long()
        bent = torch.lerp(moved[lower], moved[lower + 1], place - lower)
        return bent + (image - inside), labels


@dataclass(frozen=True)
class Augmentation:
    """All augmentations of one patient.

    Geometry is drawn once for the patient, so that the four ROIs stay one head; intensities are
    drawn for each ROI on its own.
    """

    geometry: tuple[Transform, ...]
    intensity: tuple[Transform, ...]

    def __call__(self, rois: Sequence[Pair], generator: Generator) -> list[Pair]:
        """Augments the ``(image, labels)`` pairs of one patient."""
        shared = int(torch.randint(2**31 - 1, (), generator=generator))
        done = []
        for image, labels in rois:
            one_head = Generator().manual_seed(shared)
            for transform in self.geometry:
                image, labels = transform(image, labels, one_head)
            for transform in self.intensity:
                image, labels = transform(image, labels, generator)
            done.append((image, labels))
        return done


NO_AUGMENTATION = Augmentation((), ())
