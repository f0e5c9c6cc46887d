"""A session's result, and what is changed after it: outlines, boxes, settings, the scene."""

from __future__ import annotations

import dataclasses

import numpy as np
import SimpleITK as sitk
from MRNDiagnosisLib import rois, volumes, work
from MRNDiagnosisLib.session import Session
from scenes import cube
from session_helpers import masks_of, state, text, written


def test_edit_inside_a_box(session, diagnosed):
    node, volume = session.chosen.qsm_segmentation, session.chosen.qsm
    index = np.argwhere(sitk.GetArrayFromImage(sitk.ReadImage(str(diagnosed.qsm_mask))) == 11)[0]
    cube(node, "SN_R", volume, tuple(index), 2)
    session.look()
    assert session.changes == ("The QSM mask was edited.",)
    assert "Reads no ROI with the model again." in session.recompute
    assert "out of date" in text(session, "freshnessLabel")
    assert text(session, "headlineLabel").startswith("Out of date")


def test_box_set_by_hand(session, diagnosed, runner, tmp_path):
    node = rois.find_nodes(session.scene)["QSM2"]
    right, anterior, superior = node.GetCenter()
    node.SetCenter(right + 4, anterior, superior)
    session.look()
    assert session.changes == ("QSM2: its box moved.",)
    assert session.recompute == "Reads QSM2 with the model again; the other ROIs are kept."
    assert [roi.name for roi in session.rois if roi.by_hand] == ["QSM2"]
    work.diagnose(session)
    assert runner.option("roi").startswith("QSM2=")
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(diagnosed))
    assert session.changes == ()

    def displays():
        return session.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsDisplayNode")

    shown = displays()
    session.reset_boxes()
    assert displays() == shown
    assert session.changes == ("QSM2: its box moved.",)
    assert not any(roi.by_hand for roi in session.rois)


def test_roi_switched_off(session, diagnosed, runner):
    session.chosen.use_qsm3 = False
    session.look()
    assert session.changes == ("QSM3: it is left out now.",)
    work.diagnose(session)
    assert runner.option("mask-roi") == "QSM3"


def test_edit_while_it_runs_makes_the_result_out_of_date(session, outlined, runner, tmp_path):
    work.diagnose(session)
    session.chosen.tta = True
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(outlined))
    assert session.changes == ("Averaging with the mirrored image was switched on.",)


def test_result_of_a_saved_scene(session, diagnosed, scene, runner):
    again = Session(scene, session.folder.parent / "other", runner)
    again.choose(dataclasses.replace(session.chosen))
    assert again.result == session.result
    assert again.changes == ()
    assert not again.has_files()
    node = rois.find_nodes(scene)["NM"]
    node.SetCenter(*(value + 3 for value in node.GetCenter()))
    again.look()
    assert again.recompute == "Reads all four ROIs with the model again."
    again.choose(None)


def test_scene_that_is_read_into_the_same_parameter_node(session, diagnosed, scene, tmp_path):
    """Slicer's parameter node stays the same one when a scene is read."""
    from MRNDiagnosisLib import results

    kept = session.nodes.text
    shown = session.result
    scene.RemoveNode(kept)
    session.choose(session.chosen)
    assert session.result is None
    results.show(scene, shown)
    session.choose(session.chosen)
    assert session.result == shown


def test_outlines_of_another_patient_are_refused(session, diagnosed):
    other = volumes.load(session.scene, diagnosed.qsm, "Other QSM")
    session.chosen.qsm = other
    session.look()
    assert "drawn on 'QSM', not on 'Other QSM'" in text(session, "nucleiLabel")
    session.check()
    assert not state(session).buttons["diagnoseButton"].enabled
