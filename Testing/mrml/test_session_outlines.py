"""Outlines that a person drew are never replaced; what cannot be read leaves the scene alone."""

from __future__ import annotations

import pytest
from MRNDiagnosisLib import segmentations, volumes, work
from scenes import cube
from session_helpers import masks_of, text, written

from MRNLib.errors import InputError


def segmentation_count(session) -> int:
    return session.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def voxels(node) -> int:
    """Of the right substantia nigra."""
    import slicer

    (identifier,) = [name for name in node.GetSegmentation().GetSegmentIDs() if "SN_R" in name]
    return int(slicer.util.arrayFromSegmentBinaryLabelmap(node, identifier).sum())


def test_outlines_that_a_run_drew_are_replaced(session, outlined, runner):
    before = session.chosen.qsm_segmentation
    work.segment(session)
    runner.finish_with(masks_of(outlined))
    assert session.chosen.qsm_segmentation is before
    assert segmentation_count(session) == 2
    assert session.runs.notes == ()


@pytest.mark.parametrize("during", [False, True], ids=["before", "during"])
def test_outlines_edited_by_hand_stay_beside_the_new_ones(session, outlined, runner, during):
    before = session.chosen.qsm_segmentation
    if during:
        work.segment(session)
    cube(before, "SN_R", session.chosen.qsm, (2, 2, 2))
    drawn = voxels(before)
    if not during:
        work.segment(session)
    runner.finish_with(masks_of(outlined))
    assert session.chosen.qsm_segmentation is not before
    assert voxels(before) == drawn
    assert segmentation_count(session) == 3
    assert "stay as they are" in session.runs.notes[0]


def test_outlines_chosen_while_a_diagnosis_runs_stay_and_stay_chosen(
    session, patient, runner, tmp_path
):
    work.diagnose(session)
    chosen = session.chosen
    own = segmentations.show_mask(session.scene, patient.nm_mask, "NM", chosen.nm, "own")
    cube(own, "NM-SN_R", chosen.nm, (2, 2, 2))
    chosen.nm_segmentation = own
    drawn = voxels(own)
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(patient))
    assert chosen.nm_segmentation is own
    assert voxels(own) == drawn
    assert segmentation_count(session) == 3
    assert session.changes[0] == "The NM mask was edited."


def test_an_import_leaves_what_was_drawn(session, outlined):
    before = session.chosen.nm_segmentation
    cube(before, "NM-SN_R", session.chosen.nm, (2, 2, 2))
    drawn = voxels(before)
    work.import_mask(session, "NM", outlined.nm_mask)
    imported = session.chosen.nm_segmentation
    assert imported is not before
    assert voxels(before) == drawn
    work.import_mask(session, "NM", outlined.nm_mask)
    assert session.chosen.nm_segmentation is not imported
    assert imported.GetScene() is not None


def test_masks_are_read_before_the_scene_is_touched(session, outlined, runner, tmp_path):
    drawn = voxels(session.chosen.qsm_segmentation)
    before = session.scene.GetNumberOfNodes()
    work.segment(session)
    # The second of the two is none.
    runner.finish_with(masks_of(outlined) | {"NM_mask.nii.gz": outlined.t1})
    assert session.scene.GetNumberOfNodes() == before
    assert voxels(session.chosen.qsm_segmentation) == drawn
    assert text(session, "statusLabel") != ""


@pytest.fixture
def finished(diagnosed, tmp_path):
    """A folder of a case that a batch has done."""
    folder = tmp_path / "done"
    folder.mkdir()
    for name, path in masks_of(diagnosed).items():
        (folder / name).write_bytes(path.read_bytes())
    written(folder, identifier="P7")
    return folder


def test_a_case_of_a_batch_is_opened(session, diagnosed, finished):
    work.open_result(session, diagnosed, finished)
    assert session.result.identifier == "P7"
    assert session.chosen.qsm_segmentation is not None
    assert session.changes == ()
    assert text(session, "headlineLabel").startswith("P7: ")


def test_a_case_is_opened_though_a_setting_cannot_be_read(session, diagnosed, finished):
    session.chosen.folds = "first"
    work.open_result(session, diagnosed, finished)
    assert session.result.identifier == "P7"
    assert "cannot be compared" in session.changes[0]


@pytest.mark.parametrize("broken", ["diagnosis.json", "NM_mask.nii.gz", "missing mask", "volume"])
def test_a_case_that_cannot_be_read_leaves_the_scene_as_it_was(
    session, diagnosed, finished, broken, tmp_path
):
    import dataclasses

    case = diagnosed
    if broken == "volume":
        (tmp_path / "no.nii.gz").touch()
        case = dataclasses.replace(diagnosed, nm=tmp_path / "no.nii.gz")
    elif broken == "missing mask":
        (finished / "NM_mask.nii.gz").unlink()
    elif broken == "diagnosis.json":
        (finished / broken).write_text('{"version": 0}', encoding="utf-8")
    else:
        (finished / broken).write_bytes(diagnosed.t1.read_bytes())
    chosen = dataclasses.replace(session.chosen)
    nodes, result = session.scene.GetNumberOfNodes(), session.result
    with pytest.raises(InputError):
        work.open_result(session, case, finished)
    assert session.scene.GetNumberOfNodes() == nodes
    assert session.chosen == chosen
    assert session.result is result


def test_a_demo_patient_is_whole_or_not_there(scene, phantom_case, tmp_path):
    from MRNDiagnosisLib.loading import load_both

    before = scene.GetNumberOfNodes()
    with pytest.raises(InputError):
        load_both(scene, phantom_case.qsm, tmp_path / "nowhere.nii.gz", "demo")
    assert scene.GetNumberOfNodes() == before
    qsm, _ = load_both(scene, phantom_case.qsm, phantom_case.nm, "demo")
    assert qsm.GetAttribute(volumes.PHANTOM_ATTRIBUTE) == "1"
