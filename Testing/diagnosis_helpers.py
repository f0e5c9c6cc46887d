"""A case with a corrected mask, for tests of what a correction changes."""

from __future__ import annotations

import dataclasses

import SimpleITK as sitk


def edited(case, tmp_path, change):
    """The case with a changed QSM mask, as a radiologist would save it."""
    image = sitk.ReadImage(str(case.qsm_mask))
    array = sitk.GetArrayFromImage(image)
    change(array)
    corrected = sitk.GetImageFromArray(array)
    corrected.CopyInformation(image)
    path = tmp_path / "corrected.nii.gz"
    sitk.WriteImage(corrected, str(path))
    return dataclasses.replace(case, qsm_mask=path)
