"""What the panel says and allows in each of its states: facts in, texts and buttons out. No Qt."""

from __future__ import annotations

import dataclasses

import pytest
from MRNDiagnosisLib.panel import present
from MRNDiagnosisLib.panel_facts import BatchFacts, RoiFacts
from panel_examples import OUTLINED, READY, ROIS, done
from panel_states import STATES, each_state
from report_helpers import examination

from MRNLib.examination import DEMONSTRATION, NO_MEANING
from MRNLib.rois import STRAYS


def test_every_state_has_a_name_of_its_own():
    assert len({row[0] for row in STATES}) == len(STATES)


@each_state("facts enabled tip label text")
def test_state(facts, enabled, tip, label, text):
    state = present(facts)
    button = state.buttons["diagnoseButton"]
    assert button.enabled is enabled
    assert tip in button.tip
    assert text in state.lines[label].text


@each_state("facts")
def test_every_button_says_something_and_nothing_runs_twice(facts):
    state = present(facts)
    assert all(button.tip for button in state.buttons.values())
    assert state.buttons["cancelButton"].enabled is (
        bool(facts.running) and facts.running != "setup" and not facts.cancelling
    )
    assert (state.progress is None) is (not facts.running)
    if facts.running:
        starting = ("segmentButton", "diagnoseButton", "batchStartButton", "installButton")
        assert not any(state.buttons[name].enabled for name in starting)


def test_states_have_the_same_widgets():
    names = [(set(s.buttons), set(s.lines)) for s in (present(row[1]) for row in STATES)]
    assert all(entry == names[0] for entry in names)


def test_what_is_wrong_is_red_and_what_is_doubtful_is_not():
    kinds = {row[0]: {n: line.kind for n, line in present(row[1]).lines.items()} for row in STATES}
    assert kinds["swapped inputs"]["inputsLabel"] == "error"
    assert kinds["doubtful inputs"]["inputsLabel"] == "warning"
    assert kinds["ready"]["inputsLabel"] == "good"
    assert kinds["failed"]["statusLabel"] == "error"
    assert kinds["failed install"]["setupLabel"] == "error"
    assert kinds["result out of date"]["freshnessLabel"] == "warning"
    assert kinds["demonstration model"]["headlineLabel"] == "warning"


def test_progress_is_percent():
    running = dataclasses.replace(READY, running="segment", fraction=0.426)
    assert present(running).progress == 43
    assert "43 %" in present(running).lines["nucleiLabel"].text
    assert present(dataclasses.replace(running, fraction=7.0)).progress == 100


def test_the_demonstration_models_number_never_stands_alone():
    shown = examination(decision=DEMONSTRATION, headline=NO_MEANING, trained_on="phantom")
    lines = present(done(result=shown)).lines
    assert NO_MEANING in lines["headlineLabel"].text
    assert DEMONSTRATION in lines["probabilityLabel"].text


def test_table_of_rois():
    by_hand = dataclasses.replace(ROIS[2], by_hand=True)
    missing = RoiFacts("QSM3", notes=("ROI QSM3 is absent: its nuclei are (nearly) all missing",))
    facts = dataclasses.replace(OUTLINED, rois=(*ROIS[:2], by_hand, missing), unused=("QSM1",))
    lines = present(facts).lines
    assert lines["slicesNMLabel"].text == "9"
    assert lines["sizeNMLabel"].text == "31 × 24 × 18"
    assert lines["checkNMLabel"].text == "present"
    assert lines["checkQSM1Label"].text == "present, left out"
    assert lines["checkQSM2Label"].text == "set by hand"
    assert "absent" in lines["checkQSM3Label"].text
    assert lines["slicesQSM3Label"].text == "–"
    assert "Set by hand: QSM2" in lines["roisLabel"].text
    buttons = present(facts).buttons
    assert buttons["resetBoxesButton"].enabled
    assert buttons["goNMButton"].enabled
    assert not buttons["goQSM3Button"].enabled


def test_warnings_of_the_result_are_listed_once():
    shown = examination(warnings=("The unit was ppm.",), segmentation_notes=("The unit was ppm.",))
    text = present(done(result=shown)).lines["warningsLabel"].text
    assert text.count("The unit was ppm.") == 1


def test_a_rois_warning_is_listed_once_and_where_masks_come_from_is_none():
    text = f"ROI NM: {STRAYS}: SN left 2"
    shown = examination(warnings=(text,), segmentation_notes=("QSM mask: given",))
    rois = tuple(
        dataclasses.replace(roi, warnings=(text,) if roi.name == "NM" else ()) for roi in shown.rois
    )
    lines = present(done(result=dataclasses.replace(shown, rois=rois))).lines
    assert lines["warningsLabel"].text == f"• {text}"
    assert lines["notesLabel"].text == "QSM mask: given"
    assert lines["notesLabel"].kind == "plain"


def test_a_run_shows_the_log_alone_until_there_is_a_result():
    running = present(dataclasses.replace(READY, running="diagnose"))
    assert running.details
    assert not running.result
    assert present(done(running="diagnose")).result


def test_reports_of_an_earlier_session():
    buttons = present(done(files=False)).buttons
    assert not buttons["reportButton"].enabled
    assert "earlier session" in buttons["reportButton"].tip
    assert not buttons["exportReportButton"].enabled
    assert buttons["exportJsonButton"].enabled


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("exportDicomButton", {"dicom": True}),
        ("removeBundleButton", {"bundle_added": True}),
        ("clearCacheButton", {"cache_megabytes": 2.5}),
        ("batchStartButton", {"batch": BatchFacts("in", "out")}),
        ("installButton", {"missing": ("torch>=2.4",)}),
    ],
)
def test_buttons_that_need_something(name, needs):
    assert not present(OUTLINED).buttons[name].enabled
    assert present(dataclasses.replace(OUTLINED, **needs)).buttons[name].enabled


def test_batch_goes_on_where_it_was():
    def caption(*numbers):
        batch = BatchFacts("in", "out", *numbers)
        return present(dataclasses.replace(READY, batch=batch)).buttons["batchStartButton"].text

    assert caption(0, 0) == "Start"
    assert caption(5, 2) == "Continue"
    assert caption(5, 5) == "Start"
    failed = dataclasses.replace(READY, batch=BatchFacts("in", "out", 5, 4, 1))
    assert "1 failed" in present(failed).lines["batchLabel"].text


def test_diagnose_again():
    assert present(OUTLINED).buttons["diagnoseButton"].text == "Diagnose"
    assert present(done()).buttons["diagnoseButton"].text == "Diagnose again"
