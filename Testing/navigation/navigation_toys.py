"""Toy volumes and poses."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from MRNLib.navigation.poses import Poses
from MRNLib.navigation.volumes import Volume

SPACING = (0.7, 0.9, 2.0)
ORIGIN = (-12.0, 31.0, 4.0)


def noise(seed: int = 0, shape=(14, 22, 26), dtype=torch.float32) -> Volume:
    """White noise in [0, 1]: the least even volume there is. Labels where it is high."""
    values = np.random.default_rng(seed).random(shape)
    return Volume(
        torch.from_numpy(values).to(dtype),
        SPACING,
        ORIGIN,
        f"noise_{seed}",
        "QSM",
        torch.from_numpy((values * 9).astype(np.uint8)),
    )


def head(seed: int = 0, role: str = "NM", name: str | None = None) -> Volume:
    """A ball of smooth tissue, 50 mm wide, in air."""
    shape = (40, 48, 50)
    spacing = (1.5, 1.6, 1.8)
    k, j, i = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij")
    radius = np.sqrt((k * spacing[2]) ** 2 + (j * spacing[1]) ** 2 + (i * spacing[0]) ** 2)
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    values = np.where(radius < 25, 0.5 + texture, 0.0).clip(0, 1)
    return Volume(
        torch.from_numpy(values).half(), spacing, (5.0, -7.0, 2.0), name or f"head_{seed}", role
    )


def middle_of(volume: Volume) -> torch.Tensor:
    """The middle of the volume in mm."""
    spacing, origin, size = (
        torch.tensor(one, dtype=torch.float64)
        for one in (volume.spacing, volume.origin, volume.size)
    )
    return origin + (size - 1) / 2 * spacing


def oblique(volume: Volume, number: int, seed: int = 0, spread: float = 3.0) -> Poses:
    """Random poses around the middle of the volume."""
    random = np.random.default_rng(seed)
    offset = torch.from_numpy(random.normal(0, spread, (number, 3)))
    rotation = torch.from_numpy(Rotation.random(number, rng=random).as_matrix())
    return Poses(
        middle_of(volume) + offset, rotation, torch.from_numpy(random.normal(0, 0.3, number))
    )
