"""A volume to navigate through: values in [0, 1], where they lie, whose they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.models.config import IntensityConfig
from MRNLib.models.preprocess import tissue_median

ROLES = ("QSM", "NM", "T1", "other")
# Above this a value is tissue. It leaves out the noise of the air in magnitude images, and in a
# susceptibility map nothing but its outside, which is 0 here.
BACKGROUND = 0.1
# Share of the tissue that may lie beyond each side of its box: specks of noise do not widen it.
BEYOND = 0.01
# Voxels looked at for statistics: every second slice, every fourth row and column.
THINNED = (2, 4, 4)
# Values from which percentiles are taken.
SAMPLE = 1_000_000

Triple = tuple[float, float, float]
# Whom volumes are of, by ``Volume.phantom``.
WHOSE = {False: "people", True: "digital patients"}


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume on the canonical (LPS) grid.

    Attributes:
        values: ``[K, J, I]`` float16 or float32 in [0, 1]; i to the left, j to posterior, k to
            superior. May be mapped from a file (:mod:`MRNLib.navigation.volumecache`).
        spacing: Voxel size along (i, j, k) in mm.
        origin: The first voxel's centre, (i, j, k), in mm.
        name: The patient: volumes of one name never part when patients are split.
        role: ``QSM``, ``NM``, ``T1`` or ``other``.
        labels: ``[K, J, I]`` uint8 nuclei, for probes only; None where there are none.
        phantom: A digital patient's.
    """

    values: Tensor
    spacing: Triple
    origin: Triple
    name: str
    role: str
    labels: Tensor | None = None
    phantom: bool = False

    def __post_init__(self) -> None:
        shape, kind = tuple(self.values.shape), self.values.dtype
        if len(shape) != 3 or min(shape) < 2 or kind not in (torch.float16, torch.float32):
            raise ValueError(f"values are float16 or float32 [K, J, I], got {kind} {shape}")
        if self.role not in ROLES:
            raise ValueError(f"role is one of {ROLES}, not {self.role!r}")
        if self.labels is not None and tuple(self.labels.shape) != shape:
            raise ValueError(f"labels {tuple(self.labels.shape)} do not lie on values {shape}")

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along (i, j, k)."""
        k, j, i = self.values.shape
        return i, j, k

    @cached_property
    def tissue(self) -> Tensor:
        """``[2, 3]`` lowest and highest corner in mm of the box that holds the tissue.

        All but a hundredth of it at each side; the whole volume where nothing is tissue.
        """
        thin, steps = self._thinned()
        thin = thin > BACKGROUND
        ends = [
            [
                step * index
                for index in _ends(thin.sum([other for other in range(3) if other != axis]))
            ]
            for axis, step in enumerate(steps)
        ]
        corners = torch.tensor(ends[::-1], dtype=torch.float64).T
        spacing, origin = (corners.new_tensor(one) for one in (self.spacing, self.origin))
        return origin + corners * spacing

    @cached_property
    def reference(self) -> float:
        """The grey value to which an NM volume is relative: the median of the tissue in its middle.

        MRN takes that of a crop around the substantia nigra. What fills the middle half of each
        axis is within a few hundredths of it; the whole head's, with the fluid around the brain, is
        darker. 1 without tissue there.
        """
        thin = self._thinned()[0]
        middle = thin[tuple(slice(size // 4, size - size // 4) for size in thin.shape)].float()
        return tissue_median(middle[None], middle[None] > BACKGROUND).nan_to_num(1.0).item()

    def _thinned(self) -> tuple[Tensor, list[int]]:
        """A part of the voxels that is enough for statistics, and its steps along (k, j, i)."""
        steps = [
            max(1, min(step, size // 8))
            for step, size in zip(THINNED, self.values.shape, strict=True)
        ]
        return self.values[tuple(slice(None, None, step) for step in steps)], steps

    def to(self, device: torch.device | str) -> Volume:
        """The same volume in a device's memory."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, values=self.values.to(device), labels=labels)


def _ends(count: Tensor) -> tuple[int, int]:
    """First and last index between which nearly all that is counted along an axis lies."""
    if not count.any():
        return 0, len(count) - 1
    share = count.cumsum(0) / count.sum()
    return int((share <= BEYOND).sum()), int((share < 1 - BEYOND).sum())


def normalised(
    array: NDArray[Any],
    role: str,
    intensity: IntensityConfig | None = None,
    file: str | None = None,
) -> NDArray[np.float32]:
    """Values in [0, 1], and 0 wherever there is no head.

    A susceptibility map gets MRN's own window, every other image the percentiles .5 and 99.5 of its
    non-zero voxels. Voxels of exactly 0, in pieces larger than a few voxels, are what a mask has
    left: they become 0, although 0 ppb lies inside the window.

    Args:
        array: ``[K, J, I]``, finite; QSM in ppb, others in any unit.
        role: One of ``ROLES``.
        intensity: Window and percentiles; MRN's default.
        file: For the error.

    Raises:
        InputError: The non-zero voxels all have one value.
    """
    intensity = intensity or IntensityConfig()
    if role == "QSM":
        low, high = intensity.qsm_window
    else:
        # An odd step does not fall in with the rows of the volume.
        sample = array.reshape(-1)[:: max(1, array.size // SAMPLE) | 1]
        sample = sample[sample != 0]
        low, high = np.percentile(sample, intensity.percentiles) if sample.size else (0.0, 0.0)
    if not low < high:
        raise InputError(
            "the voxels that are not 0 all have one value",
            file=file,
            expected="an image of the head",
            remedy="leave masks out, and export the volume again if this is none",
        )
    unit = ((array.astype(np.float32) - low) / (high - low)).clip(0.0, 1.0).astype(np.float32)
    unit[_masked_out(array)] = 0.0
    return unit


def _masked_out(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Zeros that touch zeros on all sides, and those beside them: single ones are chance."""
    zero = ndimage.binary_erosion(array == 0, border_value=1)
    return ndimage.binary_dilation(zero)
