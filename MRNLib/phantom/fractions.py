"""From a head's level fields to shares of tissue in each voxel, slice by slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MRNLib.phantom.head import Head

CORTEX_MM = 3.0
SULCUS_HALF_WIDTH_MM = 0.7
SULCUS_DEPTH_MM = 15.0
CSF_SHELL_MM = 2.0
SKULL_MM = 6.5
FAT_MM = 7.0


@dataclass(frozen=True)
class Tissue:
    """Fractions of one slice, [rows, columns], float32: white + grey + fluid = 1 inside the cavity.

    Attributes:
        white: White matter.
        grey: Grey matter.
        fluid: Cerebrospinal fluid.
        stem: Where the tissue is brainstem, 0 to 1.
        brain: Depth inside the brain, mm.
        bone: Skull.
        fat: Skin and fat.
        muscle: Muscle and other deep tissue outside the skull.
    """

    white: np.ndarray
    grey: np.ndarray
    fluid: np.ndarray
    stem: np.ndarray
    brain: np.ndarray
    bone: np.ndarray
    fat: np.ndarray
    muscle: np.ndarray


def _ramp(level: np.ndarray, width: float = 1.0) -> np.ndarray:
    """0 to 1 across a surface."""
    return np.clip(level * np.float32(1 / width) + np.float32(0.5), 0, 1)


def tissue_slice(head: Head, k: int) -> Tissue:
    """Tissue fractions of slice ``k`` of the grid's window."""
    at = head.lattice.slice_at
    brain, stem = at(head.brain, k), at(head.stem, k)
    sulcus = np.abs(at(head.fold, k))
    sulcus += np.maximum(brain - np.float32(SULCUS_DEPTH_MM), 0)
    np.minimum(sulcus, at(head.sheet, k), out=sulcus)
    np.maximum(sulcus, stem + 2, out=sulcus)
    inside = _ramp(brain)
    fluid = 1 - _ramp(sulcus - np.float32(SULCUS_HALF_WIDTH_MM)) * inside
    np.maximum(fluid, _ramp(at(head.fluid, k)), out=fluid)
    surface = np.minimum(np.maximum(brain, stem * 3), sulcus)
    white = _ramp(surface - np.float32(CORTEX_MM)) * (1 - fluid)
    shell = at(head.cavity, k) + np.float32(CSF_SHELL_MM)
    cavity = _ramp(shell)
    bone = _ramp(shell + np.float32(SKULL_MM)) - cavity
    scalp = at(head.scalp, k)
    outer = _ramp(scalp) * (1 - bone - cavity)
    muscle = outer * _ramp(scalp - np.float32(FAT_MM), 3.0)
    return Tissue(
        white=white * cavity,
        grey=(1 - fluid - white) * cavity,
        fluid=fluid * cavity,
        stem=_ramp(stem),
        brain=brain,
        bone=bone,
        fat=outer - muscle,
        muscle=muscle,
    )
