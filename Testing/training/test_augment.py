"""Augmentations keep labels where the image is, and a patient's chance is its own."""

from __future__ import annotations

import math

import pytest
import torch

from MRNLib.training.augment import (
    ContrastShift,
    GaussianNoise,
    HistogramShift,
    IntensityShift,
    inside_boxes,
    rotate,
)

INTENSITY = [
    IntensityShift(0.3, 1.0),
    ContrastShift(0.3, 1.0),
    GaussianNoise(0.3, 1.0),
    HistogramShift(0.4, 1.0),
]
HEIGHT, WIDTH = 40, 60
BOXES = torch.tensor([[[0, 2], [0, HEIGHT], [0, WIDTH]]] * 2)


def uniform(transform, seed: int = 0, patients: int = 2) -> torch.Tensor:
    return torch.rand(patients, transform.draws, generator=torch.Generator().manual_seed(seed))


def discs() -> tuple[torch.Tensor, torch.Tensor]:
    """The same bright disc off the centre for two patients: ``[2, 1, 2, H, W]`` and its labels."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    inside = ((y - 12) ** 2 + (x - 40) ** 2 < 36).expand(2, 1, 2, HEIGHT, WIDTH)
    return inside.float().clone(), inside[:, 0].to(torch.uint8).clone()


def turned(degrees: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    centres = torch.tensor([[HEIGHT / 2, WIDTH / 2]] * 2)
    angles = torch.tensor([math.radians(one) for one in degrees])
    return rotate(*discs(), centres, angles, torch.tensor([[HEIGHT, WIDTH]] * 2))


@pytest.mark.parametrize("degrees", [-20, 7, 30])
def test_rotation_moves_labels_with_the_image(degrees):
    _, labels = discs()
    image, moved = turned((0, degrees))
    assert torch.equal(moved[0], labels[0])
    assert ((image[1, 0] > 0.5) == (moved[1] > 0)).float().mean() > 0.995
    # Where the disc goes: its centre turned about the image's, in pixels (not stretched).
    middle = torch.tensor([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
    before, after = (one.nonzero().float()[:, 1:].mean(0) for one in (labels[1], moved[1]))
    down, across = (before - middle).tolist()
    angle = math.radians(degrees)
    wanted = middle + torch.tensor(
        (
            down * math.cos(angle) - across * math.sin(angle),
            down * math.sin(angle) + across * math.cos(angle),
        )
    )
    assert torch.allclose(after, wanted, atol=0.5)
    assert (moved[1] > 0).sum() == pytest.approx(float((labels[1] > 0).sum()), rel=0.05)


def test_no_rotation_is_identity():
    image, labels = discs()
    same, still = turned((0, 0))
    assert torch.allclose(same, image, atol=1e-5)
    assert torch.equal(still, labels)


def test_turning_repeats_a_smaller_crops_border():
    image = torch.zeros(1, 1, 1, 30, 30)
    image[..., :20, :16] = 1.0  # the crop; the rest is canvas
    labels = torch.zeros(1, 1, 30, 30, dtype=torch.uint8)
    found, _ = rotate(
        image, labels, torch.tensor([[10.0, 8.0]]), torch.tensor([0.5]), torch.tensor([[20, 16]])
    )
    assert torch.allclose(found[..., :20, :16], torch.ones(20, 16), atol=1e-5)


@pytest.mark.parametrize("transform", INTENSITY, ids=lambda one: type(one).__name__)
def test_intensity_transforms_change_images_reproducibly(transform):
    image = discs()[0] * 0.5 + 0.25
    kept = image.clone()
    changed = transform(image, BOXES, uniform(transform))
    assert torch.equal(image, kept)
    assert not torch.equal(changed, image)
    assert torch.equal(changed, transform(image, BOXES, uniform(transform)))
    assert not torch.equal(changed, transform(image, BOXES, uniform(transform, 1)))


@pytest.mark.parametrize("transform", INTENSITY, ids=lambda one: type(one).__name__)
def test_a_patients_change_does_not_depend_on_its_neighbours(transform):
    image = discs()[0] * 0.5 + 0.25
    draws = uniform(transform)
    together = transform(image, BOXES, draws)
    # Alone, and on a larger canvas.
    wider = torch.nn.functional.pad(image[1:], (0, 7, 0, 5, 0, 1))
    alone = transform(wider, BOXES[1:], draws[1:])
    assert torch.allclose(alone[..., :2, :HEIGHT, :WIDTH], together[1:], atol=1e-6)


@pytest.mark.parametrize("kind", [type(one) for one in INTENSITY])
def test_probability_zero_does_nothing(kind):
    image, _ = discs()
    transform = kind(0.3, 0.0)
    assert torch.allclose(transform(image, BOXES, uniform(transform)), image, atol=1e-6)


def test_contrast_keeps_the_mean_of_the_box():
    image = torch.rand(2, 1, 2, HEIGHT, WIDTH)
    boxes = torch.tensor([[[0, 1], [3, 20], [5, 40]]] * 2)
    inside = inside_boxes(boxes, image)
    assert inside[0, 0].sum() == 17 * 35
    assert inside[1, 0, 0, 3:20, 5:40].all()
    transform = ContrastShift(0.5, 1.0)
    changed = transform(image, boxes, uniform(transform))
    for number in range(2):
        before, after = (one[number][inside[number]] for one in (image, changed))
        assert after.mean() == pytest.approx(float(before.mean()), abs=1e-5)
        assert after.std() != pytest.approx(float(before.std()), rel=1e-3)


def test_noise_has_the_drawn_strength_and_stays_in_the_box():
    image = torch.zeros(1, 1, 4, 64, 64)
    box = torch.tensor([[[0, 4], [0, 64], [0, 32]]])
    noisy = GaussianNoise(0.2, 1.0)(image, box, torch.tensor([[0.0, 0.5, 0.3]]))
    assert float(noisy[..., :32].std()) == pytest.approx(0.1, rel=0.05)
    assert not noisy[..., 32:].any()


def test_histogram_shift_is_monotone_and_keeps_the_ends():
    values = torch.linspace(-0.5, 1.5, 401).reshape(1, 1, 1, 1, 401)
    transform = HistogramShift(0.49, 1.0)
    box = torch.tensor([[[0, 1], [0, 1], [0, 401]]])
    flat = transform(values, box, uniform(transform, 4, 1)).flatten()
    assert (flat.diff() >= -1e-6).all()
    outside = (values.flatten() <= 0) | (values.flatten() >= 1)
    assert torch.allclose(flat[outside], values.flatten()[outside], atol=1e-6)
    assert not torch.allclose(flat, values.flatten(), atol=1e-3)


def test_the_curve_rises_and_its_points_move_as_far_as_said():
    amount, points = 0.49, HistogramShift.points
    values = torch.linspace(0, 1, points)  # the curve's own points
    towards = torch.arange(points) % 2  # each as far as can be towards one of its neighbours
    box = torch.tensor([[[0, 1], [0, 1], [0, points]]])
    for draws in (towards, 1 - towards):
        chance = torch.cat([torch.zeros(1), draws])[None]
        found = HistogramShift(amount, 1.0)(values.reshape(1, 1, 1, 1, -1), box, chance).flatten()
        assert (found.diff() > 0).all()
        moves = (found - values).abs() * (points - 1)
        assert moves[1:-1] == pytest.approx([amount] * (points - 2), abs=1e-5)
        assert moves[[0, -1]] == pytest.approx([0, 0], abs=1e-6)
