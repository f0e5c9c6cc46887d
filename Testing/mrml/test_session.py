"""An examination in a real scene, with a fake program: choose, segment, diagnose, edit, cancel."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MRNDiagnosisLib import review, rois, volumes, work
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.volumes import canonical_grid
from report_helpers import examination
from scenes import cube
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


def test_review(session, outlined, tmp_path, monkeypatch):
    from MRNLib import cases

    read, load = [], cases.load_case
    monkeypatch.setattr(cases, "load_case", lambda *given, **o: read.append(1) or load(*given, **o))
    drawing = review.Pictures(session, tmp_path / "review")
    pictures = drawing.draw()
    assert set(pictures) == {"NM", "QSM1", "QSM2", "QSM3"}
    for path in pictures.values():
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert array.shape[2] == 3
        colored = (array.max(2).astype(int) - array.min(2)) > 40
        assert 0.002 < colored.mean() < 0.4
    before = {name: path.read_bytes() for name, path in pictures.items()}
    box = rois.box_of(rois.find_nodes(session.scene)["QSM3"], canonical_grid(session.chosen.qsm))
    cube(session.chosen.qsm_segmentation, "DN_R", session.chosen.qsm, middle(session, box), 9)
    session.look()
    after = {name: path.read_bytes() for name, path in drawing.draw().items()}
    assert [name for name in after if after[name] != before[name]] == ["QSM3"]
    assert read == [1]
    assert review.Pictures(session, tmp_path / "again").draw()["NM"].read_bytes() == after["NM"]
    session.chosen.nm.SetAttribute("MRN.Phantom", "0")
    drawing.draw()
    assert len(read) == 3


def middle(session, box) -> tuple[int, int, int]:
    """Where on the QSM's own grid the middle of a box lies, ``[k, j, i]``."""
    grid, image = canonical_grid(session.chosen.qsm), volumes.image_of(session.chosen.qsm)
    centre = (np.array(box.lower) + box.upper) / 2
    i, j, k = image.TransformPhysicalPointToIndex((grid.matrix() @ centre + grid.origin).tolist())
    return k, j, i


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
