from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from bad_inputs.patient import rois_of
from MRNDiagnosisLib.rois import box_of, find_nodes, set_box, show_boxes
from MRNDiagnosisLib.volumes import canonical_grid, load
from scenes import LYING, new_transform, write_patient

from MRNLib.anatomy import ROI_NAMES
from MRNLib.boxes import Box
from MRNLib.cases import Case, load_case
from MRNLib.errors import InputError
from MRNLib.geometry import Grid

BOX = Box((10, 12, 5), (30, 40, 11))


@pytest.fixture
def grid(scene, tmp_path) -> Grid:
    return canonical_grid(load(scene, write_patient(tmp_path)["qsm"], "QSM"))


@pytest.mark.parametrize("lying", LYING)
def test_boxes_come_back_exactly(scene, tmp_path, lying):
    paths = write_patient(tmp_path, lying)
    images = load_case(Case("P", **paths))
    boxes = {name: roi.box for name, roi in rois_of(images).items()}
    grid = canonical_grid(load(scene, paths["qsm"], "QSM"))
    nodes = show_boxes(scene, boxes, grid)
    assert tuple(nodes) == ROI_NAMES
    assert {name: box_of(node, grid) for name, node in nodes.items()} == boxes
    edge = Box((0, 0, 0), grid.size)
    set_box(nodes["NM"], edge, grid)
    assert box_of(nodes["NM"], grid) == edge
    one = Box((3, 4, 5), (4, 5, 6))
    set_box(nodes["NM"], one, grid)
    assert box_of(nodes["NM"], grid) == one


@pytest.mark.parametrize("lying", LYING)
def test_a_box_lies_around_its_voxels_in_the_patient(scene, tmp_path, lying):
    images = load_case(Case("P", **write_patient(tmp_path, lying)))
    grid = Grid.of(images.qsm.image)
    node = show_boxes(scene, {"QSM2": BOX}, grid)["QSM2"]
    assert list(node.GetSize()) == pytest.approx(np.array(BOX.size) * grid.spacing)
    # By SimpleITK: voxels just inside the corners are in the node, their neighbours are not.
    for corner in np.ndindex(2, 2, 2):
        pick = np.array(corner)
        inside = np.where(pick, np.array(BOX.upper) - 1, BOX.lower)
        for index, expected in ((inside, True), (inside + np.where(pick, 1, -1), False)):
            lps = images.qsm.image.TransformIndexToPhysicalPoint([int(n) for n in index])
            assert bool(node.IsPointInROIWorld((-lps[0], -lps[1], lps[2]))) is expected


def test_an_upright_box_is_not_turned(scene, grid):
    node = show_boxes(scene, {"NM": BOX}, grid)["NM"]
    matrix = node.GetObjectToNodeMatrix()
    axes = np.array([[matrix.GetElement(i, j) for j in range(3)] for i in range(3)])
    assert np.allclose(axes, np.eye(3))
    assert not node.GetDisplayNode().GetRotationHandleVisibility()
    middle = (np.array(BOX.lower) + BOX.upper - 1) / 2
    lps = grid.matrix() @ middle + grid.origin
    assert node.GetCenter() == pytest.approx((-lps[0], -lps[1], lps[2]))


def test_a_dragged_box_snaps_to_the_nearest_voxel_faces(scene, grid):
    node = show_boxes(scene, {"NM": BOX}, grid)["NM"]
    right, anterior, superior = node.GetCenter()
    x, _, z = grid.spacing
    node.SetCenter(right - 2.4 * x, anterior, superior + 0.6 * z)
    # i grows to the left, k upwards.
    assert box_of(node, grid) == BOX.shift((2, 0, 1))
    set_box(node, box_of(node, grid), grid)
    assert box_of(node, grid) == BOX.shift((2, 0, 1))
    size = node.GetSize()
    node.SetSize(size[0] + 2 * x, size[1], size[2] - 0.4 * z)
    assert box_of(node, grid) == BOX.shift((2, 0, 1)).expand((1, 0, 0))


def test_a_box_thinner_than_a_voxel_keeps_one(scene, grid):
    node = show_boxes(scene, {"NM": Box((10, 12, 5), (11, 13, 6))}, grid)["NM"]
    node.SetSize(0.1, 0.1, 0.1)
    assert box_of(node, grid) == Box((10, 12, 5), (11, 13, 6))


def test_a_box_is_cut_at_the_edge_of_the_volume(scene, grid):
    node = show_boxes(scene, {"NM": BOX}, grid)["NM"]
    right, anterior, superior = node.GetCenter()
    node.SetCenter(right + 15 * grid.spacing[0], anterior, superior)
    assert box_of(node, grid) == Box((0, 12, 5), (15, 40, 11))


def test_a_box_that_is_not_in_the_volume_is_refused(scene, grid):
    node = show_boxes(scene, {"NM": BOX}, grid)["NM"]
    node.SetCenter(500, 0, 0)
    with pytest.raises(InputError, match="'MRN NM' lies outside the QSM volume"):
        box_of(node, grid)
    empty = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "new")
    with pytest.raises(InputError, match="'new' is not placed yet"):
        box_of(empty, grid)


def test_a_turned_box_gives_the_box_around_it(scene, grid):
    import vtk

    node = show_boxes(scene, {"NM": BOX}, grid)["NM"]
    turn = vtk.vtkTransform()
    turn.Translate(*node.GetCenter())
    turn.RotateZ(90)
    node.SetAndObserveObjectToNodeMatrix(turn.GetMatrix())
    i, j, k = box_of(node, grid).size
    assert (i, j, k) == (BOX.size[1], BOX.size[0], BOX.size[2])


def test_boxes_already_there_are_moved_and_others_removed(scene, grid):
    first = show_boxes(scene, {"NM": BOX, "QSM3": BOX}, grid)
    other = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "MRN NM")  # somebody else's
    count = scene.GetNumberOfNodes()
    moved = BOX.shift((3, 0, 0))
    second = show_boxes(scene, {"NM": moved}, grid)
    assert second == {"NM": first["NM"]}
    assert box_of(second["NM"], grid) == moved
    assert find_nodes(scene) == second
    assert scene.GetNumberOfNodes() == count - 2  # the node and its display node
    assert other.GetScene() is scene


def test_a_transform_is_refused(scene, grid):
    node = show_boxes(scene, {"NM": BOX}, grid)["NM"]
    node.SetAndObserveTransformNodeID(new_transform(scene).GetID())
    for use in (lambda: box_of(node, grid), lambda: set_box(node, BOX, grid)):
        with pytest.raises(InputError, match="'MRN NM' lies under the transform"):
            use()


def test_boxes_are_in_a_saved_scene(scene, grid, tmp_path):
    tilted = Grid.of(sitk.DICOMOrient(grid.empty(), "LPS"))
    show_boxes(scene, {"NM": BOX, "QSM1": BOX.shift((1, 2, 3))}, tilted)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    nodes = find_nodes(scene)
    assert {name: box_of(node, tilted) for name, node in nodes.items()} == {
        "NM": BOX,
        "QSM1": BOX.shift((1, 2, 3)),
    }
