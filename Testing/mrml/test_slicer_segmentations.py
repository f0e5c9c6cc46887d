"""Masks as segmentations of a real scene, and back: to the last voxel, or with an error."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs.grids import resampled
from bad_inputs.patient import sound
from MRNDiagnosisLib.segmentations import (
    mask_of,
    read_onto,
    show_mask,
    write_mask,
)
from MRNDiagnosisLib.terminology import CONTEXT
from MRNDiagnosisLib.volumes import image_of, load
from scenes import LYING, assert_same_in_space, cube, new_transform, write_patient

from MRNLib.anatomy import NUCLEI_BY_MODALITY, SIDE_CODES, SIDES, nucleus
from MRNLib.errors import InputError
from MRNLib.images import read_volume
from MRNLib.masks import read_mask


@pytest.fixture
def shown(scene, tmp_path):
    """A patient's QSM with its mask as a segmentation."""
    paths = write_patient(tmp_path)
    reference = load(scene, paths["qsm"], "QSM")
    return show_mask(scene, paths["qsm_mask"], "QSM", reference, "QSM nuclei"), reference


def values(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


@pytest.mark.parametrize("modality", ["QSM", "NM"])
@pytest.mark.parametrize("lying", LYING)
def test_a_mask_survives_the_way_through_a_segmentation(scene, tmp_path, lying, modality):
    paths = write_patient(tmp_path, lying)
    reference = load(scene, paths[modality.lower()], modality)
    file = paths[f"{modality.lower()}_mask"]
    node = show_mask(scene, file, modality, reference, "nuclei")
    assert node.GetDescription() is None or node.GetDescription() == ""
    mask = mask_of(node, modality, reference)
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert_same_in_space(sitk.ReadImage(str(file)), mask)
    assert mask.GetOrigin() == image_of(reference).GetOrigin()
    assert mask.GetDirection() == image_of(reference).GetDirection()
    # What a run reads of it is what it would have read of the file, to the last voxel.
    written = write_mask(node, modality, reference, tmp_path / "out" / "mask.nrrd")
    volume = read_volume(paths[modality.lower()], modality)
    (before, _), (after, notes) = (read_mask(path, modality, volume) for path in (file, written))
    assert (values(before) == values(after)).all()
    assert notes == ()


def test_right_is_the_patients_right(shown):
    node, _ = shown
    for item in NUCLEI_BY_MODALITY["QSM"]:
        right, left = (node.GetSegmentCenterRAS(f"{item.key}_{side}")[0] for side in SIDES)
        assert right > left  # R of RAS grows to the patient's right


def test_an_edited_segment_comes_back_voxel_for_voxel(shown):
    import slicer

    node, reference = shown
    before = values(mask_of(node, "QSM", reference))
    cube(node, "SN_R", reference, (2, 60, 5))
    erased = np.zeros(before.shape, np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(erased, node, "DN_L", reference)
    expected = np.where(before == nucleus("DN").left, 0, before)
    expected[2:5, 60:63, 5:8] = nucleus("SN").right
    assert (values(mask_of(node, "QSM", reference)) == expected).all()


def test_where_segments_overlap_the_later_one_wins(shown):
    node, reference = shown
    for identifier in ("RN_R", "CN_L"):
        cube(node, identifier, reference, (2, 60, 5))
    mask = values(mask_of(node, "QSM", reference))
    assert (mask[2:5, 60:63, 5:8] == nucleus("RN").right).all()


def test_segments_have_names_colours_and_codes(shown):
    import slicer

    node, reference = shown
    segments = node.GetSegmentation()
    assert segments.GetNumberOfSegments() == 16
    for item in NUCLEI_BY_MODALITY["QSM"]:
        for side, word in (("R", "right"), ("L", "left")):
            segment = segments.GetSegment(f"{item.key}_{side}")
            assert segment.GetName() == f"{item.name} {word}"
            assert np.allclose(np.array(segment.GetColor()) * 255, item.color)
            term = slicer.vtkSlicerTerminologyEntry()
            logic = slicer.vtkSlicerTerminologiesModuleLogic
            assert logic.DeserializeTerminologyEntry(segment.GetTerminology(), term)
            assert term.GetTerminologyContextName() == CONTEXT
            assert term.GetTypeObject().GetCodeValue() == item.snomed
            assert term.GetTypeModifierObject().GetCodeValue() == SIDE_CODES[side]
            assert term.GetTypeModifierObject().GetCodingSchemeDesignator() == "SCT"
    display = node.GetDisplayNode()
    assert (display.GetVisibility2DOutline(), display.GetVisibility2DFill()) == (1, 0)
    assert not segments.ContainsRepresentation("Closed surface")
    # One label map holds all segments: they were filled in one pass.
    assert segments.GetNumberOfLayers("Binary labelmap") == 1
    assert node.GetNodeReference("referenceImageGeometryRef") is reference


def test_the_segmentation_lies_under_the_study_of_its_volume(scene, tmp_path):
    import slicer

    paths = write_patient(tmp_path)
    reference = load(scene, paths["qsm"], "QSM")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, reference)
    node = show_mask(scene, paths["qsm_mask"], "QSM", reference, "nuclei")
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    other = load(scene, paths["nm"], "NM")
    show_mask(scene, paths["nm_mask"], "NM", other, "NM", into=node)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    assert parent == hierarchy.GetSceneItemID()


def test_a_mask_can_replace_the_segments_of_a_node(scene, shown, tmp_path):
    node, reference = shown
    cube(node, "SN_R", reference, (2, 60, 5))
    count = scene.GetNumberOfNodes()
    again = show_mask(scene, tmp_path / "QSM_mask.nii.gz", "QSM", reference, "", into=node)
    assert again is node
    assert scene.GetNumberOfNodes() == count
    assert node.GetName() == "QSM nuclei"
    expected = sitk.ReadImage(str(tmp_path / "QSM_mask.nii.gz"))
    assert_same_in_space(expected, mask_of(node, "QSM", reference))


def test_reading_masks_back_leaves_no_nodes_behind(scene, shown):
    node, reference = shown
    count = scene.GetNumberOfNodes()
    mask_of(node, "QSM", reference)
    assert scene.GetNumberOfNodes() == count


def test_a_mask_on_another_grid_is_shown_with_the_librarys_note(scene, tmp_path):
    patient = sound()
    coarse = resampled(patient.image("qsm_mask"), 1.05, sitk.sitkNearestNeighbor)
    paths = patient.write(tmp_path, qsm_mask=coarse)
    reference = load(scene, paths["qsm"], "QSM")
    node = show_mask(scene, paths["qsm_mask"], "QSM", reference, "nuclei")
    assert "resampled (nearest label) on the grid of QSM" in node.GetDescription()
    mask, _ = read_mask(paths["qsm_mask"], "QSM", read_volume(paths["qsm"], "QSM"))
    assert_same_in_space(mask, mask_of(node, "QSM", reference))


def test_a_mask_that_is_none_leaves_the_scene_as_it_was(scene, shown, tmp_path):
    node, reference = shown
    before = values(mask_of(node, "QSM", reference))
    patient = sound()
    swapped = np.where(patient.nm_mask > 0, 3 - patient.nm_mask, 0).astype(np.uint8)
    bad = {
        "labels found": (patient.qsm_mask, {}),
        "mask is empty": (np.zeros_like(swapped), {}),
        "left": (swapped, {}),
    }
    count = scene.GetNumberOfNodes()
    for number, (said, (array, options)) in enumerate(bad.items()):
        path = patient.but(nm_mask=array).write(tmp_path / str(number))["nm_mask"]
        for into in (None, node):
            with pytest.raises(InputError, match=said):
                show_mask(scene, path, "NM", reference, "bad", into=into, **options)
    assert scene.GetNumberOfNodes() == count
    assert (values(mask_of(node, "QSM", reference)) == before).all()
    mask, notes = read_onto(path, "NM", reference, swap_sides=True)
    assert_same_in_space(patient.image("nm_mask"), mask)
    assert "exchanged on request" in notes[0]


def test_segments_drawn_by_hand_are_known_by_name_or_code(scene, shown):
    import slicer

    _, reference = shown
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    segmentation = node.GetSegmentation()
    names = ("Right substantia nigra", "RN_L", "Segment_3", "Something else")
    for number, name in enumerate(names):
        identifier = segmentation.AddEmptySegment("", name)
        if number < 3:
            cube(node, identifier, reference, (2 + 3 * number, 60, 5))
    third = segmentation.GetNthSegment(2)
    third.SetTerminology(
        "Any list~SCT^123037004^Anatomical Structure~SCT^89278009^Putamen~SCT^7771000^Left~~^^~^^"
    )
    mask = values(mask_of(node, "QSM", reference))
    labels = [nucleus("SN").right, nucleus("RN").left, nucleus("PUT").left]
    assert [mask[2 + 3 * n, 60, 5] for n in range(3)] == labels
    assert np.count_nonzero(mask) == 3 * 27
    cube(node, segmentation.GetNthSegmentID(3), reference, (20, 60, 5))
    with pytest.raises(InputError, match=r"'drawn' has segments .*: 'Something else'") as error:
        mask_of(node, "QSM", reference)
    assert "'DN right'" in error.value.expected
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    assert not values(mask_of(empty, "QSM", reference)).any()
    empty.GetSegmentation().AddSegment(slicer.vtkSegment(), "SN_R")
    assert not values(mask_of(empty, "QSM", reference)).any()


def test_a_surface_becomes_voxels(shown, scene):
    import vtk

    _, reference = shown
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surface")
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    middle = image_of(reference).TransformIndexToPhysicalPoint((30, 30, 15))
    ball = vtk.vtkSphereSource()
    ball.SetCenter(-middle[0], -middle[1], middle[2])
    ball.SetRadius(6)
    ball.SetThetaResolution(40)
    ball.SetPhiResolution(40)
    ball.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), "SN left", [1, 0, 0])
    mask = values(mask_of(node, "QSM", reference))
    assert mask[15, 30, 30] == nucleus("SN").left
    volume = np.count_nonzero(mask) * np.prod(reference.GetSpacing())
    assert volume == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.1)


def test_the_segmentation_of_the_other_mask_is_refused(shown):
    node, reference = shown
    with pytest.raises(InputError, match="no nuclei of the NM mask: 'Caudate nucleus right'"):
        mask_of(node, "NM", reference)


def test_a_transform_is_refused(shown, scene):
    node, reference = shown
    node.SetAndObserveTransformNodeID(new_transform(scene).GetID())
    with pytest.raises(InputError, match="'QSM nuclei' lies under the transform"):
        mask_of(node, "QSM", reference)


def test_a_saved_scene_keeps_the_segmentation(scene, shown, tmp_path):
    import slicer

    node, reference = shown
    cube(node, "SN_R", reference, (2, 60, 5))
    before = mask_of(node, "QSM", reference)
    term = node.GetSegmentation().GetSegment("STN_L").GetTerminology()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    node, reference = slicer.util.getNode("QSM nuclei"), slicer.util.getNode("QSM")
    assert_same_in_space(before, mask_of(node, "QSM", reference))
    segment = node.GetSegmentation().GetSegment("STN_L")
    assert segment.GetName() == "Subthalamic nucleus left"
    assert segment.GetTerminology() == term
    assert node.GetNodeReference("referenceImageGeometryRef") is reference
