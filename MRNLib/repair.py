"""What stands in the way of a volume's use made good, with a warning: canonical orientation, voxels
that are no numbers, volumes too large to hold.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib import geometry
from MRNLib.boxes import bounding_box

# 40 million float32 voxels are 160 MB; the challenge's volumes hold 6.3 million.
MAXIMUM_VOXELS = 40_000_000
# Deep nuclei lie within 60 mm of the middle of the head, the dentate nuclei within 70 below it.
FIELD_MM = (160.0, 180.0, 170.0)
# The coarsest voxel a shrunken volume may get, near the challenge's in-plane 0.67 mm.
COARSE_MM = 0.6
_CHUNK = 100_000


def usable(image: sitk.Image, file: str) -> tuple[sitk.Image, sitk.Image | None, tuple[str, ...]]:
    """A file's image, canonical, finite and of a size that can be held.

    Args:
        image: A scalar volume with axes at right angles.
        file: For the warnings and the error.

    Returns:
        The image in float32, a uint8 image of the voxels that were no numbers (or None), and a
        warning for each change.

    Raises:
        InputError: It is rotated by more than 30 degrees.
    """
    image, cropped = crop_huge(sitk.DICOMOrient(image, "LPS"), file)
    image, not_finite, filled = fill_not_finite(sitk.Cast(image, sitk.sitkFloat32), file)
    image, coarsened = coarsen_huge(image, file)
    if coarsened and not_finite is not None:
        not_finite = geometry.onto(not_finite, image, sitk.sitkNearestNeighbor)
    if geometry.tilt(image) >= geometry.SMALL_ANGLE and not_finite is not None:
        not_finite, _ = geometry.upright(not_finite, file, sitk.sitkNearestNeighbor)
    image, turned = geometry.upright(image, file)
    return image, not_finite, (*cropped, *filled, *coarsened, *turned)


def fill_not_finite(
    image: sitk.Image, file: str
) -> tuple[sitk.Image, sitk.Image | None, tuple[str, ...]]:
    """NaN and infinite voxels replaced by the median of their finite neighbours (26), else by 0.

    Args:
        image: A float32 image.
        file: For the warning.

    Returns:
        The image, a uint8 image of the voxels replaced (or None), and a warning. Whether too many
        of them lie in a ROI is asked once the ROIs are known (:mod:`MRNLib.quality`).
    """
    array = sitk.GetArrayViewFromImage(image)
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if not count:
        return image, None, ()
    filled = np.where(bad, np.float32(np.nan), array)
    where = np.argwhere(bad)
    alone = 0
    replacements = np.empty(count, np.float32)
    padded = np.pad(filled, 1, constant_values=np.nan)
    for start in range(0, count, _CHUNK):
        part = where[start : start + _CHUNK]
        middle = _neighbour_median(padded, part)
        alone += int(np.count_nonzero(np.isnan(middle)))
        replacements[start : start + _CHUNK] = np.nan_to_num(middle, nan=0.0)
    filled[bad] = replacements
    result = sitk.GetImageFromArray(filled)
    result.CopyInformation(image)
    mark = sitk.GetImageFromArray(bad.astype(np.uint8))
    mark.CopyInformation(image)
    note = (
        f"{file}: {count} voxels are not numbers (NaN or infinite); replaced by the median around"
    )
    if alone:
        note += f", {alone} without a neighbour by 0"
    return result, mark, (note,)


def _neighbour_median(padded: NDArray[Any], where: NDArray[Any]) -> NDArray[np.float32]:
    """Median of the finite values among the 26 neighbours of each voxel, NaN without any."""
    steps = [step for step in itertools.product((0, 1, 2), repeat=3) if step != (1, 1, 1)]
    around = np.stack([padded[tuple((where + step).T)] for step in steps], axis=1)
    around.sort(axis=1)  # NaN sorts last
    count = np.count_nonzero(~np.isnan(around), axis=1)
    rows = np.arange(len(around))
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, np.maximum(count - 1, 0))
    middle: NDArray[np.float32] = (around[rows, low] + around[rows, high]) / 2
    return middle


def crop_huge(image: sitk.Image, file: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """A volume of more than 40 million voxels cropped to the head.

    To the box around the non-zero voxels, then to 160 x 180 x 170 mm about its middle. Results
    still go back to the file's own grid.
    """
    if image.GetNumberOfPixels() <= MAXIMUM_VOXELS:
        return image, ()
    cropped = _central(image)
    sizes = (" x ".join(map(str, one.GetSize())) for one in (image, cropped))
    return cropped, (f"{file}: {next(sizes)} voxels, cropped to {next(sizes)} around the brain",)


def coarsen_huge(image: sitk.Image, file: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """A volume that is still above 40 million voxels resampled to voxels of 0.6 mm.

    The image has to be finite: smoothing would spread a NaN over its neighbours.
    """
    if image.GetNumberOfPixels() <= MAXIMUM_VOXELS:
        return image, ()
    image = _coarser(image)
    spacing = " x ".join(f"{step:.2f}" for step in image.GetSpacing())
    return image, (f"{file}: resampled to {spacing} mm to bound the memory",)


def _central(image: sitk.Image) -> sitk.Image:
    array = sitk.GetArrayViewFromImage(image)
    content = bounding_box(array != 0)
    if content is None:
        return image
    lower, upper = list(content.lower), list(content.upper)
    for axis, (field, spacing) in enumerate(zip(FIELD_MM, image.GetSpacing(), strict=True)):
        extra = (upper[axis] - lower[axis]) - math.ceil(field / spacing)
        if extra > 0:
            lower[axis] += extra // 2
            upper[axis] -= extra - extra // 2
    size = [high - low for low, high in zip(lower, upper, strict=True)]
    return sitk.RegionOfInterest(image, size, lower)


def _coarser(image: sitk.Image) -> sitk.Image:
    spacing = [max(step, COARSE_MM) for step in image.GetSpacing()]
    ratio = [old / new for old, new in zip(image.GetSpacing(), spacing, strict=True)]
    size = [max(1, round(n * by)) for n, by in zip(image.GetSize(), ratio, strict=True)]
    # Averaging over the new voxel before sampling it keeps thin structures from flickering.
    variance = [
        (0.3 * new) ** 2 if new > old else 0.0
        for old, new in zip(image.GetSpacing(), spacing, strict=True)
    ]
    smooth = sitk.DiscreteGaussian(sitk.Cast(image, sitk.sitkFloat32), variance)
    return sitk.Resample(
        smooth,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        image.GetOrigin(),
        spacing,
        image.GetDirection(),
    )
