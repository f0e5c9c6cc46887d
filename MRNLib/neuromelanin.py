"""What the neuromelanin signal of the substantia nigra is compared with.

The signal has no unit and its level differs between scanners and coils, so it is read as a ratio to
the tissue around it. That shell holds white matter, cistern and vessels; the mode is the level of
the commonest tissue in it and does not move with how much cistern a slice happens to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SHELL_MM = (3.0, 10.0)
# A voxel is called hyperintense this many robust SDs of the reference tissue above its mode. NM-SN
# is about 4 % brighter than tissue whose voxels scatter by as much, so more would miss most of it.
HYPERINTENSE_SDS = 1.0
REFERENCE_NAME = (
    f"mode of the tissue {SHELL_MM[0]:.0f}-{SHELL_MM[1]:.0f} mm around NM-SN, NM-SN excluded"
)
HYPERINTENSE_RULE = f"NM above the mode + {HYPERINTENSE_SDS:.0f} robust SD of: {REFERENCE_NAME}"
_LEAST_VOXELS = 50
_BINS = 512
# Whole voxel steps often end exactly on the shell's border; rounding must not decide there.
_ROUNDING_MM = 1e-6


@dataclass(frozen=True)
class NmReference:
    """The tissue that NM contrast is measured against.

    Attributes:
        mode: Its commonest NM value, in the image's own arbitrary unit.
        spread: Robust SD about the mode (1.4826 times the median absolute distance).
        voxels: Number of voxels it was estimated from.
    """

    mode: float
    spread: float
    voxels: int

    @property
    def hyperintense_above(self) -> float:
        """The NM value above which a voxel counts as hyperintense."""
        return self.mode + HYPERINTENSE_SDS * self.spread


def mode(values: NDArray[Any]) -> float:
    """The most frequent value of a continuous sample, from a smoothed histogram.

    Args:
        values: Finite numbers, any shape, at least one.

    Returns:
        The peak of the histogram after Gaussian smoothing with Silverman's bandwidth, refined by a
        parabola. It follows shifts and positive scalings of the sample.
    """
    sample = np.asarray(values, dtype=np.float64).ravel()
    low, high = np.percentile(sample, (1, 99))
    quartiles = np.percentile(sample, (25, 75))
    width = min(sample.std(), (quartiles[1] - quartiles[0]) / 1.349)
    if width <= 0 or high <= low:
        return float(np.median(sample))
    counts, edges = np.histogram(sample, _BINS, (low, high))
    step = edges[1] - edges[0]
    bandwidth = 0.9 * width * sample.size**-0.2
    density = ndimage.gaussian_filter1d(counts.astype(float), bandwidth / step, mode="constant")
    peak = int(density.argmax())
    offset = 0.0
    if 0 < peak < _BINS - 1:
        before, at, after = density[peak - 1 : peak + 2]
        curvature = before - 2 * at + after
        offset = 0.0 if curvature == 0 else 0.5 * (before - after) / curvature
    return float(edges[0] + (peak + 0.5 + offset) * step)


def reference_region(
    nm_mask: NDArray[Any], spacing: tuple[float, float, float], tissue: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The shell of tissue around NM-SN.

    Args:
        nm_mask: NM label map ``[k, j, i]``, non-zero inside NM-SN on either side.
        spacing: Voxel size (x, y, z) in mm.
        tissue: Where there is tissue at all ``[k, j, i]``.

    Returns:
        Boolean array ``[k, j, i]``: 3 to 10 mm from the nearest NM-SN voxel, inside ``tissue``.
    """
    region = np.zeros(nm_mask.shape, dtype=bool)
    occupied = ndimage.find_objects((nm_mask != 0).astype(np.uint8))
    if not occupied:
        return region
    # Only the neighbourhood is measured: a distance map of a whole head costs seconds.
    box = tuple(
        slice(max(0, part.start - margin), part.stop + margin)
        for part, margin in zip(
            occupied[0], [int(np.ceil(SHELL_MM[1] / s)) + 1 for s in spacing[::-1]], strict=True
        )
    )
    distance = ndimage.distance_transform_edt(nm_mask[box] == 0, sampling=spacing[::-1])
    near, far = SHELL_MM[0] - _ROUNDING_MM, SHELL_MM[1] + _ROUNDING_MM
    region[box] = (distance >= near) & (distance <= far) & tissue[box]
    return region


def nm_reference(
    nm: NDArray[Any],
    nm_mask: NDArray[Any],
    spacing: tuple[float, float, float],
    tissue: NDArray[np.bool_] | None = None,
) -> NmReference | None:
    """Level and spread of the tissue around NM-SN; one for both sides, so asymmetry stays.

    Args:
        nm: NM image ``[k, j, i]``, arbitrary unit.
        nm_mask: NM label map ``[k, j, i]``.
        spacing: Voxel size (x, y, z) in mm.
        tissue: Where there is tissue; by default wherever NM is above 0.

    Returns:
        The reference, or None without NM-SN or with too little tissue around it.
    """
    usable = np.isfinite(nm) & (nm > 0)
    values = nm[reference_region(nm_mask, spacing, usable if tissue is None else usable & tissue)]
    if values.size < _LEAST_VOXELS:
        return None
    level = mode(values)
    spread = 1.4826 * float(np.median(np.abs(values.astype(np.float64) - level)))
    return NmReference(level, spread, int(values.size)) if level > 0 else None
