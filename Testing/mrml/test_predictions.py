"""What the panel says a diagnosis would read again is what a real one does."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from edits import digital_patient, draw, of
from MRNDiagnosisLib.case import prepare
from MRNDiagnosisLib.freshness import changes, recompute

from MRNLib.anatomy import ROI_NAMES
from MRNLib.boxes import Box
from MRNLib.parameters import Parameters

# By name: the settings of the first run, and of the second.
CHANGES = {
    "nothing": ({}, {}),
    "another fold": ({"folds": (0,)}, {"folds": (1,)}),
    "fewer folds": ({}, {"folds": (1,)}),
    "all folds": ({"folds": (0,)}, {}),
    "mirrored": ({}, {"tta": True}),
    "not mirrored": ({"tta": True}, {}),
    "precision": ({}, {"precision": "bf16"}),
    "margin": ({}, {"margin_mm": 9.0}),
    "left out": ({}, {"masked": ("QSM3",)}),
    "used again": ({"masked": ("QSM3",)}, {}),
    "jitter": ({}, {"jitter": True}),
}


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """What a first run with given settings kept, by settings."""
    return tmp_path_factory.mktemp("caches")


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_read_again_is_what_was_said(
    name, scene, phantom_case, random_bundle, caches, tmp_path
):
    from MRNLib.diagnosis import Diagnoser

    patient = digital_patient(scene, phantom_case)
    case = prepare(patient.inputs, tmp_path)
    plain = Parameters(bundle=str(random_bundle), jitter=False)
    first, second = (replace(plain, **values) for values in CHANGES[name])
    kept = caches / (", ".join(CHANGES[name][0]) or "plain")
    if not kept.exists():
        Diagnoser(replace(first, cache=kept)).diagnose(case)
    cache = shutil.copytree(kept, tmp_path / "cache")
    found = Diagnoser(replace(second, cache=cache)).diagnose(case).examination
    before, now = of(patient, first), of(patient, second)
    encoded = [row.name for row in found.rois if row.encoded]
    words = "all four ROIs" if encoded == list(ROI_NAMES) else " and ".join(encoded) or "no ROI"
    said = recompute(before, now)
    if name == "nothing":
        assert said.startswith("Nothing changed")
        assert encoded == []
    else:
        assert f"Reads {words} with the model again" in said


def test_prediction_is_what_a_run_does(scene, phantom_case, random_bundle, tmp_path):
    """The files of the scene, run and run again: encoded is what was said, boxes too."""
    from MRNLib.diagnosis import Diagnoser

    patient = digital_patient(scene, phantom_case)
    parameters = Parameters(bundle=str(random_bundle), jitter=False, cache=tmp_path / "cache")

    def run():
        found = Diagnoser(parameters).diagnose(prepare(patient.inputs, tmp_path)).examination
        now = of(patient, parameters)
        assert {row.name: row.box for row in found.rois} == now.boxes
        assert found.provenance["grid"]["size"] == list(patient.grid.size)
        return now, [row.name for row in found.rois if row.encoded]

    first, encoded = run()
    assert encoded == list(ROI_NAMES)
    box = Box.parse(first.boxes["QSM2"])
    (i, j, k), last = box.lower, box.upper[1]
    # A bar through the whole box meets the nigra, so that it is part of the largest part.
    draw(patient, "SN_R", (k + 2, slice(j, last), slice(i, i + 40)), 1)
    second, encoded = run()
    assert changes(first, second) == ["The QSM mask was edited.", "QSM2: its box moved."]
    assert recompute(first, second).startswith(
        "Reads QSM2 with the model again; the other ROIs are kept."
    )
    assert encoded == ["QSM2"]
    draw(patient, "SN_R", (k + 2, j + 5, i + 20), 0)
    third, encoded = run()
    assert changes(second, third) == ["The QSM mask was edited."]
    assert recompute(second, third).startswith("Reads no ROI with the model again.")
    assert encoded == []
