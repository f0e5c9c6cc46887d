"""Veins and arteries, which make real maps hard to read around the nuclei.

Veins are strongly paramagnetic (deoxygenated blood; single voxels reach thousands of ppb) and dark
in NM and T1; arteries are bright there (inflow) and faint in QSM. They never enter a nucleus's
label, and nothing here knows the diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MRNLib.phantom.grid import Grid
from MRNLib.phantom.pose import Pose

LARGEST_SUSCEPTIBILITY = 2800.0
CORTICAL_VEINS = 80
STEP_MM = 0.4
# Named vessels of the left side, frame mm (left, anterior, superior), mirrored to the right.
_VEINS = (
    ((1.8, 14, 13), (1.8, 0, 15), (1.8, -18, 12), (0.5, -26, 8)),
    ((14, 8, -10), (18.5, -2, -8), (17.5, -12, -5), (6, -22, 3), (0, -27, 7)),
    ((7, 24, 16), (10, 10, 21), (4, 12, 15)),
    ((0.3, -27, 8), (0.3, -45, 2), (0.3, -62, -4)),
)
_ARTERIES = (
    ((0.5, 2, -40), (0.5, 12, -26), (0.5, 12, -14)),
    ((0.5, 12, -14), (9, 9, -12), (20, -4, -10), (16, -18, -8)),
    ((11, 14, -26), (12, 20, -14), (22, 16, -12), (36, 12, -6), (39, 2, 6)),
)


@dataclass(frozen=True)
class Vessels:
    """Voxels of a grid's window that vessels pass through.

    Attributes:
        index: Array indices [k, j, i], one array per axis.
        share: Share of the voxel that is vessel.
        susceptibility: Of the vessel, ppb.
        magnitude: Its NM and T1 signal relative to tissue.
    """

    index: tuple[np.ndarray, np.ndarray, np.ndarray]
    share: np.ndarray
    susceptibility: np.ndarray
    magnitude: np.ndarray


def draw(random: np.random.Generator, grid: Grid, pose: Pose) -> Vessels:
    """Draws a patient's vessels; the draw does not depend on the grid's window."""
    points: list[np.ndarray] = []
    kinds: list[np.ndarray] = []

    def add(path: np.ndarray, radius: float, susceptibility: float, signal: float) -> None:
        line = _resample(path)
        points.append(line)
        kind = np.array([radius, susceptibility, signal], np.float32)
        kinds.append(np.tile(kind, (len(line), 1)))

    for paths, radius, level, signal in ((_VEINS, 0.9, 260.0, 0.75), (_ARTERIES, 1.1, 15.0, 1.35)):
        for path in paths:
            for mirror in (-1.0, 1.0):
                moved = np.array(path, float) + random.normal(0, 0.8, (len(path), 3))
                moved[:, 0] *= mirror
                add(moved, radius, level * np.exp(random.normal(0, 0.25)), signal)
    for _ in range(CORTICAL_VEINS):
        level = min(100.0 * np.exp(random.gamma(1.3, 0.6)), LARGEST_SUSCEPTIBILITY)
        add(_cortical(random), random.uniform(0.35, 0.8), level, 0.8)
    return _splat(np.concatenate(points), np.concatenate(kinds), grid, pose)


def _cortical(random: np.random.Generator) -> np.ndarray:
    """The course of one vein from the cortex towards the ventricles."""
    direction = random.standard_normal(3)
    direction[2] = abs(direction[2]) * 0.8 - 0.1
    direction /= np.linalg.norm(direction)
    outside = np.array([0, -3, 21]) + direction * np.array([66, 82, 55])
    inner = 1 - random.uniform(0.15, 0.4)
    knots = np.linspace(1.0, inner, 5)[:, None] * (outside - (0, -3, 21)) + (0, -3, 21)
    return knots + np.cumsum(random.normal(0, 2.5, knots.shape), axis=0)


def _resample(path: np.ndarray) -> np.ndarray:
    """Points every ``STEP_MM`` along a polyline."""
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    at = np.arange(0, length[-1], STEP_MM)
    return np.stack([np.interp(at, length, column) for column in path.T], axis=1)


def _splat(points: np.ndarray, kinds: np.ndarray, grid: Grid, pose: Pose) -> Vessels:
    """The voxels that the points' discs cover; the fullest disc wins a voxel."""
    radius, susceptibility, signal = kinds.T
    x, y, z = pose.to_volume(points.T)
    starts = [start for start, _ in grid.bounds]
    i, j, k = x / grid.spacing[0], y / grid.spacing[1], z / grid.spacing[2]
    around = np.arange(-2, 3)
    rows, columns, slices = (np.rint(c).astype(int) for c in (j, i, k))
    rows = rows[:, None, None] + around[:, None]
    columns = columns[:, None, None] + around
    distance = np.hypot(
        (columns - i[:, None, None]) * grid.spacing[0], (rows - j[:, None, None]) * grid.spacing[1]
    )
    share = np.clip((radius[:, None, None] - distance) / grid.spacing[0] + 0.5, 0, 1)
    shape = share.shape
    index = [
        np.broadcast_to(axis, shape).ravel() - start
        for axis, start in zip((slices[:, None, None], rows, columns), starts, strict=True)
    ]
    keep = share.ravel() > 0.05
    for axis, size in zip(index, grid.size, strict=True):
        keep &= (axis >= 0) & (axis < size)
    flat = np.ravel_multi_index([axis[keep] for axis in index], grid.size)
    owner = np.repeat(np.arange(len(points)), around.size**2)[keep]
    share = share.ravel()[keep]
    order = np.lexsort((owner, share, flat))
    last = order[np.r_[np.diff(flat[order]) != 0, True]] if len(order) else order
    k_, j_, i_ = np.unravel_index(flat[last], grid.size)
    owner = owner[last]
    return Vessels(
        (k_, j_, i_), share[last].astype(np.float32), susceptibility[owner], signal[owner]
    )
