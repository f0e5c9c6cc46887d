"""An examination in a real scene, with a fake program: choose, segment, diagnose, cancel."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from MRNDiagnosisLib import rois, volumes, work
from report_helpers import examination
from session_helpers import masks_of, state, text, written


def test_nothing_chosen(session):
    assert not state(session).buttons["segmentButton"].enabled
    session.check()
    assert session.checked is None


def test_volumes_are_looked_at_once(session, patient):
    assert "Looking at" in text(session, "inputsLabel")
    session.check()
    assert "The grids fit" in text(session, "inputsLabel")
    first = session.checked
    session.check()
    assert session.checked is first


def test_swapped_volumes_are_said_and_exchanged(session, patient):
    work.swap(session)
    session.check()
    assert "swapped" in text(session, "inputsLabel")
    assert not state(session).buttons["diagnoseButton"].enabled
    work.swap(session)
    session.check()
    assert "The grids fit" in text(session, "inputsLabel")


def test_same_volume_twice(session, patient):
    session.chosen.nm = session.chosen.qsm
    session.check()
    assert "same volume" in text(session, "inputsLabel")


def test_volumes_are_chosen_by_name(session, phantom_case):
    for name, path in (("T1", phantom_case.t1), ("sub-1_NM", phantom_case.nm)):
        volumes.load(session.scene, path, name)
    work.preselect(session)
    assert session.chosen.qsm is None
    assert session.chosen.nm.GetName() == "sub-1_NM"


def test_volumes_of_two_patients_are_not_mixed(session, phantom_case):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.scene)
    roles = {"QSM": phantom_case.qsm, "NM": phantom_case.nm}
    nodes = {
        (patient, role): volumes.load(session.scene, path, f"{patient} {role}")
        for patient in ("A", "B")
        for role, path in roles.items()
    }
    work.preselect(session)
    assert (session.chosen.qsm, session.chosen.nm) == (None, None)
    for patient in ("A", "B"):
        item = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), f"Patient {patient}")
        study = hierarchy.CreateStudyItem(item, "study")
        for role in roles:
            hierarchy.CreateItem(study, nodes[patient, role])
    work.preselect(session)
    assert session.chosen.qsm is None
    session.scene.RemoveNode(nodes["B", "QSM"])
    work.preselect(session)
    assert session.chosen.qsm is nodes["A", "QSM"]
    assert session.chosen.nm is nodes["A", "NM"]
    session.check()
    assert "cannot be checked" in text(session, "inputsLabel")
    session.chosen.nm = nodes["B", "NM"]
    session.check()
    assert "'B NM' is of the patient 'Patient B'" in text(session, "inputsLabel")
    assert state(session).lines["inputsLabel"].kind == "warning"


def test_segment(session, patient, runner):
    work.segment(session)
    assert runner.started[0][0] == "segment"
    assert runner.option("qsm") == str(patient.qsm)
    assert Path(runner.option("cache")) == session.cache
    runner.event("progress", fraction=0.5, message="Segmenting QSM")
    assert text(session, "statusLabel") == "Segmenting QSM"
    assert state(session).progress == 50
    assert not state(session).buttons["diagnoseButton"].enabled
    runner.finish_with(masks_of(patient))
    chosen = session.chosen
    assert chosen.qsm_segmentation.GetSegmentation().GetNumberOfSegments() == 16
    assert chosen.nm_segmentation.GetSegmentation().GetNumberOfSegments() == 2
    assert set(rois.find_nodes(session.scene)) == {"NM", "QSM1", "QSM2", "QSM3"}
    assert [roi.name for roi in session.rois] == ["NM", "QSM1", "QSM2", "QSM3"]
    assert all(roi.slices and not roi.by_hand for roi in session.rois)


def test_segment_again_replaces_the_outlines(session, outlined, runner):
    before = session.chosen.qsm_segmentation
    work.segment(session)
    runner.finish_with(masks_of(outlined))
    assert session.chosen.qsm_segmentation is before
    assert session.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2


def test_diagnose(session, outlined, runner, tmp_path):
    work.diagnose(session)
    assert runner.started[-1][0] == "diagnose"
    assert runner.option("qsm-mask").endswith("QSM_mask.nrrd")
    assert runner.option("roi") is None
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(outlined))
    assert session.result == examination(phantom=True)
    assert session.changes == ()
    assert session.has_files()
    assert "P(PD) = 0.80" in text(session, "headlineLabel")
    assert text(session, "freshnessLabel") == ""
    assert state(session).buttons["reportButton"].enabled


def test_outlines_and_result_lie_under_the_study(session, patient, runner, tmp_path):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    for volume in (session.chosen.qsm, session.chosen.nm):
        hierarchy.CreateItem(study, volume)
    work.diagnose(session)
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(patient))
    chosen, nodes = session.chosen, session.nodes
    made = [chosen.qsm_segmentation, chosen.nm_segmentation, nodes.text, nodes.chart, nodes.rois]
    items = [hierarchy.GetItemByDataNode(node) for node in made]
    assert {hierarchy.GetItemParent(item) for item in items} == {study}


def test_diagnose_draws_what_is_missing(session, patient, runner, tmp_path):
    work.diagnose(session)
    assert runner.option("qsm-mask") is None
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(patient))
    assert session.chosen.qsm_segmentation is not None
    assert session.chosen.nm_segmentation is not None
    assert session.changes == ()


def test_failure_leaves_the_scene_as_it_was(session, outlined, runner):
    before = session.scene.GetNumberOfNodes()
    work.diagnose(session)
    runner.event("error", text="QSM.nrrd: holds NaN")
    runner.finish(2)
    assert text(session, "statusLabel") == "QSM.nrrd: holds NaN"
    assert state(session).lines["statusLabel"].kind == "error"
    assert session.scene.GetNumberOfNodes() == before
    assert session.result is None


def test_cancel_leaves_the_scene_as_it_was(session, outlined, runner):
    before = session.scene.GetNumberOfNodes()
    work.diagnose(session)
    session.runs.cancel()
    assert Path(runner.option("cancel-file")).exists()
    assert text(session, "statusLabel") == "Cancelling …"
    assert not state(session).buttons["cancelButton"].enabled
    runner.finish(130)
    assert "Cancelled" in text(session, "statusLabel")
    assert session.scene.GetNumberOfNodes() == before


def test_closing_the_scene_cancels_and_forgets(session, outlined, runner, tmp_path):
    work.diagnose(session)
    runner.event("warning", text="ROI NM: stray voxels")
    session.choose(None)
    assert session.runs.notes == ()
    assert Path(runner.option("cancel-file")).exists()
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(outlined))
    assert session.result is None
    assert not state(session).buttons["diagnoseButton"].enabled


@pytest.mark.parametrize("task", ["batch", "bundle", "sample", "setup"])
def test_closing_the_scene_leaves_what_has_nothing_to_do_with_it(session, patient, task):
    class Work:
        stopped = False

        def cancel(self):
            self.stopped = True

    running = Work()
    session.runs.begin(task, running)
    session.choose(None)
    assert not running.stopped
    assert session.runs.task == task


def test_mask_that_is_none_is_refused(session, patient):
    before = session.scene.GetNumberOfNodes()
    work.import_mask(session, "QSM", patient.t1)
    assert state(session).lines["statusLabel"].kind == "error"
    assert session.scene.GetNumberOfNodes() == before
    work.import_mask(session, "QSM", patient.qsm_mask)
    assert session.chosen.qsm_segmentation is not None
    assert text(session, "statusLabel") == ""


def test_bad_setting_is_said(session, outlined, runner):
    session.chosen.folds = "first"
    before = len(runner.started)
    work.diagnose(session)
    assert "not a list of folds" in text(session, "statusLabel")
    assert len(runner.started) == before


def test_a_newer_wrapper_of_the_same_node_takes_the_place_of_the_older(
    session, patient, runner, scene
):
    """Slicer's wrappers keep what they read first, and a scene is read node by node."""
    older, newer = session.chosen, dataclasses.replace(session.chosen)
    for wrapper in (older, newer):
        wrapper.__dict__["parameterNode"] = scene
    work.segment(session)
    session.choose(newer)
    assert session.chosen is newer
    runner.finish_with(masks_of(patient))
    assert newer.qsm_segmentation is not None
