"""A result that cannot be compared with the scene is not shown as one that holds."""

from __future__ import annotations

import pytest
from MRNDiagnosisLib import comparing, results, rois, volumes, work
from scenes import new_transform
from session_helpers import masks_of, state, text, written


def is_doubted(session, why: str) -> None:
    """The headline warns, and says why."""
    (change,) = session.changes
    assert change.startswith("It cannot be compared with the scene: ")
    assert why in change
    assert text(session, "headlineLabel").startswith("Out of date")
    assert state(session).lines["headlineLabel"].kind == "warning"


def holds(session) -> None:
    assert session.changes == ()
    assert text(session, "headlineLabel").startswith("case <1>: P(PD) = 0.80")


def test_without_a_qsm(session, diagnosed):
    holds(session)
    qsm, session.chosen.qsm = session.chosen.qsm, None
    session.look()
    assert session.changes == (comparing.INCOMPARABLE.format(comparing.NO_QSM),)
    assert text(session, "headlineLabel").startswith("Result of 'case <1>', not of what is chosen")
    session.chosen.qsm = qsm
    session.look()
    holds(session)


def test_a_qsm_that_was_deleted(session, diagnosed):
    session.scene.RemoveNode(session.chosen.qsm)
    session.chosen.qsm = None  # as Slicer's parameter node does
    session.look()
    is_doubted(session, "no QSM volume is chosen")


def test_a_qsm_under_a_transform(session, diagnosed):
    transform = new_transform(session.scene)
    session.chosen.qsm.SetAndObserveTransformNodeID(transform.GetID())
    session.look()
    is_doubted(session, "lies under the transform")
    session.chosen.qsm.SetAndObserveTransformNodeID(None)
    session.look()
    holds(session)


def test_a_box_outside_the_volume(session, diagnosed):
    rois.find_nodes(session.scene)["NM"].SetCenter(5000, 0, 0)
    session.look()
    is_doubted(session, "lies outside the QSM volume")


def test_a_setting_that_cannot_be_read(session, diagnosed):
    session.chosen.folds = "first"
    session.look()
    is_doubted(session, "not a list of folds")


def test_a_defect(session, diagnosed, monkeypatch, caplog):
    monkeypatch.setattr(session, "fingerprint", lambda: 1 / 0)
    session.look()
    is_doubted(session, "division by zero")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("kept", [None, "of another version", '{"volumes": {}}'])
def test_a_result_that_does_not_say_what_it_was_made_from(session, diagnosed, kept):
    attribute = results.FINGERPRINT
    if kept is None:
        session.nodes.text.RemoveAttribute(attribute)
    else:
        session.nodes.text.SetAttribute(attribute, kept)
    session.look()
    is_doubted(session, "what it was made from is not stored")


@pytest.mark.parametrize("code", [2, 130])
def test_an_edit_during_a_run_without_a_result_is_seen_at_its_end(session, diagnosed, runner, code):
    work.diagnose(session)
    session.chosen.tta = True
    if code == 130:
        session.runs.cancel()
    runner.finish(code)
    assert session.changes == ("Averaging with the mirrored image was switched on.",)


def test_a_result_that_cannot_be_shown_ends_in_a_look(session, diagnosed, runner, tmp_path):
    work.diagnose(session)
    session.chosen.tta = True
    broken = tmp_path / "broken.json"
    broken.write_text("{}", encoding="utf-8")
    runner.finish_with({"diagnosis.json": broken})
    assert "cannot be read" in text(session, "statusLabel")
    assert session.changes == ("Averaging with the mirrored image was switched on.",)


def test_a_setting_that_is_spoilt_during_the_run(session, patient, runner, tmp_path):
    """The result is shown and remembers what it was made of; so it holds again when mended."""
    work.diagnose(session)
    session.chosen.folds = "first"
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(patient))
    assert session.result is not None
    is_doubted(session, "not a list of folds")
    session.chosen.folds = ""
    session.look()
    holds(session)


def test_a_qsm_that_is_transformed_during_the_run(session, outlined, runner, tmp_path):
    work.diagnose(session)
    transform = new_transform(session.scene)
    session.chosen.qsm.SetAndObserveTransformNodeID(transform.GetID())
    runner.finish_with({"diagnosis.json": written(tmp_path)} | masks_of(outlined))
    is_doubted(session, "lies under the transform")
    session.chosen.qsm.SetAndObserveTransformNodeID(None)
    session.look()
    holds(session)


def test_a_result_of_other_volumes_says_whose_it_is(session, diagnosed):
    chosen = session.chosen
    chosen.nm = volumes.load(session.scene, diagnosed.nm, "another NM")
    session.look()
    assert text(session, "headlineLabel").startswith("Result of 'case <1>', not of what is chosen")
