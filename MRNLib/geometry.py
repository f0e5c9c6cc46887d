"""Grids in space: orthonormal headers, canonical orientation, resampling, and the way back.

Canonical is ``DICOMOrient(image, "LPS")``: i to the patient's left, j to posterior, k to superior.
Spacings, sizes and origins are in ``(i, j, k)`` order and millimetres, as SimpleITK gives them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib.errors import InputError

# Cosines between axes: below the first as good as orthonormal, up to the second repaired.
ROUNDING = 1e-5
REPAIRABLE_SHEAR = 1e-3
# Rotation against the canonical axes, in degrees: left alone below the first, resampled up to the
# second.
SMALL_ANGLE = 5.0
LARGE_ANGLE = 30.0
# Grids whose corners agree within this share of a voxel are one grid.
SAME_GRID = 0.05
ENOUGH_OVERLAP = 0.8


@dataclass(frozen=True)
class Grid:
    """Where voxels lie, in ``(i, j, k)`` order and mm; ``direction`` is 3 x 3, row by row."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Grid:
        """The grid of ``image``."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def empty(self, pixel: int = sitk.sitkUInt8) -> sitk.Image:
        """An image of zeros on this grid."""
        image = sitk.Image([int(n) for n in self.size], pixel)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def matrix(self) -> NDArray[np.float64]:
        """Voxel index ``(i, j, k)`` to mm, without the origin."""
        return np.reshape(self.direction, (3, 3)) @ np.diag(self.spacing)

    def corners(self) -> NDArray[np.float64]:
        """The centres of the eight corner voxels in mm, ``[8, 3]``."""
        ends = np.array(np.meshgrid(*[(0, n - 1) for n in self.size], indexing="ij")).reshape(3, -1)
        return (self.matrix() @ ends).T + self.origin


def shear(direction: NDArray[np.float64]) -> float:
    """How far unit axes are from right angles: the largest cosine between two of them."""
    axes = direction / np.linalg.norm(direction, axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def nearest_rotation(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orthonormal matrix nearest to ``direction`` (polar decomposition)."""
    left, _, right = np.linalg.svd(direction)
    return left @ right


def sheared(amount: float, file: str) -> InputError:
    """The error for a header whose axes are not at right angles."""
    return InputError(
        f"the image axes are not at right angles (shear {amount:.2g})",
        file=file,
        expected=f"orthonormal axes, or a shear below {REPAIRABLE_SHEAR:g}, which is repaired",
        remedy="resample the volume onto a grid with right angles and save it again",
    )


def orthonormal(image: sitk.Image, file: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """``image`` with axes at right angles, and a warning when a small shear was repaired.

    Raises:
        InputError: The shear is 1e-3 or more, or an axis has no length.
    """
    direction = np.reshape(image.GetDirection(), (3, 3))
    if not np.isfinite(direction).all() or min(image.GetSpacing()) <= 0:
        raise InputError("the header has no usable geometry", file=file, remedy="export it again")
    amount = shear(direction)
    if amount <= ROUNDING:
        return image, ()
    if amount >= REPAIRABLE_SHEAR:
        raise sheared(amount, file)
    image.SetDirection(nearest_rotation(direction).ravel().tolist())
    return image, (f"{file}: a shear of {amount:.1g} in the header was repaired",)


def tilt(image: sitk.Image) -> float:
    """Rotation in degrees of an LPS-oriented ``image`` against the patient's axes."""
    direction = np.reshape(image.GetDirection(), (3, 3))
    return math.degrees(math.acos(min(1.0, max(-1.0, (np.trace(direction) - 1) / 2))))


def upright(
    oriented: sitk.Image, file: str, interpolator: int = sitk.sitkLinear
) -> tuple[sitk.Image, tuple[str, ...]]:
    """An LPS-oriented image with its axes along the patient's, resampled when it is oblique.

    Below 5 degrees it is left alone; from 5 to 30 degrees it is resampled on an upright grid of
    the same spacing, with a warning.

    Raises:
        InputError: It is rotated by more than 30 degrees.
    """
    angle = tilt(oriented)
    if angle < SMALL_ANGLE:
        return oriented, ()
    if angle > LARGE_ANGLE:
        raise InputError(
            f"the volume is rotated by {angle:.0f} degrees against the patient's axes",
            file=file,
            expected=f"axial, coronal or sagittal slices tilted by at most {LARGE_ANGLE:.0f}",
            remedy="resample it to axial slices (in Slicer: Resample Scalar Volume) and try again",
        )
    image = sitk.Resample(oriented, upright_grid(oriented).empty(), sitk.Transform(), interpolator)
    return image, (f"{file}: oblique by {angle:.0f} degrees, resampled onto the patient's axes",)


def upright_grid(image: sitk.Image) -> Grid:
    """The axis-aligned grid around ``image`` with its spacing."""
    corners = Grid.of(image).corners()
    lowest, spacing = corners.min(axis=0), np.array(image.GetSpacing())
    size = np.ceil((corners.max(axis=0) - lowest) / spacing - 1e-6).astype(int) + 1
    return Grid(
        tuple(int(n) for n in size),
        image.GetSpacing(),
        tuple(float(x) for x in lowest),
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )


def same_grid(first: sitk.Image, second: sitk.Image) -> bool:
    """Whether two images share one grid, to a twentieth of a voxel at every corner."""
    if first.GetSize() != second.GetSize():
        return False
    apart = np.abs(Grid.of(first).corners() - Grid.of(second).corners()).max()
    return bool(apart <= SAME_GRID * min(first.GetSpacing()))


def overlap(first: sitk.Image, second: sitk.Image) -> float:
    """Share of the smaller field of view that lies inside the other (upright boxes)."""
    boxes = []
    for image in (first, second):
        corners, half = Grid.of(image).corners(), np.array(image.GetSpacing()) / 2
        boxes.append((corners.min(axis=0) - half, corners.max(axis=0) + half))
    (low_a, high_a), (low_b, high_b) = boxes
    common = np.prod(np.clip(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0, None))
    return float(common / min(np.prod(high_a - low_a), np.prod(high_b - low_b)))


def onto(image: sitk.Image, reference: sitk.Image, interpolator: int) -> sitk.Image:
    """``image`` resampled on the grid of ``reference``, zero outside its own field of view."""
    return sitk.Resample(image, reference, sitk.Transform(), interpolator, 0, image.GetPixelID())


def back_to(label_image: sitk.Image, grid: Grid) -> sitk.Image:
    """A canonical label map on the grid a file came with: voxel for voxel where it can be.

    Flipped and permuted grids come back exactly; resampled or cropped ones by nearest neighbour.
    """
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(grid.direction)
    flipped = sitk.DICOMOrient(label_image, code)
    target = grid.empty(label_image.GetPixelID())
    if same_grid(flipped, target):
        flipped.CopyInformation(target)
        return flipped
    return onto(label_image, target, sitk.sitkNearestNeighbor)
