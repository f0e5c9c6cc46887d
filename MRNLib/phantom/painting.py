"""Tissue painted into given masks: the same digital patient, with somebody else's geometry."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy import ndimage

from MRNLib.anatomy import LABEL_COUNT, NUCLEI, SIDES, Nucleus
from MRNLib.errors import InputError
from MRNLib.phantom.geometry import Anatomy, Structure
from MRNLib.phantom.grid import Grid
from MRNLib.phantom.patient import MODALITIES, Phantom, render
from MRNLib.phantom.pose import Pose
from MRNLib.phantom.shapes import SHAPES
from MRNLib.phantom.truth import sample_truth

# Blur that turns a label's edge into partial volume, mm in plane; across slices none.
EDGE_SIGMA_MM = 0.45
MARGIN_VOXELS = 3


def paint(
    qsm_mask: np.ndarray,
    nm_mask: np.ndarray,
    spacing: tuple[float, float, float],
    seed: int,
    diagnosis: str | None = None,
    modalities: Collection[str] = MODALITIES,
) -> Phantom:
    """Makes a digital patient whose nuclei are exactly the given labels.

    Args:
        qsm_mask: Labels 0 to 16, [k, j, i]: i to the left, j to anterior, k to superior, as the
            challenge's files.
        nm_mask: Labels 0 to 2, same grid.
        spacing: Voxel size (i, j, k), mm.
        seed: Decides the tissue, head and noise.
        diagnosis: ``HC`` or ``PD``; None leaves it to the seed.
        modalities: Which of ``QSM``, ``NM``, ``T1`` to make.

    Returns:
        The patient; its masks are the ones given.

    Raises:
        InputError: The masks do not fit each other, hold other labels, or hold no nuclei.
    """
    for modality, mask in (("QSM", qsm_mask), ("NM", nm_mask)):
        if mask.ndim != 3 or mask.shape != qsm_mask.shape:
            raise InputError(
                f"the {modality} mask has shape {mask.shape}",
                expected=f"a volume on the QSM mask's grid {qsm_mask.shape}",
            )
        found = sorted(int(label) for label in np.unique(mask))
        if found[-1] > LABEL_COUNT[modality] or found[0] < 0 or found == [0]:
            raise InputError(
                f"the {modality} mask has the labels {found}",
                expected=f"labels from 1 to {LABEL_COUNT[modality]} on a background of 0",
            )
    shape = (int(qsm_mask.shape[0]), int(qsm_mask.shape[1]), int(qsm_mask.shape[2]))
    grid = Grid(shape, spacing)
    masks = {"QSM": qsm_mask.astype(np.uint8), "NM": nm_mask.astype(np.uint8)}
    structures = [
        item
        for nucleus in NUCLEI
        for side in SIDES
        if (item := _structure(masks[nucleus.modality], nucleus, side, spacing)) is not None
    ]
    pose = _pose(structures, spacing)
    anatomy = Anatomy(grid, pose, tuple(structures), masks["QSM"], masks["NM"])
    truth = sample_truth(seed, diagnosis)
    return render(anatomy, truth, tuple(m for m in MODALITIES if m in modalities), grid)


def _structure(
    mask: np.ndarray, nucleus: Nucleus, side: str, spacing: tuple[float, float, float]
) -> Structure | None:
    """One label with a blurred edge: more than half inside, less than half outside."""
    inside = mask == nucleus.label(side)
    where = ndimage.find_objects(inside.astype(np.uint8))
    if not where:
        return None
    box = tuple(
        slice(max(0, cut.start - MARGIN_VOXELS), min(size, cut.stop + MARGIN_VOXELS))
        for cut, size in zip(where[0], mask.shape, strict=True)
    )
    label = inside[box]
    sigma = (0.0, EDGE_SIGMA_MM / spacing[1], EDGE_SIGMA_MM / spacing[0])
    blurred = ndimage.gaussian_filter(label.astype(np.float32), sigma)
    occupancy = np.where(label, np.maximum(blurred, 0.55), np.minimum(blurred, 0.45))
    # A neighbouring nucleus's voxels are its own.
    taken = (mask[box] > 0) & ~label
    occupancy = np.where(taken, 0, occupancy).astype(np.float32)
    return Structure(nucleus, side, (box[0], box[1], box[2]), occupancy, label)


def _pose(structures: list[Structure], spacing: tuple[float, float, float]) -> Pose:
    """Where the head must lie for its nuclei to be where the labels are."""
    step = np.array(spacing)
    placed, usual = [], []
    for item in structures:
        k, j, i = (
            float(axis.mean() + cut.start)
            for axis, cut in zip(item.mask.nonzero(), item.box, strict=True)
        )
        lateral, *rest = SHAPES[item.nucleus.key].centroid
        placed.append(np.array([i, j, k]) * step)
        usual.append(np.array([lateral * {"R": -1, "L": 1}[item.side], *rest]))
    points, model = np.array(placed), np.array(usual)
    centre, middle = points.mean(axis=0), model.mean(axis=0)
    x, y = (points - centre)[:, 0], (points - centre)[:, 1]
    u, v = (model - middle)[:, 0], (model - middle)[:, 1]
    yaw = float(np.arctan2(np.sum(u * y - v * x), np.sum(u * x + v * y)))
    yaw = float(np.clip(yaw, -0.3, 0.3))
    pose = Pose(np.zeros(3), 1.0, yaw, 0.0)
    return Pose(centre - pose.to_volume(middle), 1.0, yaw, 0.0)
