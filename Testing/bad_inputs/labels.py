"""Rows about the masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MRNLib.anatomy import nucleus

from .patient import Patient, sound
from .row import Row


def _masked(change):
    """The sound patient after ``change`` of its masks in place."""

    def build(folder: Path) -> dict[str, Path]:
        patient = sound()
        return (change(patient) or patient).write(folder)

    return build


def _erase(mask: np.ndarray, *keys: str, share: float = 1.0) -> None:
    for key in keys:
        for label in (nucleus(key).right, nucleus(key).left):
            where = np.argwhere(mask == label)
            gone = where[: round(share * len(where))]
            mask[tuple(gone.T)] = 0


def exchanged(mask: np.ndarray) -> np.ndarray:
    """Odd and even labels exchanged."""
    return np.where(mask == 0, 0, np.where(mask % 2, mask + 1, mask - 1)).astype(np.uint8)


def merged(mask: np.ndarray) -> np.ndarray:
    """One label for each nucleus, 1 to 8."""
    return ((mask + 1) // 2).astype(np.uint8)


def no_midbrain(patient: Patient) -> None:
    _erase(patient.qsm_mask, "STN", "SN", "RN")
    patient.nm_mask[:] = 0
    patient.nm_mask[14, 34, 30] = 1
    patient.nm_mask[14, 34, 40] = 2


def stray(patient: Patient) -> None:
    patient.qsm_mask[25, 10:13, 10] = nucleus("SN").right


def outside(patient: Patient) -> None:
    patient.qsm_mask[5, 5, 5] = 17


def outside_nm(patient: Patient) -> Patient:
    return patient.but(nm_mask=patient.qsm_mask)


def fractional(patient: Patient) -> Patient:
    mask = patient.qsm_mask.astype(np.float32)
    return patient.but(qsm_mask=(mask + np.roll(mask, 1, 2)) / 2)


def some_exchanged(patient: Patient) -> Patient:
    red = np.isin(patient.qsm_mask, (13, 14))
    return patient.but(qsm_mask=np.where(red, exchanged(patient.qsm_mask), patient.qsm_mask))


SWAP, SPLIT = {"swap_sides": True}, {"split_merged": True}
_merged = _masked(lambda p: p.but(qsm_mask=merged(p.qsm_mask)))
_exchanged = _masked(lambda p: p.but(qsm_mask=exchanged(p.qsm_mask)))

ROWS = (
    Row(
        "small_nucleus",
        _masked(lambda p: _erase(p.qsm_mask, "RN", share=0.8)),
        "warning",
        ("RN right", "% of the usual 170"),
        (),
    ),
    Row(
        "dentate_absent",
        _masked(lambda p: _erase(p.qsm_mask, "DN")),
        "warning",
        ("ROI QSM3 is absent",),
        (),
    ),
    Row(
        "stray",
        _masked(stray),
        "warning",
        ("stray voxels outside the largest part are ignored: SN right 3",),
        (),
    ),
    Row("no_midbrain", _masked(no_midbrain), "error", ("NM and QSM2", "absent"), ()),
    Row(
        "empty_mask",
        _masked(lambda p: p.but(qsm_mask=np.zeros_like(p.qsm_mask))),
        "error",
        ("empty", "labels 1-16"),
        ("qsm_mask",),
    ),
    Row("label_17", _masked(outside), "error", ("17", "labels 1-16"), ("qsm_mask",)),
    Row("nm_labels", _masked(outside_nm), "error", ("labels found: 1, 2, 3", "1-2"), ("nm_mask",)),
    Row("fractional", _masked(fractional), "error", ("not whole numbers: 0.5",), ("qsm_mask",)),
    Row("merged", _merged, "error", ("share a label", "--split-merged"), ("qsm_mask",)),
    Row(
        "merged_split",
        _merged,
        "warning",
        ("split at the midline",),
        ("qsm_mask",),
        ("--split-merged",),
        SPLIT,
    ),
    Row(
        "merged_nm",
        _masked(lambda p: p.but(nm_mask=(p.nm_mask > 0).astype(np.uint8))),
        "error",
        ("share a label", "--split-merged"),
        ("nm_mask",),
    ),
    Row("sides", _exchanged, "error", ("on the patient's left", "--swap-sides"), ("qsm_mask",)),
    Row(
        "sides_swapped",
        _exchanged,
        "warning",
        ("exchanged on request",),
        ("qsm_mask",),
        ("--swap-sides",),
        SWAP,
    ),
    Row(
        "nm_mask_as_qsm_mask",
        _masked(lambda p: p.but(qsm_mask=p.nm_mask)),
        "error",
        ("all that an NM mask has", "leave the mask out"),
        ("qsm_mask",),
    ),
    Row("some_sides", _masked(some_exchanged), "error", ("some nuclei only: RN",), ("qsm_mask",)),
)
