"""Cutting boxes from a batch of crops and resizing them, all patients at once.

Linear resizing is separable, so that cutting, mirroring and resizing are one small matrix for each
axis. The weights are those of ``torch.nn.functional.interpolate`` with ``antialias=True`` and
``align_corners=False`` on the cut box (a triangle filter, as wide as the output pixel when it
shrinks); that function takes one size only, and patients' boxes all differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def axis_weights(
    bounds: Tensor, length: int, sizes: Tensor, canvas: int, mirrored: Tensor | None = None
) -> Tensor:
    """Matrices that cut and resize one axis.

    Args:
        bounds: ``[B, 2]`` first and past-the-last index of the box.
        length: Voxels of the axis before.
        sizes: ``[B]`` pixels of the box after.
        canvas: Pixels of the result; those beyond a patient's size are 0.
        mirrored: ``[B]`` bool, or ``None`` for no mirroring.

    Returns:
        ``[B, canvas, length]`` float32 on the device of ``bounds``.
    """
    first, last = bounds[:, :1].float(), bounds[:, 1:].float()
    count = sizes[:, None].float()
    place = torch.arange(canvas, device=bounds.device)[None].float()
    outside = place >= count
    if mirrored is not None:
        place = torch.where(mirrored[:, None], count - 1 - place, place)
    scale = (last - first) / count
    centre = (first + (place + 0.5) * scale)[:, :, None]
    voxel = torch.arange(length, device=bounds.device)[None, None].float() + 0.5
    inside = (voxel > first[:, :, None]) & (voxel < last[:, :, None])
    weights = (1 - (voxel - centre).abs() / scale.clamp_min(1.0)[:, :, None]).clamp_min(0) * inside
    weights = weights / weights.sum(2, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return weights.masked_fill(outside[:, :, None], 0.0)


def resample_box(
    images: Tensor,
    boxes: Tensor,
    mirrored: Tensor,
    sizes: Sequence[tuple[int, int]] | tuple[int, int],
    slices: int | None = None,
) -> Tensor:
    """Cuts boxes out of images and resizes them linearly.

    Args:
        images: ``[B, C, S, H, W]`` float32.
        boxes: ``[B, 3, 2]`` first and past-the-last index along slice, row and column.
        mirrored: ``[B]`` bool: reverse the columns of the box.
        sizes: Rows and columns of the result, for each patient or for all.
        slices: Slices of the result; ``None`` keeps the canvas' own slices, uncut.

    Returns:
        ``[B, C, S or slices, rows, columns]``; rows and columns are the largest ones asked for, and
        what lies beyond a patient's own size is 0.
    """
    device = images.device
    boxes, mirrored = boxes.to(device), mirrored.to(device)
    wanted = _sizes(sizes, len(images), device)
    rows, columns = _largest(sizes)
    across = axis_weights(boxes[:, 1], images.shape[3], wanted[:, 0], rows)
    along = axis_weights(boxes[:, 2], images.shape[4], wanted[:, 1], columns, mirrored)
    cut = across[:, None] @ images.flatten(1, 2) @ along[:, None].transpose(2, 3)
    cut = cut.unflatten(1, images.shape[1:3])
    if slices is None:
        return cut
    count = torch.full((len(images),), slices, device=device)
    depth = axis_weights(boxes[:, 0], images.shape[2], count, slices)
    return torch.einsum("bzs,bcshw->bczhw", depth, cut)


def resample_labels(
    labels: Tensor,
    boxes: Tensor,
    mirrored: Tensor,
    sizes: Sequence[tuple[int, int]] | tuple[int, int],
    slices: int | None = None,
    *,
    beyond: int = 0,
) -> Tensor:
    """The labels ``[B, S, H, W]`` that lie on what :func:`resample_box` gives, nearest voxel.

    Args:
        labels: Integer classes.
        boxes: As for the images, and so are the next three.
        mirrored: See there.
        sizes: See there.
        slices: See there.
        beyond: Class of the pixels beyond a patient's own size.

    Returns:
        ``[B, S or slices, rows, columns]`` int64.
    """
    device = labels.device
    boxes, mirrored = boxes.to(device), mirrored.to(device)
    wanted = _sizes(sizes, len(labels), device)
    rows, columns = _largest(sizes)
    row, row_out = _nearest(boxes[:, 1], wanted[:, 0], rows)
    column, column_out = _nearest(boxes[:, 2], wanted[:, 1], columns, mirrored)
    slice_ = torch.arange(labels.shape[1], device=device).expand(len(labels), -1)
    if slices is not None:
        count = torch.full((len(labels),), slices, device=device)
        slice_, _ = _nearest(boxes[:, 0], count, slices)
    patient = torch.arange(len(labels), device=device)
    found = labels[
        patient[:, None, None, None],
        slice_[:, :, None, None],
        row[:, None, :, None],
        column[:, None, None, :],
    ].long()
    out = row_out[:, None, :, None] | column_out[:, None, None, :]
    return found.masked_fill(out, beyond)


def _nearest(
    bounds: Tensor, sizes: Tensor, canvas: int, mirrored: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Index ``[B, canvas]`` of the nearest voxel, and which pixels are beyond the size."""
    count = sizes[:, None]
    place = torch.arange(canvas, device=bounds.device)[None].expand(len(bounds), -1)
    outside = place >= count
    if mirrored is not None:
        place = torch.where(mirrored[:, None], count - 1 - place, place)
    scale = (bounds[:, 1:] - bounds[:, :1]).float() / count.float()
    index = bounds[:, :1] + ((place.float() + 0.5) * scale).floor().long()
    return index.clamp(min=bounds[:, :1], max=bounds[:, 1:] - 1), outside


def _sizes(
    sizes: Sequence[tuple[int, int]] | tuple[int, int], count: int, device: torch.device
) -> Tensor:
    wanted = torch.tensor(sizes, device=device)
    return wanted.expand(count, 2) if wanted.ndim == 1 else wanted


def _largest(sizes: Sequence[tuple[int, int]] | tuple[int, int]) -> tuple[int, int]:
    rows, columns = torch.tensor(sizes).view(-1, 2).amax(0).tolist()
    return rows, columns
