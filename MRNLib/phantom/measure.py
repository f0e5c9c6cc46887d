"""What can be measured of the class inside the true masks: the features of the image oracle.

A logistic regression on these numbers is what a reader with perfect outlines could reach. The
latent oracle is above it by what noise, partial volume and texture destroy.

Neuromelanin is measured against the oracle's own reference, :func:`oracle_reference`, which is not
the reader's (:mod:`MRNLib.neuromelanin`, what a report shows):

===========  ==========================================  ==========================================
..           oracle (here)                               reader (``neuromelanin.nm_reference``)
===========  ==========================================  ==========================================
shell        3 to 10 mm in the label's own slices        3 to 10 mm in three dimensions
left out     all labels of the QSM mask                  voxels without QSM (0); nuclei stay in
level        median, values 12 % away from it dropped    mode of a smoothed histogram
===========  ==========================================  ==========================================

The oracle has the true outlines and may leave every nucleus out, and a median over some thousand
voxels is steadier than a mode, which suits an upper bound. A reader's outlines may lack nuclei and
his shell may lie in a cistern, where a mode holds and a median does not. On the phantoms the
oracle's reference is about .3 % lower: the shell's white matter and its voxels mixed with fluid are
darker than the brainstem, and noise lets them pull a median but not a mode. Ratios against the two
are therefore not to be compared with each other, nor is :data:`ORACLE_HYPERINTENSE` with the
reader's rule. Neither may change: models and their cards rest on both.
"""

from __future__ import annotations

import numpy as np

from MRNLib.anatomy import QSM_NUCLEI, SIDES, nucleus
from MRNLib.phantom.coordinates import nucleus_axes
from MRNLib.phantom.signs import nigrosome_weight, posterolateral_weight

# Neuromelanin brighter than this multiple of the oracle's reference counts as hyperintense to it.
ORACLE_HYPERINTENSE = 1.045
ORACLE_SHELL_MM = (3.0, 10.0)
ORACLE_TRIM = 0.12
ORACLE_REFERENCE_NAME = (
    f"trimmed median of the tissue {ORACLE_SHELL_MM[0]:.0f} to {ORACLE_SHELL_MM[1]:.0f} mm around "
    "NM-SN in its own slices, all nuclei left out"
)


def anterior_sign(qsm_mask: np.ndarray) -> int:
    """+1 where rows run to anterior (the challenge's files), -1 where to posterior (canonical).

    Striatum lies in front of thalamus and cerebellum.
    """
    front = np.flatnonzero(np.isin(qsm_mask, (1, 2, 3, 4)).any(axis=(0, 2)))
    back = np.flatnonzero(np.isin(qsm_mask, (7, 8, 11, 12, 15, 16)).any(axis=(0, 2)))
    if not len(front) or not len(back):
        return 1
    return 1 if front.mean() >= back.mean() else -1


def image_measurements(
    qsm: np.ndarray,
    nm: np.ndarray,
    qsm_mask: np.ndarray,
    nm_mask: np.ndarray,
    spacing: tuple[float, float, float],
) -> dict[str, float]:
    """Measures one patient inside the given masks.

    Args:
        qsm: Susceptibility, ppb, [k, j, i]; i to the left, k to superior, j to anterior or
            posterior.
        nm: Neuromelanin-weighted image, any unit.
        qsm_mask: Labels 0 to 16.
        nm_mask: Labels 0 to 2.
        spacing: Voxel size (i, j, k), mm.

    Returns:
        Mean susceptibility of each nucleus (ppb), the neuromelanin signs (relative to
        :func:`oracle_reference`), nigrosome 1 (ppb), heterogeneity (ppb), and unsigned side
        differences. A nucleus that is absent counts as NaN.
    """
    if anterior_sign(qsm_mask) < 0:
        qsm, nm, qsm_mask, nm_mask = (a[:, ::-1] for a in (qsm, nm, qsm_mask, nm_mask))
    found = {
        f"susceptibility {item.key} {side}": _mean(qsm, qsm_mask == item.label(side))
        for item in QSM_NUCLEI
        for side in SIDES
    }
    sides = [_signs(qsm, nm, qsm_mask, nm_mask, spacing, side) for side in SIDES]
    result = {
        f"susceptibility {item.key}": float(
            np.mean([found[f"susceptibility {item.key} {side}"] for side in SIDES])
        )
        for item in QSM_NUCLEI
    }
    for name in sides[0]:
        right, left = (side[name] for side in sides)
        result[name] = (right + left) / 2
        result[f"{name} asymmetry"] = abs(right - left)
    right, left = (found[f"susceptibility SN {side}"] for side in SIDES)
    result["susceptibility SN asymmetry"] = abs(right - left)
    return result


def _signs(
    qsm: np.ndarray,
    nm: np.ndarray,
    qsm_mask: np.ndarray,
    nm_mask: np.ndarray,
    spacing: tuple[float, float, float],
    side: str,
) -> dict[str, float]:
    """The signs of one side."""
    sign = {"R": -1, "L": 1}[side]
    names = ("nm contrast", "nm mean", "nm hyperintense share", "nigrosome", "heterogeneity")
    result = dict.fromkeys(names, float("nan"))
    mask = nm_mask == nucleus("NM-SN").label(side)
    if mask.sum() > 10:
        values = nm[mask] / oracle_reference(nm, nm_mask, qsm_mask, spacing)
        weight = posterolateral_weight(nucleus_axes(mask, spacing, sign))
        result["nm contrast"] = float(np.average(values, weights=weight + 1e-6))
        result["nm mean"] = float(values.mean())
        result["nm hyperintense share"] = float((values > ORACLE_HYPERINTENSE).mean())
    mask = qsm_mask == nucleus("SN").label(side)
    if mask.sum() > 10:
        values = qsm[mask].astype(float)
        weight = nigrosome_weight(nucleus_axes(mask, spacing, sign)).astype(float)
        weight -= weight.mean()
        result["nigrosome"] = float(values @ weight / (weight @ weight))
        result["heterogeneity"] = float(values.std())
    return result


def oracle_reference(
    nm: np.ndarray,
    nm_mask: np.ndarray,
    qsm_mask: np.ndarray,
    spacing: tuple[float, float, float],
) -> float:
    """The oracle's reference for neuromelanin; the module says how the reader's differs.

    Args:
        nm: Neuromelanin-weighted image [k, j, i], any unit.
        nm_mask: Labels 0 to 2.
        qsm_mask: Labels 0 to 16; all of them are left out.
        spacing: Voxel size (i, j, k), mm.

    Returns:
        The median signal 3 to 10 mm from NM-SN in the slices that hold it, without the nuclei and
        without what is 12 % darker or brighter (fluid, vessels), in the image's unit.
    """
    k, j, i = (nm_mask > 0).nonzero()
    low, high = ORACLE_SHELL_MM
    cut = tuple(
        slice(max(0, int(index.min() - high / step)), int(index.max() + high / step) + 2)
        for index, step in zip((k, j, i), (2 * high, spacing[1], spacing[0]), strict=True)
    )
    near = _within(nm_mask[cut] > 0, high, spacing) & ~_within(nm_mask[cut] > 0, low, spacing)
    values = nm[cut][near & (qsm_mask[cut] == 0)]
    middle = np.median(values)
    return float(np.median(values[np.abs(values - middle) < ORACLE_TRIM * middle]))


def _within(mask: np.ndarray, distance: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """Voxels within ``distance`` mm of ``mask`` in their own slice."""
    from scipy import ndimage

    result = np.zeros_like(mask)
    for k, plane in enumerate(mask):
        if plane.any():
            result[k] = ndimage.distance_transform_edt(~plane, sampling=spacing[1::-1]) <= distance
    return result


def _mean(image: np.ndarray, mask: np.ndarray) -> float:
    return float(image[mask].mean(dtype=float)) if mask.any() else float("nan")
