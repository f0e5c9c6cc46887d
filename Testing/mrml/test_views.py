"""Where slice views and cameras look, on MRML's own nodes; the application's views are not here."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from MRNDiagnosisLib import views


@pytest.fixture
def boxes(scene):
    """Two boxes of 20 × 10 × 4 mm that touch."""
    found = []
    for right in (0, 20):
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        node.SetCenter(right, 5, -7)
        node.SetSize(20, 10, 4)
        found.append(node)
    return found


@pytest.fixture
def manager(scene, monkeypatch):
    """A layout manager with an axial slice view and a 3-D view."""
    import slicer

    axial = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    axial.SetLayoutName("Red")
    axial.SetFieldOfView(300, 200, 1)
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    three_d = SimpleNamespace(mrmlViewNode=lambda: "view")
    made = SimpleNamespace(
        camera=camera,
        axial=axial,
        layers=[],
        sliceViewNames=lambda: ("Red",),
        sliceWidget=lambda name: SimpleNamespace(mrmlSliceNode=lambda: axial),
        threeDViewCount=1,
        threeDWidget=lambda number: three_d,
    )
    logic = SimpleNamespace(GetViewActiveCameraNode=lambda view: camera)
    cameras = SimpleNamespace(logic=lambda: logic)
    monkeypatch.setattr(slicer, "app", SimpleNamespace(layoutManager=lambda: made), raising=False)
    monkeypatch.setattr(slicer.modules, "cameras", cameras, raising=False)
    monkeypatch.setattr(
        slicer.util, "setSliceViewerLayers", lambda **layers: made.layers.append(layers), False
    )
    return made


def test_several_boxes_together(boxes):
    assert views.around(boxes) == pytest.approx([-10, 30, 0, 10, -9, -5])
    assert views.around([]) is None


def test_a_slice_view_is_centred_and_zoomed(boxes, manager):
    views.look_at("volume", views.around(boxes))
    width, height, _ = manager.axial.GetFieldOfView()
    assert width == pytest.approx(40 * views.ROOM)
    assert width / height == pytest.approx(300 / 200)
    place = manager.axial.GetSliceToRAS()
    assert [place.GetElement(row, 3) for row in range(3)] == pytest.approx([10, 5, -7])
    assert manager.layers == [{"background": "volume", "fit": True}]


def test_without_bounds_the_whole_volume_is_shown(manager):
    views.look_at("volume", None)
    views.show_volume("volume")
    assert manager.axial.GetFieldOfView()[0] == 300
    assert all(layers["fit"] for layers in manager.layers)


def test_a_camera_keeps_its_direction_and_sees_all(boxes, manager):
    before = manager.camera.GetCamera().GetDirectionOfProjection()
    views.centre_3d(views.around(boxes))
    assert manager.camera.GetFocalPoint() == pytest.approx((10, 5, -7))
    assert manager.camera.GetCamera().GetDirectionOfProjection() == pytest.approx(before)
    distance = math.dist(manager.camera.GetPosition(), (10, 5, -7))
    assert distance * math.sin(math.radians(manager.camera.GetViewAngle() / 2)) >= 20


def test_without_views_nothing_happens(boxes):
    views.show_volume(None)
    views.look_at(None, views.around(boxes))
    views.centre_3d(None)
