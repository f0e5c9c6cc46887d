"""Augmentations keep labels where the image is, and are reproducible."""

from __future__ import annotations

import math

import pytest
import torch

from MRNLib.training.augment import (
    Augmentation,
    ContrastShift,
    GaussianNoise,
    HistogramShift,
    IntensityShift,
    Mirror,
    Rotation,
    rotate,
)

INTENSITY = [
    IntensityShift(0.3, 1.0),
    ContrastShift(0.3, 1.0),
    GaussianNoise(0.3, 1.0),
    HistogramShift(0.8, probability=1.0),
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc() -> tuple[torch.Tensor, torch.Tensor]:
    """A bright disc off the centre, and its label, ``[2, 40, 60]``."""
    y, x = torch.meshgrid(torch.arange(40), torch.arange(60), indexing="ij")
    inside = ((y - 12) ** 2 + (x - 40) ** 2 < 36).expand(2, 40, 60)
    return inside.float().clone(), inside.to(torch.uint8).clone()


def centre(mask: torch.Tensor) -> torch.Tensor:
    return mask.nonzero().float()[:, 1:].mean(0)


def test_mirror_twice_is_identity():
    image, labels = disc()
    always = Mirror(1.0)
    once = always(image, labels, generator())
    twice = always(*once, generator())
    assert not torch.equal(once[0], image)
    assert torch.equal(once[0], image.flip(-1))
    assert torch.equal(once[1], labels.flip(-1))
    assert torch.equal(twice[0], image)
    assert torch.equal(twice[1], labels)


@pytest.mark.parametrize("degrees", [-20, 7, 30])
def test_rotation_moves_labels_with_the_image(degrees):
    image, labels = disc()
    turned, moved = rotate(image, labels, math.radians(degrees))
    assert torch.equal(moved > 0, moved.bool())
    agree = ((turned > 0.5) == (moved > 0)).float().mean()
    assert agree > 0.995
    # Where the disc goes: its centre turned about the image's, in pixels (not stretched).
    middle = torch.tensor([19.5, 29.5])
    offset = centre(labels) - middle
    angle = math.radians(degrees)
    wanted = middle + torch.stack(
        (
            offset[0] * math.cos(angle) - offset[1] * math.sin(angle),
            offset[0] * math.sin(angle) + offset[1] * math.cos(angle),
        )
    )
    found = centre(moved)
    assert torch.allclose(found, wanted, atol=0.5)
    assert (moved > 0).sum() == pytest.approx(float((labels > 0).sum()), rel=0.05)


def test_no_rotation_is_identity():
    image, labels = disc()
    same, still = rotate(image, labels, 0.0)
    assert torch.allclose(same, image, atol=1e-5)
    assert torch.equal(still, labels)


@pytest.mark.parametrize("transform", INTENSITY, ids=lambda one: type(one).__name__)
def test_intensity_transforms_change_only_the_image(transform):
    image, labels = disc()
    image = image * 0.5 + 0.25
    changed, same = transform(image, labels, generator())
    again, _ = transform(image, labels, generator())
    assert changed.shape == image.shape
    assert not torch.equal(changed, image)
    assert torch.equal(changed, again)
    assert same is labels


@pytest.mark.parametrize("kind", [*map(type, INTENSITY), Rotation])
def test_probability_zero_does_nothing(kind):
    image, labels = disc()
    out = kind(probability=0.0)(image, labels, generator())
    assert out[0] is image
    assert out[1] is labels


def test_histogram_shift_is_monotone_and_keeps_the_ends():
    values = torch.linspace(-0.5, 1.5, 401).reshape(1, 1, 401)
    bent, _ = HistogramShift(0.9, probability=1.0)(values, values.to(torch.uint8), generator(4))
    flat = bent.flatten()
    assert (flat.diff() >= 0).all()
    outside = (values.flatten() <= 0) | (values.flatten() >= 1)
    assert torch.allclose(flat[outside], values.flatten()[outside], atol=1e-6)


def test_one_head_is_turned_as_one():
    image, labels = disc()
    augmentation = Augmentation((Mirror(0.5), Rotation(20, 0.5)), (GaussianNoise(0.1, 1.0),))
    for seed in range(6):
        first, second = augmentation([(image, labels), (image, labels)], generator(seed))
        assert torch.equal(first[1], second[1])
        assert not torch.equal(first[0], second[0])
