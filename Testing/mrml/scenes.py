"""Patients as files and nodes, for the tests on a real scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from bad_inputs.grids import turned
from bad_inputs.patient import Patient, sound

MODULE = Path(__file__).resolve().parents[2] / "MRNDiagnosis"
# How a file can lie: the challenge's grid and the tilted ones are left-handed, and Slicer flips
# what it reads of them.
LYING = {
    "challenge": lambda image: image,
    "canonical": lambda image: sitk.DICOMOrient(image, "LPS"),
    "flipped": lambda image: sitk.DICOMOrient(image, "RAI"),
    "sagittal": lambda image: sitk.DICOMOrient(image, "PSL"),
    "coronal": lambda image: sitk.DICOMOrient(image, "RSA"),
    "tilted 3": lambda image: tilted(image, 3),
    "oblique 15": lambda image: tilted(image, 15),
    "sagittal oblique": lambda image: sitk.DICOMOrient(tilted(image, 15), "SPR"),
}


def tilted(image: sitk.Image, degrees: float) -> sitk.Image:
    image = sitk.Image(image)
    image.SetDirection(turned(degrees))
    return image


def write_patient(folder, lying: str = "challenge", patient: Patient | None = None):
    """The four files of a small patient, all lying one way; right and left stay where they are."""
    patient = patient or sound()
    names = ("qsm", "nm", "qsm_mask", "nm_mask")
    return patient.write(folder, **{name: LYING[lying](patient.image(name)) for name in names})


def assert_same_in_space(first: sitk.Image, second: sitk.Image) -> None:
    """Every voxel of ``first`` has its value at the same place of the patient in ``second``."""
    assert first.GetNumberOfPixels() == second.GetNumberOfPixels()
    rng = np.random.default_rng(0)
    array = sitk.GetArrayViewFromImage(first)
    inside = np.argwhere(array != 0)
    for k, j, i in rng.permutation(inside)[:2000].tolist():
        there = first.TransformIndexToPhysicalPoint((i, j, k))
        index = second.TransformPhysicalPointToContinuousIndex(there)
        assert np.allclose(index, np.round(index), atol=1e-3)
        assert second[[round(n) for n in index]] == array[k, j, i]
    assert np.count_nonzero(sitk.GetArrayViewFromImage(second)) == len(inside)


def cube(node, identifier: str, reference, corner: tuple[int, int, int], side: int = 3) -> None:
    """Adds a cube to a segment as the Segment Editor does: ``corner`` is ``[k, j, i]``."""
    import slicer

    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, identifier, reference)
    k, j, i = corner
    array[k : k + side, j : j + side, i : i + side] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identifier, reference)


def new_transform(scene, name: str = "Moved"):
    return scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
