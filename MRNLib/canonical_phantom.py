"""A digital patient as an evaluation sees it, and what is compared in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNLib.anatomy import NUCLEI_BY_MODALITY, SIDES
from MRNLib.metrics import dice
from MRNLib.nuclei import MODALITIES, Modality

Masks = dict[Modality, NDArray[np.uint8]]


@dataclass(frozen=True)
class CanonicalPhantom:
    """A digital patient on the canonical (LPS) grid, arrays ``[k, j, i]``."""

    qsm: NDArray[np.float32]
    nm: NDArray[np.float32]
    masks: Masks
    spacing: tuple[float, float, float]
    truth: Any

    @classmethod
    def of(cls, seed: int, *, whole: bool) -> CanonicalPhantom:
        """The patient of ``seed``; turning the rows over makes the challenge's grid canonical.

        Without ``whole`` only the part around the nuclei is made, voxel for voxel the same.
        """
        from MRNLib.phantom import generate

        region = "head" if whole else "deep-grey"
        made = generate(seed, modalities=("QSM", "NM"), region=region)
        assert made.qsm is not None
        assert made.nm is not None
        qsm, nm, qsm_mask, nm_mask = (
            np.ascontiguousarray(array[:, ::-1])
            for array in (made.qsm, made.nm, made.qsm_mask, made.nm_mask)
        )
        masks: Masks = {"QSM": qsm_mask, "NM": nm_mask}
        return cls(qsm.astype(np.float32), nm.astype(np.float32), masks, made.spacing, made.truth)

    def image(self, modality: Modality) -> sitk.Image:
        """One modality as an image."""
        image = sitk.GetImageFromArray(self.qsm if modality == "QSM" else self.nm)
        image.SetSpacing(self.spacing)
        return image


def blank_nuclei(patient: CanonicalPhantom) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """QSM and NM with the voxels of their nuclei, one voxel dilated, set to their surroundings'
    median.

    What a classifier still finds then is not in the nuclei; on these phantoms it should be nothing.
    """
    from scipy import ndimage

    nuclei = (patient.masks["QSM"] > 0) | (patient.masks["NM"] > 0)
    inside = ndimage.binary_dilation(nuclei, iterations=1)
    around = ndimage.binary_dilation(inside, iterations=3) & ~inside
    qsm, nm = patient.qsm.copy(), patient.nm.copy()
    for array in (qsm, nm):
        array[inside] = np.median(array[around])
    return qsm, nm


def overlaps(true: Masks, predicted: Masks) -> dict[str, float]:
    """Dice per nucleus and side, such as ``{"STN R": .7}``."""
    return {
        f"{item.key} {side}": dice(
            true[modality] == item.label(side), predicted[modality] == item.label(side)
        )
        for modality in MODALITIES
        for item in NUCLEI_BY_MODALITY[modality]
        for side in SIDES
    }


def volumes(masks: Masks, spacing: tuple[float, float, float]) -> dict[str, float]:
    """Volume in mm³ per nucleus and side."""
    return {
        f"{item.key} {side}": float((masks[modality] == item.label(side)).sum() * np.prod(spacing))
        for modality in MODALITIES
        for item in NUCLEI_BY_MODALITY[modality]
        for side in SIDES
    }
