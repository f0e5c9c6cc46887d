"""What the report shows of the images: grey values in fixed windows on one canonical grid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from MRNLib.anatomy import NUCLEI_BY_MODALITY, Nucleus
from MRNLib.boxes import Box, bounding_box
from MRNLib.neuromelanin import nm_reference

QSM_WINDOW_PPB = (-100.0, 250.0)
NM_WINDOW = (0.8, 1.25)


@dataclass(frozen=True)
class ReportImages:
    """What the report shows: one canonical (LPS) grid, arrays ``[k, j, i]``.

    Attributes:
        qsm: Susceptibility in ppb, 0 outside the brain.
        nm: Neuromelanin image, arbitrary unit.
        qsm_mask: QSM labels 1-16.
        nm_mask: NM labels 1-2.
        spacing: Voxel size (x, y, z) in mm.
    """

    qsm: NDArray[Any]
    nm: NDArray[Any]
    qsm_mask: NDArray[Any]
    nm_mask: NDArray[Any]
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """One modality made ready for drawing: grey values in [0, 1] and what they mean.

    Attributes:
        grey: ``[k, j, i]`` in [0, 1].
        mask: The modality's labels ``[k, j, i]``.
        nuclei: The nuclei in that mask.
        limits: What 0 and 1 stand for.
        unit: In words, for the scale bar.
        aspect: Height of a pixel over its width.
    """

    grey: NDArray[np.float32]
    mask: NDArray[Any]
    nuclei: tuple[Nucleus, ...]
    limits: tuple[float, float]
    unit: str
    aspect: float


def views(images: ReportImages) -> dict[str, View]:
    """QSM in a fixed ppb window, NM relative to the tissue around NM-SN."""
    aspect = images.spacing[1] / images.spacing[0]
    reference = nm_reference(images.nm, images.nm_mask, images.spacing, tissue=images.qsm != 0)
    if reference is not None:
        level, unit = reference.mode, "NM signal relative to the tissue around NM-SN"
    else:
        positive = images.nm[np.isfinite(images.nm) & (images.nm > 0)]
        level, unit = float(np.median(positive)) if positive.size else 1.0, "NM signal / median"
    return {
        "QSM": View(
            np.where(outside_brain(images.qsm), 0, _windowed(images.qsm, QSM_WINDOW_PPB)),
            images.qsm_mask,
            NUCLEI_BY_MODALITY["QSM"],
            QSM_WINDOW_PPB,
            "Susceptibility (ppb)",
            aspect,
        ),
        "NM": View(
            _windowed(images.nm / level, NM_WINDOW),
            images.nm_mask,
            NUCLEI_BY_MODALITY["NM"],
            NM_WINDOW,
            unit,
            aspect,
        ),
    }


def outside_brain(qsm: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the QSM was masked away: areas of zeros, not single voxels that happen to be 0."""
    return ndimage.binary_opening(qsm == 0, structure=np.ones((1, 3, 3)))


def _windowed(array: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.float32]:
    scaled = (np.nan_to_num(array.astype(np.float32)) - limits[0]) / (limits[1] - limits[0])
    return scaled.clip(0, 1)


def head_box(images: ReportImages, margin_mm: float = 4.0) -> Box:
    """The box of the brain in the QSM (all of the volume where it is not masked)."""
    size = images.qsm.shape[::-1]
    inside = bounding_box(images.qsm != 0)
    if inside is None:
        return Box((0, 0, 0), size)
    margin = [round(margin_mm / step) for step in images.spacing[:2]]
    return inside.expand((*margin, 0), size)


def fullest_slice(view: View, keys: Collection[str]) -> int:
    """The slice that shows the named nuclei best: the largest sum of their area shares."""
    total = np.zeros(len(view.mask))
    for nucleus in view.nuclei:
        if nucleus.key in keys:
            area = np.isin(view.mask, (nucleus.right, nucleus.left)).sum((1, 2))
            total += area / max(area.max(), 1)
    return int(total.argmax()) if total.any() else len(view.mask) // 2
