"""A small head with outlined nuclei, and folders of such patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MRNLib.anatomy import ROIS


def head() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A 24 x 90 x 100 volume with every nucleus as a block of its usual volume."""
    random = np.random.default_rng(0)
    qsm_mask = np.zeros((24, 90, 100), np.uint8)
    nm_mask = np.zeros_like(qsm_mask)
    for number, definition in enumerate(ROIS):
        mask = nm_mask if definition.modality == "NM" else qsm_mask
        for place, nucleus in enumerate(definition.nuclei):
            rows = slice(10 + 18 * number, 26 + 18 * number)
            mask[5 + 3 * place : 8 + 3 * place, rows, 20:45] = nucleus.right
            mask[5 + 3 * place : 8 + 3 * place, rows, 55:80] = nucleus.left
    qsm = random.normal(20, 40, qsm_mask.shape).astype(np.float32)
    nm = random.normal(20000, 600, qsm_mask.shape).astype(np.float32)
    return qsm, nm, qsm_mask, nm_mask


def write_cohort(folder: Path, patients: Sequence[str] = ("case_a", "case_b")) -> None:
    """The same patient several times, with PD and HC in turn; rows run to anterior."""
    names = ("QSM", "NM", "QSM_mask", "NM_mask")
    rows = [f"{name},{('PD', 'HC')[place % 2]}\n" for place, name in enumerate(patients)]
    for patient in patients:
        (folder / patient).mkdir(parents=True)
        for name, array in zip(names, head(), strict=True):
            image = sitk.GetImageFromArray(np.ascontiguousarray(array[:, ::-1]))
            image.SetSpacing((0.6667, 0.6667, 2.0))
            image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
            sitk.WriteImage(image, str(folder / patient / f"{name}.nii.gz"))
    (folder / "labels.csv").write_text("id,diagnosis\n" + "".join(rows), encoding="utf-8")
