"""Where a patient's nuclei lie: the mean shapes, moved, scaled and bent.

Nothing here knows the diagnosis. Every nucleus becomes a map of occupancy, the share of each voxel
that it fills; the masks are what it fills by more than half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MRNLib.anatomy import NUCLEI, SIDES, Nucleus
from MRNLib.phantom.grid import Grid
from MRNLib.phantom.pose import Pose, Warp
from MRNLib.phantom.shapes import HEIGHTS, SHAPES, NucleusShape

# Mean position of the frame's origin in the challenge's volumes, (x, y, z) mm, and its SD.
ORIGIN_MM = np.array([100.0, 101.5, 50.5])
ORIGIN_SD_MM = np.array([1.5, 3.0, 2.0])
SCALE_SD = 0.02
YAW_SD_DEGREES = 2.5
ROLL_SD_DEGREES = 1.5
# In-plane width over which the occupancy falls from 1 to 0: a voxel and its blur.
EDGE_MM = 1.0
SUBSLICES = 4
# What overlaps and the half-voxel rule take away from a nucleus's mean volume, given back.
_VOLUME_GAIN = {"PUT": 1.03, "GP": 1.13, "STN": 1.22, "SN": 1.045, "DN": 1.02, "NM-SN": 1.035}
# Nuclei that move together between subjects.
_GROUPS = {"CN": 0, "PUT": 0, "GP": 0, "TH": 1, "STN": 2, "SN": 2, "RN": 2, "NM-SN": 2, "DN": 3}
_SHARES = {"group": 0.55, "both sides": 0.25, "side": 0.2}


@dataclass(frozen=True)
class Structure:
    """One nucleus of one side.

    Attributes:
        nucleus: Which one.
        side: ``R`` or ``L``.
        box: Array slices [k, j, i] of the grid's window that hold it.
        occupancy: Share of each voxel in ``box`` that it fills, float32.
        mask: Where its label lies in ``box``.
    """

    nucleus: Nucleus
    side: str
    box: tuple[slice, slice, slice]
    occupancy: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Anatomy:
    """A patient's nuclei on a grid.

    Attributes:
        grid: The grid (window).
        pose: How the head lies.
        structures: All nuclei of both sides, QSM first, NM-SN last.
        qsm_mask: Labels 0 to 16, uint8, the window's size.
        nm_mask: Labels 0 to 2, uint8.
    """

    grid: Grid
    pose: Pose
    structures: tuple[Structure, ...]
    qsm_mask: np.ndarray
    nm_mask: np.ndarray

    def side_sign(self, side: str) -> int:
        """+1 for the left, -1 for the right: the sign of x that points laterally."""
        return {"R": -1, "L": 1}[side]


@dataclass(frozen=True)
class _Placed:
    nucleus: Nucleus
    side: str
    centre: np.ndarray
    volume: float


def draw(random: np.random.Generator, grid: Grid) -> Anatomy:
    """Draws a patient's nuclei.

    Args:
        random: Source of randomness; the draw does not depend on the grid's window.
        grid: Where to put them; the frame sits where it does in the challenge's volumes.
    """
    scale = np.exp(random.normal(0.0, SCALE_SD))
    origin = ORIGIN_MM + ORIGIN_SD_MM * np.clip(random.standard_normal(3), -2.2, 2.2)
    yaw, roll = np.radians(
        np.array([YAW_SD_DEGREES, ROLL_SD_DEGREES]) * np.clip(random.standard_normal(2), -2.5, 2.5)
    )
    pose = Pose(origin, float(scale), float(yaw), float(roll))
    placed = _place(random, pose)
    warp = Warp(random)
    pieces = [_rasterise(item, pose, warp, grid) for item in placed]
    return assemble(grid, pose, pieces)


def mean_anatomy(grid: Grid, pose: Pose) -> Anatomy:
    """The mean shapes at their mean places, without any variation.

    Args:
        grid: Where to put them.
        pose: How the frame lies in the volume.
    """
    placed = []
    for nucleus in NUCLEI:
        shape = SHAPES[nucleus.key]
        for side, volume in zip(SIDES, shape.volumes, strict=True):
            sign = {"R": -1, "L": 1}[side]
            centre = np.array(shape.centroid) * (sign, 1, 1)
            volume *= _VOLUME_GAIN.get(nucleus.key, 1.0)
            placed.append(_Placed(nucleus, side, pose.to_volume(centre), volume))
    return assemble(grid, pose, [_rasterise(item, pose, None, grid) for item in placed])


def _place(random: np.random.Generator, pose: Pose) -> list[_Placed]:
    """Centres in the volume and target volumes of all nuclei."""
    group = random.standard_normal((4, 3))
    placed = []
    for nucleus in NUCLEI:
        shape = SHAPES[nucleus.key]
        both = random.standard_normal(3)
        size = random.standard_normal()
        for side in SIDES:
            jitter = (
                np.sqrt(_SHARES["group"]) * group[_GROUPS[nucleus.key]]
                + np.sqrt(_SHARES["both sides"]) * both
                + np.sqrt(_SHARES["side"]) * random.standard_normal(3)
            )
            centre = np.array(shape.centroid) + np.array(shape.centroid_sd) * np.clip(
                jitter, -2.5, 2.5
            )
            spread = np.sqrt(0.8) * size + np.sqrt(0.2) * random.standard_normal()
            volume = (
                shape.volumes[SIDES.index(side)]
                * _VOLUME_GAIN.get(nucleus.key, 1.0)
                * np.exp(shape.volume_sd * np.clip(spread, -2.5, 2.5) - shape.volume_sd**2 / 2)
            )
            centre[0] *= {"R": -1, "L": 1}[side]
            placed.append(_Placed(nucleus, side, pose.to_volume(centre), float(volume)))
    return placed


def _profile(shape: NucleusShape, height: float) -> tuple[float, ...]:
    """Centre, area, angle, aspect and curvature of the cross section at ``height`` in [0, 1]."""
    rows = (shape.lateral, shape.anterior, shape.area, shape.angle, shape.aspect, shape.curvature)
    return tuple(float(np.interp(height, HEIGHTS, row)) for row in rows)


def _rasterise(
    item: _Placed, pose: Pose, warp: Warp | None, grid: Grid
) -> tuple[Nucleus, str, tuple[slice, slice, slice], np.ndarray]:
    """Occupancy of one nucleus in the box that holds it."""
    shape = SHAPES[item.nucleus.key]
    factor = item.volume / (shape.extent * float(np.mean(shape.area)))
    extent = shape.extent * factor ** (1 / 3)
    reach = 1.3 * factor ** (1 / 3) * pose.scale * _radius(shape) + 3.0
    half = np.array([reach, reach, extent * pose.scale / 2 + grid.spacing[2]])
    box = grid.box(item.centre - half, item.centre + half)
    x, y, z = (axis[cut] for axis, cut in zip(grid.axes(), box[::-1], strict=True))
    occupancy = np.zeros([cut.stop - cut.start for cut in box], np.float32)
    side = np.float32({"R": -1, "L": 1}[item.side])
    cos, sin = np.float32(np.cos(pose.yaw)), np.float32(np.sin(pose.yaw))
    for k, height in enumerate(z):
        dx, dy = x - np.float32(item.centre[0]), y[:, None] - np.float32(item.centre[1])
        if warp is not None:
            shift_x, shift_y = warp(x, y[:, None], float(height))
            dx, dy = dx + shift_x, dy + shift_y
        dx, dy = dx / np.float32(pose.scale), dy / np.float32(pose.scale)
        lateral, anterior = side * (dx * cos + dy * sin), dy * cos - dx * sin
        for sub in range(SUBSLICES):
            offset = ((sub + 0.5) / SUBSLICES - 0.5) * grid.spacing[2]
            t = (height + offset - item.centre[2]) / pose.scale / extent + 0.5
            if 0.0 <= t <= 1.0:
                section = _section(lateral, anterior, _profile(shape, t), factor ** (1 / 3))
                occupancy[k] += section / np.float32(SUBSLICES)
    return item.nucleus, item.side, box, occupancy


def _radius(shape: NucleusShape) -> float:
    """Largest distance of a shape's sections from its centroid axis, mm."""
    half = np.sqrt(np.array(shape.area) * np.array(shape.aspect) / np.pi)
    return float((half + np.hypot(shape.lateral, shape.anterior)).max())


def _section(
    lateral: np.ndarray, anterior: np.ndarray, profile: tuple[float, ...], size: float
) -> np.ndarray:
    """Occupancy of one bent elliptical cross section on a plane."""
    centre_l, centre_a, area, angle, aspect, curvature = profile
    long = np.float32(size * np.sqrt(area * aspect / np.pi))
    short = np.float32(size * np.sqrt(area / aspect / np.pi))
    cos, sin = np.float32(np.cos(np.radians(angle))), np.float32(np.sin(np.radians(angle)))
    dl, da = lateral - np.float32(size * centre_l), anterior - np.float32(size * centre_a)
    u = dl * cos + da * sin
    # The mean of u^2 over an ellipse is long^2 / 4: subtracting it leaves the centroid where it is.
    v = da * cos - dl * sin - np.float32(curvature / size) * (u * u - long * long / 4)
    radius = np.sqrt((u / long) ** 2 + (v / short) ** 2) + np.float32(1e-6)
    slope = np.sqrt((u / long**2) ** 2 + (v / short**2) ** 2) / radius + np.float32(1e-6)
    return np.clip((1 - radius) / slope / np.float32(EDGE_MM) + np.float32(0.5), 0, 1)


def assemble(
    grid: Grid,
    pose: Pose,
    pieces: list[tuple[Nucleus, str, tuple[slice, slice, slice], np.ndarray]],
) -> Anatomy:
    """Resolves overlaps and makes the masks: the fullest nucleus gets the voxel."""
    masks, structures = {}, []
    for modality in ("QSM", "NM"):
        own = [piece for piece in pieces if piece[0].modality == modality]
        total, best = np.zeros(grid.size, np.float32), np.zeros(grid.size, np.float32)
        label = np.zeros(grid.size, np.uint8)
        for nucleus, side, box, occupancy in own:
            total[box] += occupancy
            wins = occupancy > best[box]
            np.copyto(best[box], occupancy, where=wins)
            np.copyto(label[box], np.uint8(nucleus.label(side)), where=wins)
        for nucleus, side, box, occupancy in own:
            mine = (label[box] == nucleus.label(side)) & (total[box] > 0.5)
            share = occupancy / np.maximum(total[box], 1)
            structures.append(Structure(nucleus, side, box, share, mine))
        label = np.zeros(grid.size, np.uint8)
        for item in structures[-len(own) :]:
            label[item.box][item.mask] = item.nucleus.label(item.side)
        masks[modality] = label
    return Anatomy(grid, pose, tuple(structures), masks["QSM"], masks["NM"])
