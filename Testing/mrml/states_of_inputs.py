"""The panel while volumes, outlines, boxes and settings are chosen; see panel_states."""

from __future__ import annotations

import dataclasses

from MRNDiagnosisLib.panel_facts import Facts, RoiFacts
from panel_examples import OUTLINED, READY, ROIS, State

from MRNLib.rois import STRAYS

SWAPPED = "QSM and NM are swapped: the first has no negative values"
INPUTS: list[State] = [
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
        "left out and present",
        dataclasses.replace(OUTLINED, unused=("QSM3",)),
        True,
        "Classify",
        "checkQSM3Label",
        "present, left out",
    ),
]
