"""Oblique slices cut out of a volume.

A voxel fills its box: a pixel inside the volume's outline, half a voxel beyond the outermost
centres, takes the nearest values there are, one outside it is 0. SimpleITK's resampler does the
same.

Interpolation is trilinear. PyTorch's sampler of volumes goes pixel by pixel on a CPU; its sampler
of images computes many at once. So the volume is looked at as one tall image, slice below slice,
with two channels, a slice and the next one: one call of ``grid_sample`` interpolates within both,
and their mix is what a sampler of volumes gives, in a third of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from MRNLib.navigation.poses import Poses
from MRNLib.navigation.volumes import BACKGROUND, Volume

# Pixels that are sampled at once: on a CPU, what stays in its cache from one step to the next; on a
# GPU all of a clip's.
PIXELS_AT_ONCE = {"cpu": 2**17}
PIXELS_ELSEWHERE = 2**24
# The largest float32 number below 1.
BELOW_ONE = 1 - 2**-24


@dataclass(frozen=True)
class _Planes:
    """Slices in voxels, on the CPU: what a pixel's row and what its column adds to its place.

    A plane needs no product for each pixel, only this sum.

    Attributes:
        rows: ``[T, 3, size]`` float64, (i, j, k).
        columns: The same for the columns; 0 in the middle.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, volume: Volume, poses: Poses, size: int, pixel_mm: float) -> _Planes:
        """The slices of some poses in a volume's voxels."""
        poses = poses.to("cpu")
        spacing, origin = (
            torch.tensor(one, dtype=torch.float64) for one in (volume.spacing, volume.origin)
        )
        reach = (size - 1) / 2
        line = torch.linspace(-reach, reach, size, dtype=torch.float64)
        across, down, _ = (poses.rotation / spacing[:, None]).unbind(-1)
        pixels = pixel_mm * poses.log_scale.exp()[:, None, None] * line
        middle = (poses.centre - origin) / spacing
        return cls(middle[..., None] + down[..., None] * pixels, across[..., None] * pixels)

    def __getitem__(self, index: slice) -> _Planes:
        return _Planes(self.rows[index], self.columns[index])

    def extent(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest coordinates ``[T, 3]`` of each slice's pixels."""
        rows, columns = self.rows[..., [0, -1]], self.columns[..., [0, -1]]
        return rows.amin(-1) + columns.amin(-1), rows.amax(-1) + columns.amax(-1)

    def places(self, scale: Tensor, shift: Tensor, like: Tensor) -> Tensor:
        """``[3, T, size, size]`` places of all pixels, ``scale * x + shift`` along each axis.

        Args:
            scale: ``[3]``.
            shift: ``[3]``.
            like: Gives device and dtype.
        """
        rows = (self.rows * scale[:, None] + shift[:, None]).transpose(0, 1).to(like)
        columns = (self.columns * scale[:, None]).transpose(0, 1).to(like)
        return rows[..., :, None] + columns[..., None, :]


def render(volume: Volume, poses: Poses, size: int, pixel_mm: float) -> Tensor:
    """Slices of a volume, interpolated linearly.

    Each pixel is the value at its middle, as SimpleITK's: nothing is averaged over the pixel's
    width. Where pixels are wider than voxels, slices keep the voxels' noise, and what is finer than
    two pixels shows as coarser than it is.

    Args:
        volume: Where to cut; slices are made on its device.
        poses: ``[T]``; the centre is the middle of the image, between pixels where ``size`` is
            even.
        size: Rows and columns of a slice.
        pixel_mm: Width of a pixel at log-scale 0.

    Returns:
        ``[T, size, size]`` float32 in [0, 1]; 0 outside the volume.
    """
    planes = _Planes.of(volume, poses, size, pixel_mm)
    low, high = planes.extent()
    block, first = _block(volume.values, low.amin(0), high.amax(0))
    frames = block.new_empty(len(poses), size, size)
    step = max(1, PIXELS_AT_ONCE.get(block.device.type, PIXELS_ELSEWHERE) // size**2)
    for start in range(0, len(poses), step):
        part = slice(start, start + step)
        _interpolate(block, first, planes[part], out=frames[part])
    if (outside := _outside(volume, planes, frames)) is not None:
        frames.masked_fill_(outside, 0.0)
    return frames


def render_labels(volume: Volume, poses: Poses, size: int, pixel_mm: float) -> Tensor:
    """The labels on what :func:`render` gives: those of the nearest voxel.

    Returns:
        ``[T, size, size]`` uint8; 0 outside the volume.

    Raises:
        ValueError: The volume has no labels.
    """
    if volume.labels is None:
        raise ValueError(f"{volume} has no labels")
    planes = _Planes.of(volume, poses, size, pixel_mm)
    half = torch.full((3,), 0.5, dtype=torch.float64)
    like = volume.labels.new_empty((), dtype=torch.float32)
    i, j, k = (
        place.floor().clamp_(0, count - 1).long()
        for place, count in zip(planes.places(2 * half, half, like), volume.size, strict=True)
    )
    frames = volume.labels[k, j, i]
    outside = _outside(volume, planes, like)
    return frames if outside is None else frames.masked_fill(outside, 0)


def foreground(frames: Tensor) -> Tensor:
    """Share of the pixels of slices ``[..., size, size]`` that show tissue: ``[...]``."""
    return (frames > BACKGROUND).float().mean(dim=(-2, -1))


def _block(values: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The part of a volume between two corners in voxels, float32, and its first voxel (i, j, k).

    Two voxels or more along each axis. A float32 volume keeps its rows and columns: nothing has to
    be copied then.
    """
    count = torch.tensor(values.shape[::-1])
    first = torch.minimum(low.floor().long().clamp_min(0), count - 2)
    last = torch.minimum(torch.maximum(high.ceil().long() + 1, first + 2), count)
    if values.dtype == torch.float32:
        first[:2], last[:2] = 0, count[:2]
    i, j, k = (slice(*ends) for ends in torch.stack((first, last), 1).tolist())
    return values[k, j, i].float(), first


def _interpolate(block: Tensor, first: Tensor, planes: _Planes, out: Tensor) -> None:
    """Fills ``out`` ``[T, size, size]`` from a block that starts at the voxel ``first``.

    Coordinates are float32. The rows of the tall image are counted from the lowest slice that is
    needed, so that these numbers stay small: R rows leave them exact to 1e-7 R of a voxel.
    """
    ends = torch.stack([end[:, 2] for end in planes.extent()]) - first[2]
    lowest = int(ends.min().floor().clamp(0, len(block) - 2))
    steps = int(ends.max().ceil().clamp(lowest + 1, len(block) - 1)) - lowest
    height, width = block.shape[1:]
    rows = steps * height
    scale = torch.tensor([2 / (width - 1), 2 / (rows - 1), 1], dtype=torch.float64)
    origin = torch.cat((first[:2], first[2:] + lowest))
    shift = scale.new_tensor([-1, -1, 0]) - origin * scale
    place = planes.places(scale, shift, block)
    y, z = place[1:]
    # Just below the last slice, so that there is always one above.
    slice_below = z.clamp_(0, steps * BELOW_ONE).floor()
    z -= slice_below
    y.clamp_(-1, 2 * (height - 1) / (rows - 1) - 1)
    y.add_(slice_below, alpha=2 * height / (rows - 1))
    step = block.stride(0)
    tall = block[lowest:].as_strided((1, 2, rows, width), (0, step, *block.stride()[1:]))
    pair = functional.grid_sample(
        tall.expand(len(out), -1, -1, -1),
        place[:2].permute(1, 2, 3, 0),
        padding_mode="border",
        align_corners=True,
    )
    torch.lerp(pair[:, 0], pair[:, 1], z, out=out)


def _outside(volume: Volume, planes: _Planes, like: Tensor) -> Tensor | None:
    """``[T, size, size]``: which pixels lie outside the volume's outline; None if none does."""
    count = torch.tensor(volume.size, dtype=torch.float64)
    low, high = planes.extent()
    if bool(((low >= -0.5) & (high <= count - 0.5)).all()):
        return None
    # In units in which the outline runs from -1 to 1.
    place = planes.places(2 / count, 1 / count - 1, like)
    return (place.abs_() > 1).any(0)
