"""Rows about what the voxels hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .patient import sound
from .row import Row


def swapped(folder: Path) -> dict[str, Path]:
    paths = sound().write(folder)
    return paths | {"qsm": paths["nm"], "nm": paths["qsm"]}


def _qsm(change):
    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        return patient.but(qsm=np.asarray(change(patient.qsm), np.float32)).write(folder)

    return build


def _nm(change):
    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        return patient.but(nm=np.asarray(change(patient.nm), np.float32)).write(folder)

    return build


def _with_nan(share: float):
    """NaN in a share of the voxels of both midbrain boxes."""

    def change(qsm: np.ndarray) -> np.ndarray:
        bad = qsm.copy()
        part = bad[12:19, 25:42, 21:48]
        part[np.random.default_rng(1).random(part.shape) < share] = np.nan
        return bad

    return change


def phase(folder: Path) -> dict[str, Path]:
    patient = sound()
    wrapped = np.random.default_rng(2).uniform(-np.pi, np.pi, patient.qsm.shape)
    return patient.but(qsm=wrapped.astype(np.float32)).write(folder)


def inverted_in_nuclei(folder: Path) -> dict[str, Path]:
    """Nuclei negative, but a long upper tail from elsewhere: only the masks can tell."""
    patient = sound()
    qsm = np.where(patient.qsm_mask > 0, -np.abs(patient.qsm), patient.qsm)
    qsm[20:24, 60:70, 20:48] += 300
    return patient.but(qsm=np.where(patient.qsm == 0, 0, qsm).astype(np.float32)).write(folder)


def moved(nm: np.ndarray) -> np.ndarray:
    """The head moves 10 mm between the odd and the even slices."""
    shaken = nm.copy()
    shaken[1::2] = np.roll(shaken[1::2], 7, axis=1)
    return shaken


def shaded(nm: np.ndarray) -> np.ndarray:
    return nm * np.linspace(0.7, 1.3, nm.shape[2])


ROWS = (
    Row("swapped", swapped, "error", ("swapped", "--swap-modalities"), ("qsm", "nm")),
    Row("ppm", _qsm(lambda a: a / 1000), "warning", ("ppm", "converted to ppb")),
    Row(
        "arbitrary_scale",
        _qsm(lambda a: a / 20),
        "error",
        ("not a susceptibility map", "arbitrary scale", "ppb"),
    ),
    Row(
        "far_too_large",
        _qsm(lambda a: a * 100),
        "error",
        ("not a susceptibility map", "99th percentile"),
    ),
    Row("inverted", _qsm(lambda a: -a), "error", ("sign is inverted", "multiply it by -1")),
    Row("inverted_in_nuclei", inverted_in_nuclei, "error", ("sign is inverted", "iron-rich")),
    Row("few_nan", _qsm(_with_nan(0.002)), "warning", ("not numbers", "median")),
    Row(
        "many_nan", _qsm(_with_nan(0.05)), "error", ("% of the voxels in ROI", "not numbers", "1 %")
    ),
    Row("all_zero", _qsm(np.zeros_like), "error", ("all voxels are zero",)),
    Row("constant", _nm(lambda a: np.full_like(a, 7)), "error", ("same value",), ("nm",)),
    Row("all_nan", _nm(lambda a: np.full_like(a, np.nan)), "error", ("zero",), ("nm",)),
    Row("phase", phase, "error", ("phase image", "reconstructed")),
    Row(
        "negative_nm",
        _nm(lambda a: a - 18_500),
        "error",
        ("negative", "neuromelanin"),
        ("nm",),
    ),
    Row("motion", _nm(moved), "warning", ("out of distribution", "may have moved"), ("nm",)),
    Row("shading", _nm(shaded), "warning", ("out of distribution", "shading"), ("nm",)),
)
