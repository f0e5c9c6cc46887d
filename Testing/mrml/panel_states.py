"""The panel's states by name, for the tests of its texts, of its widgets and of its translation."""

from __future__ import annotations

import dataclasses

import pytest
from MRNDiagnosisLib.panel_facts import BatchFacts, Facts, RoiFacts
from report_helpers import examination

from MRNLib.anatomy import ROI_NAMES
from MRNLib.examination import DEMONSTRATION, NO_MEANING
from MRNLib.rois import STRAYS

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
    ("ready", READY, True, "drawn first", "inputsLabel", "cannot be checked"),
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
        done(changes=("QSM2: its box moved.",), recompute="Reads QSM2 with the model again."),
        True,
        "Reads QSM2 with the model again.",
        "freshnessLabel",
        "out of date.\nQSM2: its box moved.\nDiagnose again: Reads QSM2 with the model again.",
    ),
    (
        "result of another patient",
        done(elsewhere=True, changes=("The QSM volume changed.",)),
        True,
        "Classify",
        "headlineLabel",
        "Result of 'case <1>', not of what is chosen",
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
    (
        "segmenting",
        dataclasses.replace(READY, running="segment", fraction=0.5),
        False,
        "being outlined",
        "nucleiLabel",
        "50 %",
    ),
    (
        "making a demo patient",
        Facts(running="sample", fraction=0.1),
        False,
        "demo patient is being made",
        "inputsLabel",
        "10 %",
    ),
    (
        "adding a model",
        dataclasses.replace(READY, running="bundle"),
        False,
        "model is being added",
        "bundleLabel",
        "model is being added",
    ),
    (
        "no model",
        dataclasses.replace(READY, bundle=""),
        True,
        "Classify",
        "bundleLabel",
        "Choose a model",
    ),
    (
        "box set by hand",
        dataclasses.replace(OUTLINED, rois=(dataclasses.replace(ROIS[0], by_hand=True), *ROIS[1:])),
        True,
        "Classify",
        "roisLabel",
        "Set by hand: NM",
    ),
    (
        "nuclei missing in a box",
        dataclasses.replace(
            OUTLINED, rois=(RoiFacts("NM", notes=("ROI NM is absent",)), *ROIS[1:])
        ),
        True,
        "Classify",
        "checkNMLabel",
        "absent",
    ),
    (
        "stray voxels in a box",
        dataclasses.replace(
            OUTLINED, rois=(RoiFacts("NM", notes=(f"ROI NM: {STRAYS}: SN left 2",)), *ROIS[1:])
        ),
        True,
        "Classify",
        "checkNMLabel",
        "stray voxels ignored: SN left 2",
    ),
    (
        "warnings of a run that are the result's",
        done(result=examination(warnings=("The unit was ppm.",)), notes=("The unit was ppm.",)),
        True,
        "Classify",
        "statusLabel",
        "Warnings: 1",
    ),
    (
        "report of an earlier session",
        done(files=False),
        True,
        "Classify",
        "headlineLabel",
        "P(PD) = 0.80",
    ),
    (
        "packages installed",
        READY,
        True,
        "Classify",
        "setupLabel",
        "All packages are installed.",
    ),
    (
        "batch stopped",
        dataclasses.replace(READY, batch=BatchFacts("in", "out", 5, 2)),
        True,
        "Classify",
        "batchLabel",
        "2 of 5 cases done.",
    ),
    (
        "batch with a failed case",
        dataclasses.replace(READY, batch=BatchFacts("in", "out", 5, 4, 1)),
        True,
        "Classify",
        "batchLabel",
        "1 failed",
    ),
    (
        "batch finished",
        dataclasses.replace(READY, batch=BatchFacts("in", "out", 5, 5)),
        True,
        "Classify",
        "batchLabel",
        "5 of 5 cases done.",
    ),
    (
        "folder without cases",
        dataclasses.replace(READY, batch=BatchFacts("in", "out", problem="holds no patients")),
        True,
        "Classify",
        "batchLabel",
        "holds no patients",
    ),
    (
        "everything there is to click",
        done(
            result=examination(warnings=(), segmentation_notes=()),
            dicom=True,
            bundle_added=True,
            cache_megabytes=2.5,
            batch=BatchFacts("in", "out"),
        ),
        True,
        "Classify",
        "cacheLabel",
        "2.5 MB",
    ),
    (
        "batch without a folder for results",
        dataclasses.replace(READY, batch=BatchFacts("in")),
        True,
        "Classify",
        "batchLabel",
        "One folder for each case",
    ),
    (
        "left out and present",
        dataclasses.replace(OUTLINED, unused=("QSM3",)),
        True,
        "Classify",
        "checkQSM3Label",
        "present, left out",
    ),
    (
        "cancelling a batch",
        dataclasses.replace(READY, running="batch", cancelling=True, batch=BatchFacts("a", "b", 2)),
        False,
        "worked through",
        "statusLabel",
        "Cancelling",
    ),
]


def each_state(values: str):
    """Runs a test once for each state, under its name.

    Args:
        values: What the test takes of a row, such as ``"facts enabled"``.
    """
    columns = ("facts", "enabled", "tip", "label", "text")
    places = [1 + columns.index(name) for name in values.split()]
    rows = [pytest.param(*(row[n] for n in places), id=row[0]) for row in STATES]
    return pytest.mark.parametrize(values.split(), rows)
