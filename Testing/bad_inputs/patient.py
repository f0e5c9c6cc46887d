"""A small, sound patient made with plain numpy, for tests to spoil in one way at a time.

Spheres of each nucleus's usual volume at its usual place, in the challenge's array order:
``[k, j, i]`` with i to the left, j to anterior, k to superior, direction diag(1, -1, 1).
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.anatomy import NM_NUCLEI, NORM_VOLUME_MM3, QSM_NUCLEI
from MRNLib.cases import CaseImages
from MRNLib.rois import Roi, boxes_from_masks

SPACING = (1.4, 1.4, 2.5)
SIZE = (68, 76, 32)  # i, j, k
CENTRE = (47.5, 60.0, 42.0)  # mm from the first voxel to the middle of the nuclei
# Lateral, anterior and superior of the middle, in mm (10 mirrored hemispheres of the challenge).
PLACES = {
    "CN": (12.9, 20.9, 14.6), "PUT": (23.7, 14.4, 6.9), "GP": (18.2, 9.8, 4.4),
    "TH": (11.5, -5.1, 9.7), "STN": (9.7, 2.3, -0.2), "SN": (8.7, -2.3, -5.8),
    "RN": (4.9, -3.6, -2.1), "DN": (12.4, -36.5, -27.4), "NM-SN": (7.5, -2.3, -5.6),
}  # fmt: skip
SUSCEPTIBILITY = {
    "CN": 40,
    "PUT": 50,
    "GP": 120,
    "TH": -11,
    "STN": 99,
    "SN": 132,
    "RN": 112,
    "DN": 106,
}
CHALLENGE_DIRECTION = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def _grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k, j, i = np.meshgrid(*[np.arange(n) for n in SIZE[::-1]], indexing="ij")
    x, y, z = (index * step for index, step in zip((i, j, k), SPACING, strict=True))
    return x - CENTRE[0], y - CENTRE[1], z - CENTRE[2]


def _masks() -> tuple[np.ndarray, np.ndarray]:
    x, y, z = _grid()
    masks = {}
    for modality, nuclei in (("QSM", QSM_NUCLEI), ("NM", NM_NUCLEI)):
        mask = np.zeros(x.shape, np.uint8)
        for nucleus in sorted(nuclei, key=lambda item: -NORM_VOLUME_MM3[item.key]["R"]):
            lateral, anterior, superior = PLACES[nucleus.key]
            for side, sign in (("R", -1), ("L", 1)):
                radius = (NORM_VOLUME_MM3[nucleus.key][side] * 0.75 / np.pi) ** (1 / 3)
                apart = (x - sign * lateral) ** 2 + (y - anterior) ** 2 + (z - superior) ** 2
                mask[apart <= radius**2] = nucleus.label(side)
        masks[modality] = mask
    return masks["QSM"], masks["NM"]


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    noise = rng.normal(size=shape)
    for axis in range(3):
        noise = (np.roll(noise, 1, axis) + 2 * noise + np.roll(noise, -1, axis)) / 4
    return noise / noise.std()


@dataclass
class Patient:
    """Arrays ``[k, j, i]`` and their grid; ``write`` makes files of them."""

    qsm: np.ndarray
    nm: np.ndarray
    qsm_mask: np.ndarray
    nm_mask: np.ndarray
    spacing: tuple[float, float, float] = SPACING
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = CHALLENGE_DIRECTION
    without: tuple[str, ...] = field(default=())

    def image(self, name: str) -> sitk.Image:
        """One of the four arrays as an image on the patient's grid."""
        image = sitk.GetImageFromArray(getattr(self, name))
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def write(self, folder: Path, **instead: sitk.Image) -> dict[str, Path]:
        """Writes the four files; ``instead`` replaces some of the images."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for name in ("qsm", "nm", "qsm_mask", "nm_mask"):
            if name in self.without:
                continue
            kind, *rest = name.split("_")
            paths[name] = folder / ("_".join([kind.upper(), *rest]) + ".nii.gz")
            sitk.WriteImage(instead.get(name) or self.image(name), str(paths[name]))
        return paths

    def but(self, **changes: object) -> Patient:
        """A copy with other arrays or another grid."""
        return replace(self, **changes)


def sound() -> Patient:
    """A patient without fault, its arrays free to be changed: no warning, no error."""
    return copy.deepcopy(_sound())


@functools.cache
def _sound() -> Patient:
    rng = np.random.default_rng(0)
    qsm_mask, nm_mask = _masks()
    x, y, z = _grid()
    brain = (x / 44) ** 2 + ((y + 5) / 56) ** 2 + ((z + 4) / 40) ** 2 < 1
    qsm = 25 * _smooth_noise(rng, x.shape)
    for nucleus in QSM_NUCLEI:
        inside = np.isin(qsm_mask, (nucleus.right, nucleus.left))
        qsm[inside] += SUSCEPTIBILITY[nucleus.key]
    veins = brain & (np.abs(x) < 2) & (y > 30)
    qsm[veins] += 250
    tissue = 1 + 0.03 * _smooth_noise(rng, x.shape) + 0.05 * (nm_mask > 0)
    nm = np.where(brain, 19_000 * tissue, np.abs(rng.normal(0, 150, x.shape)))
    return Patient(
        np.where(brain, qsm, 0).astype(np.float32), nm.astype(np.float32), qsm_mask, nm_mask
    )


def rois_of(images: CaseImages) -> dict[str, Roi]:
    """The four ROIs of a patient from the masks in ``images``; those without a mask are absent."""
    arrays = [
        None if mask is None else sitk.GetArrayViewFromImage(mask)
        for mask in (images.qsm_mask, images.nm_mask)
    ]
    x, y, z = images.qsm.image.GetSpacing()
    return boxes_from_masks(arrays[0], arrays[1], (x, y, z))
