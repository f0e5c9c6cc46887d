"""A result is out of date when, and only when, its volumes, outlines or boxes have changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import SimpleITK as sitk
from edits import DN_ROWS, PLAIN, RN_INSIDE, STN_BEYOND, brighten, draw, image, move, of, patient_in
from MRNDiagnosisLib import freshness, results, rois, segmentations, volumes
from MRNDiagnosisLib.case import Inputs
from MRNDiagnosisLib.freshness import changes, fingerprint, recompute
from report_helpers import SPACING, examination, images

from MRNLib import geometry
from MRNLib.anatomy import ROI_NAMES
from MRNLib.boxes import Box
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters
from MRNLib.rois import boxes_from_masks


@pytest.fixture(params=["LPS", "RAS", "SRP"])
def patient(request, scene, tmp_path):
    """A patient whose volumes lie in three ways."""
    return patient_in(scene, tmp_path, request.param)


NOTHING = "Nothing changed: Diagnose gives the same result."


def test_boxes_are_those_of_a_run(patient):
    shown = images()
    expected = boxes_from_masks(shown.qsm_mask, shown.nm_mask, SPACING)
    assert of(patient).boxes == {name: str(roi.box) for name, roi in expected.items()}
    wide = boxes_from_masks(shown.qsm_mask, shown.nm_mask, SPACING, margin_mm=8.0)
    found = of(patient, Parameters(margin_mm=8.0)).boxes
    assert found == {name: str(roi.box) for name, roi in wide.items()}


@pytest.mark.parametrize("patient", ["LPS", "SRP"], indirect=True)
def test_nm_on_a_grid_of_its_own(patient):
    """Its mask is brought onto the QSM's grid, as in a run."""
    shown, nodes = images(), {}
    fine = sitk.Image([96, 128, 12], sitk.sitkUInt8)
    fine.SetSpacing((0.75, 0.75, 3.0))
    fine.SetOrigin((-36.375, -48.375, -18.0))
    for name, array in (("NM", shown.nm), ("mask", shown.nm_mask)):
        path = patient.folder / f"fine_{name}.nrrd"
        sitk.WriteImage(geometry.onto(image(array), fine, sitk.sitkNearestNeighbor), str(path))
        nodes[name] = path
    volume = volumes.load(patient.scene, nodes["NM"], "fine")
    mask = segmentations.show_mask(patient.scene, nodes["mask"], "NM", volume, "fine mask")
    found = of(patient, nm=volume, nm_segmentation=mask)
    assert found.boxes == of(patient).boxes
    assert found.masks == of(patient).masks


def test_how_an_array_lies_does_not_matter(patient):
    """A node made by a script may have left-handed axes; read from a file it never has."""
    import slicer
    import vtk

    before, qsm = of(patient), patient.inputs.qsm
    matrix, flip = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    qsm.GetIJKToRASMatrix(matrix)
    flip.SetElement(0, 0, -1)
    flip.SetElement(0, 3, qsm.GetImageData().GetDimensions()[0] - 1)
    vtk.vtkMatrix4x4.Multiply4x4(matrix, flip, matrix)
    array = slicer.util.arrayFromVolume(qsm)
    array[:] = array[:, :, ::-1].copy()
    qsm.SetIJKToRASMatrix(matrix)
    slicer.util.arrayFromVolumeModified(qsm)
    assert changes(before, of(patient)) == []


def test_nothing_changed(patient):
    before = of(patient)
    assert changes(before, of(patient)) == []
    assert recompute(before, of(patient)) == NOTHING
    elsewhere = Parameters(device="cpu", cache=Path("cache"))
    assert changes(before, of(patient, elsewhere)) == []


def test_edit_inside_a_box_encodes_nothing(patient):
    before = of(patient)
    draw(patient, "RN_R", RN_INSIDE, 0)
    now = of(patient)
    assert now.boxes == before.boxes
    assert changes(before, now) == ["The QSM mask was edited."]
    assert recompute(before, now) == "Reads no ROI with the model again. Measures the nuclei again."


def test_edit_that_moves_one_box_names_it_alone(patient):
    before = of(patient)
    draw(patient, "STN_R", STN_BEYOND, 1)
    draw(patient, "STN_R", (6, slice(32, 36), 13), 1)
    now = of(patient)
    assert changes(before, now) == ["The QSM mask was edited.", "QSM2: its box moved."]
    assert recompute(before, now) == (
        "Reads QSM2 with the model again; the other ROIs are kept. Measures the nuclei again."
    )


def test_nuclei_that_are_gone_need_no_encoding(patient):
    before = of(patient)
    draw(patient, "DN_R", DN_ROWS, 0)
    draw(patient, "DN_L", DN_ROWS, 0)
    now = of(patient)
    assert changes(before, now)[1:] == ["QSM3: its nuclei are missing now."]
    assert recompute(before, now) == "Reads no ROI with the model again. Measures the nuclei again."
    assert changes(now, before)[1:] == ["QSM3: its nuclei are there now."]
    assert recompute(now, before).startswith(
        "Reads QSM3 with the model again; the other ROIs are kept."
    )


@pytest.mark.parametrize(
    ("role", "encoded"), [("qsm", "QSM1, QSM2 and QSM3"), ("nm", "NM")], ids=["QSM", "NM"]
)
def test_changed_volume(patient, role, encoded):
    before = of(patient)
    brighten(getattr(patient.inputs, role))
    now = of(patient)
    assert changes(before, now) == [f"The {role.upper()} volume changed."]
    assert recompute(before, now) == (
        f"Reads {encoded} with the model again; the other ROIs are kept. Measures the nuclei again."
    )


def test_volume_that_was_moved(patient):
    before = of(patient)
    origin = patient.inputs.nm.GetOrigin()
    patient.inputs.nm.SetOrigin(*move(origin, 0, 0, 1e-5))
    assert changes(before, of(patient)) == []
    patient.inputs.nm.SetOrigin(*move(origin, 0, 0, 3))
    assert changes(before, of(patient))[0] == "The NM volume lies elsewhere."


def test_nm_is_brought_onto_the_qsm_so_it_is_encoded_too(patient):
    before = of(patient)
    patient.inputs.qsm.SetOrigin(*move(patient.inputs.qsm.GetOrigin(), 0, 0, 1))
    now = dataclasses.replace(of(patient), boxes=before.boxes, masks=before.masks)
    assert changes(before, now) == ["The QSM volume lies elsewhere."]
    assert recompute(before, now).startswith("Reads all four ROIs with the model again.")


def test_volume_that_is_added_and_marked(patient):
    before = of(patient)
    now = of(patient, t1=patient.inputs.nm)
    assert changes(before, now) == ["The T1 volume was chosen."]
    assert recompute(before, now).startswith("Reads no ROI with the model again.")
    patient.inputs.qsm.SetAttribute("MRN.Phantom", "1")
    assert changes(before, of(patient)) == ["The QSM is marked as a digital phantom."]
    assert recompute(before, of(patient)) == "Reads no ROI with the model again."


def test_name_and_display_do_not_matter(patient):
    before = of(patient)
    patient.inputs.qsm.SetName("another")
    patient.inputs.qsm.GetDisplayNode().SetVisibility(0)
    patient.inputs.qsm_segmentation.GetSegmentation().GetSegment("SN_R").SetColor(0, 0, 1)
    assert changes(before, of(patient)) == []


def test_dragged_box(patient):
    before = of(patient)
    boxes = {name: Box.parse(text) for name, text in before.boxes.items()}
    nodes = rois.show_boxes(patient.scene, boxes, patient.grid)
    assert changes(before, of(patient, roi_nodes=nodes)) == []
    center = nodes["QSM3"].GetCenter()
    nodes["QSM3"].SetCenter(*move(center, 0.4, 0, 0))  # less than half a voxel
    assert changes(before, of(patient, roi_nodes=nodes)) == []
    nodes["QSM3"].SetCenter(*move(center, 1.5, 0, 0))
    now = of(patient, roi_nodes={"QSM3": nodes["QSM3"]})
    assert changes(before, now) == ["QSM3: its box moved."]
    assert recompute(before, now) == "Reads QSM3 with the model again; the other ROIs are kept."
    nodes["QSM3"].SetCenter(500, 0, 0)
    with pytest.raises(InputError, match="outside"):
        of(patient, roi_nodes=nodes)


def test_masked_roi_is_a_change(patient):
    before, now = of(patient), of(patient, masked=("QSM1",))
    assert changes(before, now) == ["QSM1: it is left out now."]
    assert recompute(before, now) == "Reads no ROI with the model again."
    assert of(patient, Parameters(masked=("QSM1",))) == now
    assert changes(now, before) == ["QSM1: it is used now."]
    assert recompute(now, before) == "Reads QSM1 with the model again; the other ROIs are kept."


def test_another_margin_is_a_change(patient):
    before, now = of(patient), of(patient, Parameters(margin_mm=8.0))
    assert changes(before, now)[0] == "The margin around the nuclei was changed: 8 mm."
    assert changes(before, now)[1:] == [f"{name}: its box moved." for name in ROI_NAMES]
    assert recompute(before, now) == "Reads all four ROIs with the model again."
    same = of(patient, Parameters(margin_mm=5.0))
    assert recompute(before, same) == "Reads no ROI with the model again."
    own = fingerprint(patient.inputs, PLAIN, patient.grid, own_margin=(8.0, 1))
    assert own.boxes == now.boxes


def test_fingerprint_is_the_same_after_saving_and_reading(patient):
    nodes = results.show(patient.scene, examination())
    freshness.remember(nodes.text, of(patient))
    assert freshness.remembered(nodes.text) == of(patient)
    ids = {k: v.GetID() for k, v in vars(patient.inputs).items() if hasattr(v, "GetID")}
    path = str(patient.folder / "scene.mrb")
    assert patient.scene.WriteToMRB(path, None)
    patient.scene.Clear(0)
    assert patient.scene.ReadFromMRB(path, True, None)
    again = Inputs(**{k: patient.scene.GetNodeByID(v) for k, v in ids.items()})
    now = fingerprint(again, PLAIN, volumes.canonical_grid(again.qsm))
    assert changes(freshness.remembered(results.find(patient.scene)), now) == []


def test_text_that_is_no_fingerprint(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTextNode")
    assert freshness.remembered(node) is None
    for text in ("no JSON", "[]", '{"volumes": {}}'):
        node.SetAttribute(results.FINGERPRINT, text)
        assert freshness.remembered(node) is None
