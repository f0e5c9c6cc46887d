"""Where the nuclei lie in a volume with many more voxels than the network works on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from MRNLib.boxes import bounding_box

# Around what was found on the coarse copy, for the network's context.
CONTEXT_MM = 15.0


def coarser(image: sitk.Image, spacing: Sequence[float]) -> sitk.Image:
    """A copy of the same extent, linearly interpolated, with larger voxels.

    Args:
        image: Any 3-D image.
        spacing: Wanted voxel size in mm, ``(i, j, k)``; where the image's own is wider, it stays.
    """
    own = image.GetSpacing()
    wanted = [max(a, b) for a, b in zip(spacing, own, strict=True)]
    size = [max(1, round(n * a / b)) for n, a, b in zip(image.GetSize(), own, wanted, strict=True)]
    wanted = [n * a / m for n, a, m in zip(image.GetSize(), own, size, strict=True)]
    shift = [0.5 * (b / a - 1) for a, b in zip(own, wanted, strict=True)]
    origin = image.TransformContinuousIndexToPhysicalPoint(shift)
    return sitk.Resample(
        image,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        origin,
        wanted,
        image.GetDirection(),
        0.0,
        sitk.sitkFloat32,
    )


def box_around(
    found: np.ndarray, coarse: sitk.Image, image: sitk.Image
) -> tuple[slice, slice, slice] | None:
    """Where on ``image`` lies what was found on its coarse copy, with room for context.

    Args:
        found: Label map of the coarse copy, ``[k, j, i]``.
        coarse: The coarse copy.
        image: The image itself.

    Returns:
        Slices in ``(i, j, k)`` order, or None if nothing was found.
    """
    box = bounding_box(found > 0)
    if box is None:
        return None
    slices = []
    for axis, (first, last) in enumerate(zip(box.lower, box.upper, strict=True)):
        ratio = image.GetSize()[axis] / coarse.GetSize()[axis]
        margin = math.ceil(CONTEXT_MM / coarse.GetSpacing()[axis])
        # Cut between voxels of the coarse copy, so that the network sees the part on the same grid.
        low = max(first - margin, 0)
        high = min(last + margin, coarse.GetSize()[axis])
        slices.append(slice(round(low * ratio), round(high * ratio)))
    return slices[0], slices[1], slices[2]
