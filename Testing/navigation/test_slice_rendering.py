"""Rendered slices: SimpleITK's, voxel for voxel where they can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from navigation_toys import head, middle_of, noise, oblique

from MRNLib.navigation import rendering
from MRNLib.navigation.poses import AXIAL, Poses, moved
from MRNLib.navigation.rendering import foreground, render, render_labels
from MRNLib.navigation.volumes import Volume

SIZE, PIXEL = 20, 0.8


def by_simpleitk(image, poses: Poses, size: int, pixel_mm: float, interpolator) -> torch.Tensor:
    slices = []
    for n in range(len(poses)):
        rotation = poses.rotation[n].numpy()
        pixel = pixel_mm * float(poses.log_scale[n].exp())
        corner = poses.centre[n].numpy() - (size - 1) / 2 * pixel * rotation[:, :2].sum(1)
        resampled = sitk.Resample(
            image,
            (size, size, 1),
            sitk.Transform(),
            interpolator,
            corner.tolist(),
            (pixel, pixel, 1.0),
            rotation.ravel().tolist(),
            0.0,
        )
        slices.append(sitk.GetArrayFromImage(resampled)[0])
    return torch.from_numpy(np.stack(slices))


def image_of(volume: Volume, array: torch.Tensor) -> sitk.Image:
    image = sitk.GetImageFromArray(array.numpy())
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    return image


@pytest.mark.parametrize("spread", [3.0, 12.0], ids=["in the middle", "across the border"])
@pytest.mark.parametrize("at_once", [1, 2**24], ids=["one by one", "at once"])
def test_slices_are_simpleitks(spread, at_once, monkeypatch):
    monkeypatch.setitem(rendering.PIXELS_AT_ONCE, "cpu", at_once)
    volume = noise()
    poses = oblique(volume, 40, spread=spread)
    ours = render(volume, poses, SIZE, PIXEL)
    expected = by_simpleitk(image_of(volume, volume.values), poses, SIZE, PIXEL, sitk.sitkLinear)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-3)
    assert 0.05 < (ours == 0).float().mean() < 0.9


def test_a_large_volume_is_as_exact(monkeypatch):
    # As many rows as the challenge's, which is where float32 coordinates are coarsest.
    monkeypatch.setitem(rendering.PIXELS_AT_ONCE, "cpu", 2**24)
    i = torch.linspace(0, 12, 24)
    j, k = torch.linspace(0, 80, 300)[:, None], torch.linspace(0, 25, 70)[:, None, None]
    values = 0.5 + 0.5 * torch.sin(i + j) * torch.cos(k)
    volume = Volume(values, (0.67, 0.67, 2.0), (0.0, 0.0, 0.0), "waves", "T1")
    poses = oblique(volume, 6)
    expected = by_simpleitk(image_of(volume, values), poses, 60, 3.0, sitk.sitkLinear)
    torch.testing.assert_close(render(volume, poses, 60, 3.0), expected, rtol=0, atol=1e-3)


def test_labels_are_those_of_the_nearest_voxel():
    volume = noise()
    poses = oblique(volume, 40, spread=8.0)
    ours = render_labels(volume, poses, SIZE, PIXEL)
    expected = by_simpleitk(
        image_of(volume, volume.labels), poses, SIZE, PIXEL, sitk.sitkNearestNeighbor
    )
    assert ours.dtype == torch.uint8
    assert torch.equal(ours, expected)
    with pytest.raises(ValueError, match="has no labels"):
        render_labels(replace(volume, labels=None), poses, SIZE, PIXEL)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_axial_steps_of_one_slice_give_the_volumes_own_slices(dtype):
    volume = replace(noise(dtype=dtype, shape=(9, 20, 20)), spacing=(0.8, 0.8, 2.5))
    first = Poses(
        middle_of(volume) - torch.tensor([0, 0, 4 * 2.5]),
        AXIAL,
        torch.zeros((), dtype=torch.float64),
    )
    step = torch.tensor([0, 0, 2.5, 0, 0, 0, 0], dtype=torch.float64)
    path = [first]
    for _ in range(8):
        path.append(moved(path[-1], step))
    frames = render(volume, Poses.stack(path), 20, 0.8)
    # White noise: float32 coordinates, exact to 1e-7 of the rows, are all that is between them.
    torch.testing.assert_close(frames, volume.values.float(), rtol=0, atol=3e-5)


def test_a_slice_does_not_depend_on_its_company():
    volume = head()
    poses = oblique(volume, 8, spread=8.0)
    together = render(volume, poses, SIZE, 2.0)
    alone = torch.cat([render(volume, poses[n : n + 1], SIZE, 2.0) for n in range(8)])
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-4)


def test_beyond_the_volume_there_is_nothing():
    volume = noise()
    away = Poses(
        torch.tensor([[500.0, 0, 0], [0.0, 0, -90]], dtype=torch.float64),
        AXIAL.expand(2, 3, 3),
        torch.zeros(2, dtype=torch.float64),
    )
    assert not render(volume, away, SIZE, PIXEL).any()
    assert not render_labels(volume, away, SIZE, PIXEL).any()


def test_the_outline_is_half_a_voxel_beyond_the_outermost_centres():
    values = torch.full((4, 5, 6), 0.7)
    volume = Volume(values, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "box", "NM")
    centre = torch.tensor([[2.7, 2.3, 3.45], [2.7, 2.3, 3.55], [2.7, 2.3, -0.45]])
    poses = Poses(centre.double(), AXIAL.expand(3, 3, 3), torch.zeros(3).double())
    frames = render(volume, poses, 10, 1.0)
    assert foreground(frames).tolist() == pytest.approx([0.3, 0.0, 0.3])
    shown = frames[0].nonzero()
    assert shown.amin(0).tolist() == [2, 2]
    assert shown.amax(0).tolist() == [6, 7]
