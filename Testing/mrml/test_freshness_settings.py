"""Which settings make a result out of date, and what is read again for them."""

from __future__ import annotations

import dataclasses

import pytest
from edits import brighten, of, patient_in
from MRNDiagnosisLib import freshness
from MRNDiagnosisLib.freshness import changes, recompute

from MRNLib.parameters import Parameters


@pytest.fixture
def patient(scene, tmp_path):
    return patient_in(scene, tmp_path, "LPS")


@pytest.mark.parametrize(
    ("changed", "words", "again"),
    [
        ({"bundle": "/models/site"}, "Another model was chosen: site.", "Reads all four ROIs"),
        ({"precision": "bf16"}, "precision of the arithmetic was changed: bf16.", "Reads all"),
        (
            {"folds": (0, 2)},
            "folds that vote were changed: 0, 2.",
            "Reads no ROI with the model again.",
        ),
        (
            {"tta": True},
            "mirrored image was switched on.",
            "Reads all four ROIs with the model again.",
        ),
        ({"jitter": False}, "Moving the boxes", "Reads no ROI with the model again."),
        ({"swap_modalities": True}, "Exchanging QSM and NM was switched on.", "Reads all"),
        ({"swap_sides": True}, "right and left in the masks", "Measures the nuclei again."),
        ({"split_merged": True}, "Splitting merged labels was switched on.", "Measures"),
        (
            {"exact_segmentation": True},
            "whole volume was switched on.",
            "Reads no ROI with the model again.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings(patient, changed, words, again):
    before, now = of(patient), of(patient, Parameters(**changed))
    assert len(changes(before, now)) == 1
    assert words in changes(before, now)[0]
    assert again in recompute(before, now)


def test_every_setting_is_compared_or_named_as_not():
    from MRNDiagnosisLib.fingerprints import NOT_COMPARED

    fields = {field.name for field in dataclasses.fields(Parameters)}
    assert {*freshness.WORDS, *NOT_COMPARED, "masked"} == fields


def test_more_folds_and_jitter_need_encodings(patient):
    few = of(patient, Parameters(folds=(0,), jitter=False))
    assert "Reads all four ROIs with the model again." in recompute(few, of(patient))
    assert recompute(few, of(patient)).endswith("Reads the ROIs in moved boxes too.")


def test_masks_that_are_still_to_be_drawn(patient):
    without = of(patient, qsm_segmentation=None)
    assert set(without.boxes) == {"NM"}
    assert changes(without, of(patient)) == ["A QSM mask was chosen."]
    assert "QSM1, QSM2 and QSM3" in recompute(without, of(patient))
    assert recompute(of(patient), without) == (
        "Outlines the nuclei on the QSM again. Reads QSM1, QSM2 and QSM3 with the model where "
        "the new outlines move the box. Measures the nuclei again."
    )
    masked = of(patient, qsm_segmentation=None, masked=("QSM1",))
    assert recompute(without, masked) == "Reads no ROI with the model again."
    brighten(patient.inputs.nm)
    assert recompute(without, of(patient, qsm_segmentation=None)) == (
        "Outlines the nuclei on the QSM again. Reads NM with the model again, and QSM1, QSM2 "
        "and QSM3 where the new outlines move the box. Measures the nuclei again."
    )


def test_another_session_keeps_no_tokens(patient):
    before, now = of(patient), of(patient, masked=("QSM1",))
    assert (
        recompute(before, now, tokens_kept=False) == "Reads NM, QSM2 and QSM3 with the model again."
    )
