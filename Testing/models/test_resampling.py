"""Boxes cut, mirrored and resized for all patients at once, against torch's own one at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from MRNLib.models.resampling import resample_box, resample_labels

BOXES = torch.tensor(
    [[[1, 4], [2, 30], [0, 40]], [[0, 6], [5, 12], [7, 19]], [[2, 3], [0, 33], [3, 4]]]
)
SIZES = [(9, 14), (28, 20), (13, 28)]


def alone(image: torch.Tensor, box: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """One patient's ``[C, S, H, W]`` cut in plane and resized by torch."""
    (_, _), (top, bottom), (left, right) = box.tolist()
    cut = image[:, :, top:bottom, left:right]
    return F.interpolate(cut, size=size, mode="bilinear", align_corners=False, antialias=True)


@pytest.mark.parametrize("channels", [1, 2])
def test_batch_equals_torch_one_at_a_time(channels):
    images = torch.rand(3, channels, 6, 33, 40, generator=torch.Generator().manual_seed(1))
    mirrored = torch.tensor([False, True, False])
    found = resample_box(images, BOXES, mirrored, SIZES)
    assert found.shape == (3, channels, 6, 28, 28)
    for number, (rows, columns) in enumerate(SIZES):
        wanted = alone(images[number], BOXES[number], (rows, columns))
        wanted = wanted.flip(-1) if mirrored[number] else wanted
        assert torch.allclose(found[number, ..., :rows, :columns], wanted, atol=1e-5)
        beyond = found[number].clone()
        beyond[..., :rows, :columns] = 0
        assert not beyond.any()


def test_slices_are_resized_as_the_other_axes_are():
    images = torch.rand(3, 1, 6, 33, 40, generator=torch.Generator().manual_seed(2))
    found = resample_box(images, BOXES, torch.zeros(3, dtype=torch.bool), (8, 8), slices=4)
    # Turned on its side, depth is a row: the same resizing has to come out.
    turned = images.permute(0, 1, 4, 2, 3)
    boxes = BOXES[:, [2, 0, 1]]
    on_its_side = resample_box(turned, boxes, torch.zeros(3, dtype=torch.bool), (4, 8), slices=8)
    assert torch.allclose(found, on_its_side.permute(0, 1, 3, 4, 2), atol=1e-5)


def test_labels_equal_torch_one_at_a_time():
    labels = torch.randint(0, 5, (3, 6, 33, 40), generator=torch.Generator().manual_seed(3))
    mirrored = torch.tensor([False, True, True])
    found = resample_labels(labels.to(torch.uint8), BOXES, mirrored, SIZES, beyond=-100)
    for number, size in enumerate(SIZES):
        (_, _), (top, bottom), (left, right) = BOXES[number].tolist()
        cut = labels[number, :, top:bottom, left:right].float()
        wanted = F.interpolate(cut[None], size=size, mode="nearest-exact")[0].long()
        wanted = wanted.flip(-1) if mirrored[number] else wanted
        assert torch.equal(found[number, :, : size[0], : size[1]], wanted)
        assert (found[number, :, size[0] :] == -100).all()
        assert (found[number, :, :, size[1] :] == -100).all()


def test_labels_of_a_three_dimensional_system_lie_on_its_image():
    labels = torch.zeros(1, 6, 20, 20, dtype=torch.uint8)
    labels[:, 2:4, 5:15, 5:15] = 1
    box = torch.tensor([[[0, 6], [0, 20], [0, 20]]])
    plain = torch.zeros(1, dtype=torch.bool)
    image = resample_box(labels[:, None].float(), box, plain, (40, 40), slices=12)[:, 0]
    found = resample_labels(labels, box, plain, (40, 40), slices=12)
    assert found.shape == image.shape
    assert ((image > 0.5) == (found == 1)).float().mean() > 0.98
