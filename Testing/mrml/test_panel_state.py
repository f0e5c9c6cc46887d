"""What the panel says and allows in each of its states: facts in, texts and buttons out. No Qt."""

from __future__ import annotations

import dataclasses

import pytest
from MRNDiagnosisLib.panel import present
from MRNDiagnosisLib.panel_facts import BatchFacts, Facts, RoiFacts
from report_helpers import examination

from MRNLib.anatomy import ROI_NAMES
from MRNLib.examination import DEMONSTRATION, NO_MEANING

ROIS = tuple(RoiFacts(name, 9, (31.0, 24.0, 18.0)) for name in ROI_NAMES)
READY = Facts(qsm="QSM", nm="NM", checked=True, bundle="phantom-tiny")
OUTLINED = dataclasses.replace(READY, masks=("QSM", "NM"), rois=ROIS)
SWAPPED = "QSM and NM are swapped: the first has no negative values"


def done(**changes) -> Facts:
    return dataclasses.replace(OUTLINED, **({"result": examination(), "files": True} | changes))


# name, facts, whether Diagnose can be clicked, part of its tooltip, a label and part of its text
STATES = [
    ("nothing chosen", Facts(), False, "Choose a QSM and an NM", "inputsLabel", "Choose a QSM"),
    ("only QSM", Facts(qsm="QSM"), False, "NM volume too", "inputsLabel", "Choose the NM"),
    ("only NM", Facts(nm="NM"), False, "QSM volume too", "inputsLabel", "Choose the QSM"),
    (
        "being looked at",
        Facts(qsm="QSM", nm="NM"),
        False,
        "being looked at",
        "inputsLabel",
        "Looking at",
    ),
    (
        "swapped inputs",
        Facts(qsm="NM", nm="QSM", checked=True, problem=SWAPPED),
        False,
        SWAPPED,
        "inputsLabel",
        SWAPPED,
    ),
    (
        "doubtful inputs",
        dataclasses.replace(READY, doubts="The unit is taken for ppm."),
        True,
        "Classify",
        "inputsLabel",
        "taken for ppm",
    ),
    ("ready", READY, True, "drawn first", "inputsLabel", "can be used together"),
    ("outlined", OUTLINED, True, "Classify", "nucleiLabel", "as they are"),
    (
        "one mask",
        dataclasses.replace(READY, masks=("QSM",)),
        True,
        "drawn first",
        "nucleiLabel",
        "draws the NM ones",
    ),
    (
        "outlines of another patient",
        dataclasses.replace(OUTLINED, outline_problem="The QSM outlines were drawn on 'B'."),
        False,
        "drawn on 'B'",
        "nucleiLabel",
        "drawn on 'B'",
    ),
    (
        "box outside",
        dataclasses.replace(OUTLINED, roi_problem="the box 'MRN NM' lies outside the QSM volume"),
        False,
        "lies outside",
        "roisLabel",
        "lies outside",
    ),
    (
        "no substantia nigra",
        dataclasses.replace(OUTLINED, unused=("NM", "QSM2")),
        False,
        "substantia nigra",
        "roisLabel",
        "Left out: NM, QSM2",
    ),
    (
        "running",
        dataclasses.replace(READY, running="diagnose", fraction=0.42, message="Encoding QSM1"),
        False,
        "A diagnosis is being made",
        "statusLabel",
        "Encoding QSM1",
    ),
    (
        "cancelling",
        dataclasses.replace(READY, running="diagnose", cancelling=True),
        False,
        "A diagnosis is being made",
        "statusLabel",
        "Cancelling",
    ),
    (
        "cancelled",
        dataclasses.replace(READY, cancelled=True),
        True,
        "Classify",
        "statusLabel",
        "Cancelled. The scene is as it was.",
    ),
    (
        "failed",
        dataclasses.replace(READY, ended="QSM.nrrd: holds NaN\nWhat to do: mask it"),
        True,
        "Classify",
        "statusLabel",
        "holds NaN",
    ),
    (
        "GPU memory ran out",
        dataclasses.replace(READY, running="diagnose", notes=("The GPU ran out of memory.",)),
        False,
        "being made",
        "statusLabel",
        "Starting",
    ),
    (
        "packages missing",
        dataclasses.replace(READY, missing=("torch>=2.4",)),
        False,
        "install them under Setup",
        "bannerLabel",
        "lacks packages",
    ),
    (
        "installing",
        dataclasses.replace(READY, missing=("torch>=2.4",), running="setup", message="Installing"),
        False,
        "Packages are being installed",
        "setupLabel",
        "Installing",
    ),
    (
        "failed install",
        dataclasses.replace(READY, missing=("torch>=2.4",), setup_error="A proxy refused."),
        False,
        "torch>=2.4",
        "setupLabel",
        "A proxy refused.",
    ),
    (
        "Slicer too old",
        dataclasses.replace(READY, too_old="This module needs 3D Slicer 5.12.1 or newer."),
        False,
        "5.12.1",
        "bannerLabel",
        "5.12.1",
    ),
    ("result fresh", done(), True, "Classify", "headlineLabel", "P(PD) = 0.80"),
    (
        "result out of date",
        done(changes=("QSM2: its box moved.",), recompute="Encodes QSM2 again."),
        True,
        "Encodes QSM2 again.",
        "freshnessLabel",
        "out of date.\nQSM2: its box moved.\nDiagnose again: Encodes QSM2 again.",
    ),
    (
        "demonstration model",
        done(result=examination(decision=DEMONSTRATION, headline=NO_MEANING, trained_on="phantom")),
        True,
        "Classify",
        "headlineLabel",
        "no meaning for a patient",
    ),
    (
        "digital phantom",
        done(result=examination(phantom=True)),
        True,
        "Classify",
        "probabilityLabel",
        "digital phantom, not a patient",
    ),
    (
        "batch running",
        dataclasses.replace(READY, running="batch", batch=BatchFacts("in", "out", 5, 2)),
        False,
        "worked through",
        "batchLabel",
        "2 of 5 cases done",
    ),
]


@pytest.mark.parametrize(
    ("facts", "enabled", "tip", "label", "text"),
    [pytest.param(*row[1:], id=row[0]) for row in STATES],
)
def test_state(facts, enabled, tip, label, text):
    state = present(facts)
    button = state.buttons["diagnoseButton"]
    assert button.enabled is enabled
    assert tip in button.tip
    assert text in state.lines[label].text


@pytest.mark.parametrize("row", STATES, ids=[row[0] for row in STATES])
def test_every_button_says_something_and_nothing_runs_twice(row):
    facts = row[1]
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
