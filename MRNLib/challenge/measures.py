"""How far a predicted structure is from the true one: overlap, and distances between surfaces.

A surface is the voxels of a mask that have one of their six neighbours outside. Each of its voxels
has a distance to the nearest surface voxel of the other mask, from exact nearest neighbours (a k-d
tree of scipy): nothing depends on the size of the volume, and a stray voxel far away costs nothing.

The two measures that the challenge scores are as in its ``metric.py``, which takes them from MedPy:
the tables that it and we write of the same masks are the same to the byte (MedPy 0.5.2, NumPy 2.4;
with other versions a structure that neither mask has can get a Dice of 0 or 1 there). The other two
are MONAI's ``compute_hausdorff_distance`` at the 95th percentile and
``compute_average_surface_distance``, symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from MRNLib.metrics import dice

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Agreement:
    """One structure of one patient, predicted against true.

    Attributes:
        dice: Overlap, NaN when both masks are empty.
        hausdorff: Largest distance of either surface from the other, in voxels whatever their
            shape. This and the following are infinite when a mask is empty.
        hausdorff95_mm: Larger of the two surfaces' 95th percentiles, mm.
        surface_mm: Mean distance over the voxels of both surfaces, mm.
    """

    dice: float
    hausdorff: float
    hausdorff95_mm: float
    surface_mm: float


def agreements(
    truth: NDArray[Any], predicted: NDArray[Any], labels: Sequence[int], spacing: Sequence[float]
) -> list[Agreement]:
    """:func:`agreement` of each label of two label maps, cropped around each structure.

    Args:
        truth: Label map.
        predicted: Label map of the same shape.
        labels: Which labels.
        spacing: mm of a voxel along each axis, in the arrays' order.
    """
    boxes = [ndimage.find_objects(array, max(labels)) for array in (truth, predicted)]
    result = []
    for label in labels:
        both = [one[label - 1] for one in boxes]
        there = [box for box in both if box is not None]
        box = _around(there) if there else (slice(0, 0),) * truth.ndim
        result.append(agreement(truth[box] == label, predicted[box] == label, spacing))
    return result


def _around(boxes: Sequence[Box]) -> Box:
    return tuple(
        slice(min(one.start for one in axis), max(one.stop for one in axis))
        for axis in zip(*boxes, strict=True)
    )


def agreement(truth: ArrayLike, predicted: ArrayLike, spacing: Sequence[float]) -> Agreement:
    """Compares two boolean masks of one shape.

    Args:
        truth: The true mask.
        predicted: The predicted one.
        spacing: mm of a voxel along each axis.
    """
    masks = [np.asarray(mask, bool) for mask in (truth, predicted)]
    overlap = dice(*masks)
    if not all(mask.any() for mask in masks):
        return Agreement(overlap, math.inf, math.inf, math.inf)
    surfaces = [_surface(mask) for mask in masks]
    voxels = _distances(*surfaces)
    millimetres = _distances(*(surface * np.asarray(spacing, float) for surface in surfaces))
    return Agreement(
        overlap,
        max(float(one.max()) for one in voxels),
        max(float(np.percentile(one, 95)) for one in millimetres),
        float(np.concatenate(millimetres).mean()),
    )


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Voxels of a mask that have a face in common with the outside, ``[n, axes]``."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask)).astype(np.float64)


def _distances(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances of the first points from the second ones, and of the second from the first."""
    trees = KDTree(first), KDTree(second)
    return trees[1].query(first)[0], trees[0].query(second)[0]
