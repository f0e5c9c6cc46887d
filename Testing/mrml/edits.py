"""A patient in a scene, and the edits that a user makes, for the tests of what they cause."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk
from MRNDiagnosisLib import segmentations, volumes
from MRNDiagnosisLib.case import Inputs
from MRNDiagnosisLib.freshness import fingerprint
from report_helpers import SPACING, images

from MRNLib.parameters import Parameters

PLAIN = Parameters()


def image(array):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(SPACING)
    made.SetOrigin((-36.0, -48.0, -18.0))
    return made


def of(patient, parameters=PLAIN, **changed):
    return fingerprint(dataclasses.replace(patient.inputs, **changed), parameters, patient.grid)


def draw(patient, segment, where, value):
    """Draws into a segment as the segment editor would; ``where`` indexes ``[k, j, i]`` in LPS."""
    import slicer

    node, reference = patient.inputs.qsm_segmentation, patient.inputs.qsm
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, reference)
    held = sitk.GetImageFromArray(array)
    held.CopyInformation(volumes.image_of(reference))
    canonical = sitk.DICOMOrient(held, "LPS")
    edited = sitk.GetArrayFromImage(canonical)
    edited[where] = value
    drawn = sitk.GetImageFromArray(edited)
    drawn.CopyInformation(canonical)
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(held.GetDirection())
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(drawn, code))
    slicer.util.updateSegmentBinaryLabelmapFromArray(back, node, segment, reference)


def move(position, *by):
    """``position`` moved by that many mm (R, A, S)."""
    return (np.array(position) + by).tolist()


def brighten(node):
    import slicer

    slicer.util.arrayFromVolume(node)[5, 5, 5] += 1
    slicer.util.arrayFromVolumeModified(node)


# The red nucleus (row 44) and the nigra (row 38) in the blocks of report_helpers; the right one
# spans i 14-18, k 5-7.
RN_INSIDE = (6, 45, 16)
STN_BEYOND = (6, slice(32, 36), 12)
DN_ROWS = (slice(5, 8), slice(50, 54), slice(14, 34))


def patient_in(scene, folder, orientation: str) -> SimpleNamespace:
    """Volumes that lie one way, and their masks as segmentations; all with one content."""
    shown = images()
    nodes = {}
    for role, array in (("QSM", shown.qsm), ("NM", shown.nm)):
        path = folder / f"{role}.nrrd"
        sitk.WriteImage(sitk.DICOMOrient(image(array), orientation), str(path))
        nodes[role] = volumes.load(scene, path, role)
    for role, array in (("QSM", shown.qsm_mask), ("NM", shown.nm_mask)):
        path = folder / f"{role}_mask.nrrd"
        sitk.WriteImage(sitk.DICOMOrient(image(array), orientation), str(path))
        nodes[f"{role} mask"] = segmentations.show_mask(
            scene, path, role, nodes[role], f"{role} mask"
        )
    inputs = Inputs(nodes["QSM"], nodes["NM"], None, nodes["QSM mask"], nodes["NM mask"])
    grid = volumes.canonical_grid(nodes["QSM"])
    return SimpleNamespace(scene=scene, inputs=inputs, grid=grid, folder=folder)


def digital_patient(scene, case) -> SimpleNamespace:
    """A phantom's volumes and masks, read into a scene."""
    show = segmentations.show_mask
    qsm, nm = volumes.load(scene, case.qsm, "QSM"), volumes.load(scene, case.nm, "NM")
    masks = (
        show(scene, case.qsm_mask, "QSM", qsm, "QSM mask"),
        show(scene, case.nm_mask, "NM", nm, "NM mask"),
    )
    return SimpleNamespace(inputs=Inputs(qsm, nm, None, *masks), grid=volumes.canonical_grid(qsm))
