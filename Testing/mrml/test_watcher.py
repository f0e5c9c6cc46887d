"""The watcher calls once for an edit that a result depends on, and leaves nothing behind."""

from __future__ import annotations

import gc
import weakref

import pytest
from edits import STN_BEYOND, brighten, draw, of, patient_in
from MRNDiagnosisLib import freshness, rois
from MRNDiagnosisLib.freshness import Watcher

from MRNLib.boxes import Box


@pytest.fixture(params=["LPS"])
def patient(request, scene, tmp_path):
    return patient_in(scene, tmp_path, request.param)


@pytest.fixture
def watched(patient):
    """A watcher of the patient's nodes and a dragged box, and its calls."""
    boxes = {"QSM2": Box.parse(of(patient).boxes["QSM2"])}
    patient.inputs.roi_nodes = rois.show_boxes(patient.scene, boxes, patient.grid)
    patient.calls = []
    patient.watcher = Watcher(lambda: patient.calls.append(1))
    patient.watcher.watch(freshness.involved(patient.inputs))
    yield patient
    patient.watcher.release()


MODIFICATIONS = {
    "voxels": lambda p: brighten(p.inputs.nm),
    "place": lambda p: p.inputs.qsm.SetOrigin(1, 2, 3),
    "brush": lambda p: draw(p, "STN_R", STN_BEYOND, 1),
    "segment removed": lambda p: p.inputs.qsm_segmentation.GetSegmentation().RemoveSegment("RN_L"),
    "segment renamed": lambda p: (
        p.inputs.nm_segmentation.GetSegmentation().GetNthSegment(0).SetName("other")
    ),
    "box moved": lambda p: p.inputs.roi_nodes["QSM2"].SetCenter(0, 0, 0),
    "box resized": lambda p: p.inputs.roi_nodes["QSM2"].SetSize(9, 9, 9),
    "volume removed": lambda p: p.scene.RemoveNode(p.inputs.nm),
    "phantom": lambda p: p.inputs.qsm.SetAttribute("MRN.Phantom", "1"),
}


@pytest.mark.parametrize("what", MODIFICATIONS)
def test_watcher_calls_exactly_once(watched, what):
    MODIFICATIONS[what](watched)
    assert watched.calls == [1]
    brighten(watched.inputs.qsm)
    draw(watched, "STN_R", STN_BEYOND, 0)
    assert watched.calls == [1]
    assert not watched.watcher.watching
    watched.watcher.watch(freshness.involved(watched.inputs))
    assert watched.calls == [1]
    brighten(watched.inputs.qsm)
    brighten(watched.inputs.qsm)
    assert watched.calls == [1, 1]


def test_watcher_ignores_what_does_not_matter(watched):
    qsm, outlines = watched.inputs.qsm, watched.inputs.qsm_segmentation
    qsm.SetName("another")
    qsm.Modified()
    qsm.GetDisplayNode().SetAutoWindowLevel(0)
    qsm.GetDisplayNode().SetWindowLevel(5, 5)
    outlines.GetSegmentation().GetSegment("SN_R").SetColor(0, 0, 1)
    outlines.GetDisplayNode().SetVisibility(False)
    outlines.CreateClosedSurfaceRepresentation()
    watched.inputs.roi_nodes["QSM2"].GetDisplayNode().SetVisibility(False)
    watched.inputs.roi_nodes["QSM2"].SetLocked(True)
    watched.scene.AddNewNodeByClass("vtkMRMLTextNode")
    watched.scene.RemoveNode(watched.scene.GetFirstNodeByClass("vtkMRMLTextNode"))
    assert watched.calls == []
    assert watched.watcher.watching


def test_transform_counts_for_the_watcher(watched):
    transform = watched.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    watched.inputs.nm.SetAndObserveTransformNodeID(transform.GetID())
    assert watched.calls == [1]
    watched.watcher.watch(freshness.involved(watched.inputs))
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 5.0)
    transform.SetMatrixTransformToParent(matrix)
    assert watched.calls == [1, 1]


def test_watcher_leaves_nothing_behind(watched):
    import vtk

    calls, nodes = watched.calls, freshness.involved(watched.inputs)
    watched.watcher.release()
    watched.watcher.release()
    brighten(nodes[0])
    assert calls == []
    # A watcher that is dropped stops by itself, and nothing holds it.
    dropped = Watcher(lambda: calls.append(2))
    dropped.watch([*nodes, None])
    gone = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert gone() is None
    brighten(nodes[0])
    assert calls == []
    # A node that leaves the scene is not kept.
    watched.watcher.watch(nodes)
    weak = vtk.vtkWeakReference()
    weak.Set(watched.inputs.nm)
    watched.scene.RemoveNode(watched.inputs.nm)
    watched.inputs.nm = None
    del nodes
    gc.collect()
    assert calls == [1]
    assert weak.Get() is None


def test_closing_the_scene_is_reported_once(watched):
    watched.scene.Clear(0)
    assert watched.calls == [1]
    assert not watched.watcher.watching
