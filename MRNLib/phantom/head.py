"""The head around the nuclei: brain, ventricles, cortex, brainstem, cerebellum, skull, scalp.

A head is a set of smooth level fields (mm inside a surface, negative outside) on a 2 mm lattice;
:mod:`MRNLib.phantom.fractions` turns them into tissue. Nothing here knows the diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MRNLib.phantom.grid import Grid, Lattice, smooth_noise_on
from MRNLib.phantom.pose import Pose

# Distance over which the cortex and the cerebellum fold.
FOLD_MM = 12.0
FOLIA_MM = 8.0

# Centre lines of the left ventricle, frame mm (lateral, anterior, superior, radius).
_VENTRICLE = (
    ((5.0, 30.0, 9.0, 3.0), (6.0, 22.0, 17.0, 4.0)),
    ((6.0, 22.0, 17.0, 4.0), (8.0, 0.0, 24.0, 4.0)),
    ((8.0, 0.0, 24.0, 4.0), (14.0, -24.0, 22.0, 5.0)),
    ((14.0, -24.0, 22.0, 5.0), (25.0, -34.0, 8.0, 5.5)),
    ((25.0, -34.0, 8.0, 5.5), (20.0, -54.0, 8.0, 2.0)),
    ((25.0, -34.0, 8.0, 5.0), (32.0, -8.0, -12.0, 2.5)),
)


@dataclass(frozen=True)
class Head:
    """Level fields of one head on a 2 mm lattice's window, float32, mm.

    Attributes:
        lattice: The lattice.
        brain: Depth inside the brain.
        cavity: Depth inside the skull's cavity.
        scalp: Depth inside the head.
        fluid: Depth inside ventricles.
        sheet: Distance to the fissures (longitudinal, lateral).
        stem: Depth inside midbrain, pons and deep cerebellar white matter: tissue without a cortex.
        cerebellum: Depth inside the cerebellum.
        fold: Random field whose zeros are the sulci; about the distance to them, mm.
    """

    lattice: Lattice
    brain: np.ndarray
    cavity: np.ndarray
    scalp: np.ndarray
    fluid: np.ndarray
    sheet: np.ndarray
    stem: np.ndarray
    cerebellum: np.ndarray
    fold: np.ndarray


def _ellipsoid(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    centre: Sequence[float],
    axes: Sequence[float],
) -> np.ndarray:
    """About the depth in mm inside an ellipsoid."""
    c, a = np.asarray(centre, np.float32), np.asarray(axes, np.float32)
    radius = np.sqrt(((x - c[0]) / a[0]) ** 2 + ((y - c[1]) / a[1]) ** 2 + ((z - c[2]) / a[2]) ** 2)
    return (1 - radius) * np.float32(np.mean(axes))


def _tube(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, ends: Sequence[Sequence[float]]
) -> np.ndarray:
    """Depth inside a conical tube between two (x, y, z, radius) ends."""
    start, stop = (np.asarray(end, np.float32) for end in ends)
    line = stop[:3] - start[:3]
    t = ((x - start[0]) * line[0] + (y - start[1]) * line[1] + (z - start[2]) * line[2]) / (
        line @ line
    )
    t = np.clip(t, 0, 1)
    distance = np.sqrt(
        (x - start[0] - t * line[0]) ** 2
        + (y - start[1] - t * line[1]) ** 2
        + (z - start[2] - t * line[2]) ** 2
    )
    return start[3] + t * (stop[3] - start[3]) - distance


def draw(random: np.random.Generator, grid: Grid, pose: Pose) -> Head:
    """Draws a head around the anatomical frame ``pose``; independent of the grid's window."""
    lattice = Lattice(grid)
    x, y, z = lattice.axes()
    x, y, z = pose.to_frame(x[None, None, :], y[None, :, None], z[:, None, None])
    size = 1 + 0.025 * np.clip(random.standard_normal(3), -2, 2)
    wide = 1 + 0.25 * np.clip(random.standard_normal(), -2, 2)
    fold = smooth_noise_on(random, grid, lattice, FOLD_MM) * np.float32(5.0)
    folia = smooth_noise_on(random, grid, lattice, FOLIA_MM) * np.float32(3.0)
    wx, wy, wz = x / np.float32(size[0]), y / np.float32(size[1]), z / np.float32(size[2])
    lateral = np.abs(wx)
    cerebrum = _cerebrum(wx, wy, wz + np.float32(0.35) * fold)
    cerebellum = np.minimum(
        _ellipsoid(wx, wy, wz, (0, -46, -27), (50, 31, 25)), _tentorium(lateral, wz) - 1.5
    )
    stem = _stem(wx, wy, wz)
    brain = np.maximum(np.maximum(cerebrum, cerebellum), stem)
    cavity = np.maximum(
        _ellipsoid(wx, wy, wz, (0, -3, 21), (70, 86, 59)),
        np.maximum(_ellipsoid(wx, wy, wz, (0, -38, -26), (53, 42, 32)), brain + 1.0),
    )
    neck = np.minimum(wz - 15, 0) * np.float32(0.35)
    scalp = _ellipsoid(wx, wy, wz - neck, (0, -1, 14), (83, 99, 84))
    core = _ellipsoid(wx, wy, wz, (0, -28, -26), (30, 19, 13))
    return Head(
        lattice=lattice,
        brain=np.ascontiguousarray(brain),
        cavity=cavity,
        scalp=scalp,
        fluid=np.maximum(_ventricles(x, y, z, float(wide)), _cistern(stem, wz)),
        sheet=_fissures(lateral, wy, wz),
        stem=np.maximum(stem, core),
        cerebellum=cerebellum,
        fold=np.where(cerebellum > 0, folia, fold),
    )


def _cerebrum(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Depth inside the hemispheres: a dome over skull base and tentorium, temporal lobes."""
    lateral = np.abs(x)
    dome = _ellipsoid(x, y, z, (0, -3, 21), (68, 84, 57))
    base = (z + 9) * np.float32(0.8)
    behind = np.clip((np.float32(-22) - y) / 8, 0, 1)
    tent = -_tentorium(lateral, z) + 60 * (1 - behind)
    temporal = _ellipsoid(lateral, y, z, (42, -6, -12), (21, 40, 18))
    hemispheres = np.maximum(np.minimum(dome, base), np.minimum(temporal, dome + 4))
    return np.minimum(hemispheres, tent)


def _tentorium(lateral: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Height in mm below the tentorium, which slopes down from the midline."""
    return np.float32(-2) - np.float32(0.3) * np.maximum(lateral - 8, 0) - z


def _stem(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Midbrain with the fossa between its peduncles, pons, medulla, cerebellar peduncles."""
    lateral = np.abs(x)
    plane = np.sqrt((x / 18) ** 2 + ((y + 5) / np.float32(13.5)) ** 2)
    midbrain = np.minimum((1 - plane) * 15, np.minimum(z + 17, 9 - z))
    # The interpeduncular fossa: a wedge from the front, open between the cerebral peduncles.
    fossa = (y - 2) * np.float32(0.7) - lateral
    midbrain = np.minimum(midbrain, -fossa)
    pons = _ellipsoid(x, y, z, (0, -3, -27), (18, 14, 14))
    oblongata = np.minimum(9 - np.sqrt(x**2 + (y + 13) ** 2), -28 - z)
    arms = _ellipsoid(lateral, y, z, (14, -20, -27), (9, 14, 8))
    return np.maximum(np.maximum(midbrain, pons), np.maximum(oblongata, arms))


def _cistern(stem: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Depth inside the fluid that surrounds midbrain and pons."""
    return np.minimum(np.minimum(-stem, stem + 3.5), 1 - z)


def _ventricles(x: np.ndarray, y: np.ndarray, z: np.ndarray, wide: float) -> np.ndarray:
    """Depth inside the ventricles and the aqueduct; ``wide`` scales their width."""
    lateral = np.abs(x)
    level = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32(-50))
    for ends in _VENTRICLE:
        scaled = [(*end[:3], end[3] * (0.75 + 0.25 * wide)) for end in ends]
        level = np.maximum(level, _tube(lateral, y, z, scaled))
    third = np.minimum(
        np.float32(1.6 * wide) - lateral, _ellipsoid(x, y, z, (0, 4, 5), (40, 15, 9))
    )
    fourth = _ellipsoid(x, y, z, (0, -24, -27), (6 * wide, 5, 9))
    aqueduct = np.minimum(
        np.float32(1.4) - np.sqrt(x**2 + (y + 14) ** 2), np.minimum(z + 20, 6 - z)
    )
    return np.maximum(np.maximum(level, third), np.maximum(fourth, aqueduct))


def _fissures(lateral: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Distance in mm to the longitudinal (above the callosum) and the lateral fissures."""
    callosum = (1 - np.sqrt(((y - 1) / 40) ** 2 + ((z - 8) / 23) ** 2)) * 31
    longitudinal = lateral + np.maximum(callosum, 0)
    insula = np.float32(39) + np.float32(0.006) * (y - 6) ** 2
    sylvian = np.abs(lateral - insula) + np.maximum(
        np.sqrt(((y - 4) / 24) ** 2 + ((z - 4) / 13) ** 2) * 18 - 18, 0
    )
    return np.minimum(longitudinal, sylvian)
