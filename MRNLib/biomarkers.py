"""Measurements inside the nuclei: volume, susceptibility, neuromelanin contrast, asymmetry.

Arrays are ``[k, j, i]`` on one grid; sides follow the labels, so the result does not depend on how
an array lies. What cannot be measured is None, never NaN and never 0. A z says how far a number is
from a published mean in published SDs and always carries the source's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import NM_NUCLEI, NORM_VOLUME_MM3, QSM_NUCLEI, SIDE_NAMES, SIDES, nucleus
from MRNLib.neuromelanin import HYPERINTENSE_RULE, REFERENCE_NAME, NmReference, nm_reference
from MRNLib.norms import (
    HEALTHY_SUSCEPTIBILITY_PPB,
    SIDE_DIFFERENCE_SPREAD_PPB,
    SPREAD_PPB,
    SUSCEPTIBILITY_SOURCE,
    spread_source,
    volume_source,
)
from MRNLib.rois import SMALL_SHARE, volume_note

Side = Literal["R", "L", "both"]
NM_SN = NM_NUCLEI[0].key
SNPC = "SNpc"
SNPC_NAME = "Pars compacta (overlap of NM-SN and SN)"
# "Above threshold" means this far above the published mean of healthy controls, side by side.
THRESHOLD_ABOVE_MEAN_PPB = 50.0
LARGE_SHARE = 2.5
OUTSIDE_SHARE = 0.1
# A volume index this far from the outlines' habit is a mask to look at before it is biology.
ODD_VOLUME_ASYMMETRY = 0.25
ASYMMETRY_RULE = "(left - right) / (|left| + |right|)"


@dataclass(frozen=True)
class Biomarker:
    """One measured number.

    Attributes:
        nucleus: Key of the nucleus (``CN`` ... ``DN``, ``NM-SN``) or ``SNpc``, the overlap of
            NM-SN and SN.
        side: The patient's side, or ``both`` for a comparison of the two.
        name: What was measured, e.g. ``volume`` or ``susceptibility_mean``.
        value: The number, or None where it cannot be measured (empty nucleus).
        unit: ``mm3``, ``ppb``, ``voxels``, ``ratio`` or ``index``.
        reference: The threshold, region or rule that the number depends on, in words.
        published: The published mean that the number is set against, in the same unit.
        z: Distance from ``published`` in published SDs, or None where no SD is published.
        norm: The source of ``published`` and of the SD behind ``z``.
        flags: Quality warnings about this number, as sentences.
    """

    nucleus: str
    side: Side
    name: str
    value: float | None
    unit: str
    reference: str | None = None
    published: float | None = None
    z: float | None = None
    norm: str | None = None
    flags: tuple[str, ...] = ()


def measure(
    qsm: NDArray[Any],
    nm: NDArray[Any],
    qsm_mask: NDArray[Any],
    nm_mask: NDArray[Any],
    spacing: tuple[float, float, float],
) -> tuple[Biomarker, ...]:
    """Measures every nucleus on both sides.

    Args:
        qsm: Susceptibility ``[k, j, i]`` in ppb, 0 outside the brain.
        nm: Neuromelanin image ``[k, j, i]`` on the same grid, arbitrary unit.
        qsm_mask: QSM labels 1-16 ``[k, j, i]``.
        nm_mask: NM labels 1-2 ``[k, j, i]``.
        spacing: Voxel size (x, y, z) in mm.

    Returns:
        The biomarkers: per nucleus right, left, then the comparison of both; NM-SN and SNpc last.

    Raises:
        ValueError: If the four arrays do not share one shape.
    """
    if len({array.shape for array in (qsm, nm, qsm_mask, nm_mask)}) != 1:
        raise ValueError("QSM, NM and the two masks have to lie on one grid")
    cubic_mm = math.prod(spacing)
    reference = nm_reference(nm, nm_mask, spacing, tissue=qsm != 0)
    found: list[Biomarker] = []
    for item in QSM_NUCLEI:
        sides = [
            _qsm_nucleus(item.key, side, qsm[qsm_mask == item.label(side)], cubic_mm)
            for side in SIDES
        ]
        found += [*sides[0], *sides[1], *_asymmetries(*sides)]
    parts = {side: nm_mask == nucleus(NM_SN).label(side) for side in SIDES}
    sides = [_nm_sn(side, nm[parts[side]], reference, cubic_mm) for side in SIDES]
    found += [*sides[0], *sides[1], *_asymmetries(*sides)]
    overlaps = {side: parts[side] & (qsm_mask == nucleus("SN").label(side)) for side in SIDES}
    sides = [_snpc(s, qsm[part], nm[part], reference, cubic_mm) for s, part in overlaps.items()]
    found += [*sides[0], *sides[1], *_asymmetries(*sides)]
    return tuple(found)


def quality_warnings(biomarkers: tuple[Biomarker, ...]) -> tuple[str, ...]:
    """Every flag of every biomarker once, in their order."""
    return tuple(dict.fromkeys(flag for item in biomarkers for flag in item.flags))


def _qsm_nucleus(
    key: str, side: Side, values: NDArray[Any], cubic_mm: float
) -> tuple[Biomarker, ...]:
    healthy = HEALTHY_SUSCEPTIBILITY_PPB[key][side]
    threshold = healthy + THRESHOLD_ABOVE_MEAN_PPB
    rule = (
        f"above {threshold:.0f} ppb, {THRESHOLD_ABOVE_MEAN_PPB:.0f} ppb over the mean of "
        f"{SUSCEPTIBILITY_SOURCE}"
    )
    finite = values[np.isfinite(values)]
    median = p90 = above = None
    if finite.size:
        median, p90 = (float(value) for value in np.percentile(finite, (50, 90)))
        above = float(np.count_nonzero(finite > threshold))
    return (
        _volume(key, side, values, cubic_mm),
        _susceptibility_mean(key, side, _mean(values), healthy),
        Biomarker(key, side, "susceptibility_median", median, "ppb"),
        Biomarker(key, side, "susceptibility_p90", p90, "ppb"),
        Biomarker(key, side, "voxels_above_threshold", above, "voxels", rule),
    )


def _susceptibility_mean(key: str, side: Side, mean: float | None, healthy: float) -> Biomarker:
    z, norm = None, SUSCEPTIBILITY_SOURCE
    if key in SPREAD_PPB:
        norm = spread_source(key)
        z = None if mean is None else (mean - healthy) / SPREAD_PPB[key]
    return Biomarker(key, side, "susceptibility_mean", mean, "ppb", None, healthy, z, norm)


def _nm_sn(
    side: Side, signal: NDArray[Any], reference: NmReference | None, cubic_mm: float
) -> tuple[Biomarker, ...]:
    hyperintense = None
    if reference is not None and signal.size:
        hyperintense = cubic_mm * np.count_nonzero(signal > reference.hyperintense_above)
    return (
        _volume(NM_SN, side, signal, cubic_mm),
        _contrast(NM_SN, side, signal, reference),
        Biomarker(NM_SN, side, "hyperintense_volume", hyperintense, "mm3", HYPERINTENSE_RULE),
    )


def _snpc(
    side: Side,
    susceptibility: NDArray[Any],
    signal: NDArray[Any],
    reference: NmReference | None,
    cubic_mm: float,
) -> tuple[Biomarker, ...]:
    flags = () if signal.size else (f"SNpc {SIDE_NAMES[side]}: NM-SN and SN do not overlap",)
    volume = signal.size * cubic_mm if signal.size else None
    return (
        Biomarker(SNPC, side, "volume", volume, "mm3", "overlap of NM-SN and SN", flags=flags),
        Biomarker(SNPC, side, "susceptibility_mean", _mean(susceptibility), "ppb"),
        _contrast(SNPC, side, signal, reference),
    )


def _volume(key: str, side: Side, values: NDArray[Any], cubic_mm: float) -> Biomarker:
    usual = NORM_VOLUME_MM3[key][side]
    volume = values.size * cubic_mm
    who = f"{key} {SIDE_NAMES[side]}"
    flags: list[str] = []
    if not SMALL_SHARE <= volume / usual <= LARGE_SHARE:
        flags.append(volume_note(key, side, volume))
    outside = np.count_nonzero(values == 0)
    if key != NM_SN and values.size and outside > OUTSIDE_SHARE * values.size:
        share = 100 * outside / values.size
        flags.append(f"{who}: {share:.0f} % of its voxels lie outside the QSM's brain mask")
    value, source = (volume if values.size else None), volume_source(key)
    return Biomarker(key, side, "volume", value, "mm3", None, usual, None, source, tuple(flags))


def _contrast(
    key: str, side: Side, signal: NDArray[Any], reference: NmReference | None
) -> Biomarker:
    mean = _mean(signal)
    ratio = None if mean is None or reference is None else mean / reference.mode
    return Biomarker(key, side, "nm_contrast", ratio, "ratio", f"mean over the {REFERENCE_NAME}")


def _mean(values: NDArray[Any]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if finite.size else None


def _asymmetries(right: tuple[Biomarker, ...], left: tuple[Biomarker, ...]) -> Iterator[Biomarker]:
    for one, other in zip(right, left, strict=True):
        if one.name in ("volume", "susceptibility_mean", "nm_contrast", "hyperintense_volume"):
            yield _asymmetry(one, other)


def _asymmetry(right: Biomarker, left: Biomarker) -> Biomarker:
    """Left against right, set against the same index of the published means of that nucleus.

    The z is that of the difference left minus right in ppb, whose spread is published.
    """
    key, norm = right.nucleus, right.norm
    index = _index(right.value, left.value)
    published = _index(right.published, left.published)
    z: float | None = None
    flags: tuple[str, ...] = ()
    if right.name == "susceptibility_mean" and key in SIDE_DIFFERENCE_SPREAD_PPB:
        norm = f"{spread_source(key)}, of left minus right"
        difference, usual = _difference(right.value, left.value), HEALTHY_SUSCEPTIBILITY_PPB[key]
        if difference is not None:
            z = (difference - usual["L"] + usual["R"]) / SIDE_DIFFERENCE_SPREAD_PPB[key]
    excess = _difference(published, index) if right.name == "volume" else None
    if excess is not None and abs(excess) > ODD_VOLUME_ASYMMETRY:
        flags = (f"{key}: volume asymmetry {index:+.2f} against {published:+.2f} published",)
    name = right.name.removesuffix("_mean") + "_asymmetry"
    return Biomarker(key, "both", name, index, "index", ASYMMETRY_RULE, published, z, norm, flags)


def _difference(right: float | None, left: float | None) -> float | None:
    return None if right is None or left is None else left - right


def _index(right: float | None, left: float | None) -> float | None:
    if right is None or left is None or right == left == 0:
        return None
    return (left - right) / (abs(left) + abs(right))
