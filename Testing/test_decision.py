"""What may be asked for, and what may be decided from a probability."""

from __future__ import annotations

import dataclasses

import pytest
import SimpleITK as sitk

from MRNLib.bundle import open_bundle
from MRNLib.decision import decide, headline
from MRNLib.diagnosis import Diagnoser
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters


@pytest.mark.parametrize(
    "settings",
    [
        {"masked": ("QSM9",)},
        {"device": "tpu"},
        {"precision": "int8"},
        {"margin_mm": -1},
        {"masked": ("NM", "QSM2")},
    ],
)
def test_unknown_settings_are_refused(settings):
    with pytest.raises(InputError):
        Parameters(**settings)


def test_a_missing_mask_without_a_segmenter_is_refused(random_bundle, phantom_case):
    case = dataclasses.replace(phantom_case, nm_mask=None)
    with pytest.raises(InputError, match="no segmenter for NM"):
        Diagnoser(str(random_bundle)).diagnose(case)


def test_a_phantom_bundle_gives_no_decision_on_an_unmarked_input(
    random_bundle, phantom_case, tmp_path
):
    paths = {}
    for role in ("qsm", "nm"):
        image = sitk.ReadImage(str(getattr(phantom_case, role)))
        for key in image.GetMetaDataKeys():
            image.EraseMetaData(key)
        paths[role] = tmp_path / f"{role}.nii.gz"
        sitk.WriteImage(image, str(paths[role]))
    case = dataclasses.replace(phantom_case, **paths, t1=None)
    diagnosis = Diagnoser(Parameters(bundle=str(random_bundle), jitter=False)).diagnose(case)
    assert diagnosis.examination.decision == "none (demonstration model)"
    assert "no meaning for a patient" in diagnosis.examination.headline
    files = diagnosis.write(tmp_path / "out")
    assert "no meaning for a patient" in files["report.html"].read_text("utf-8")


@pytest.mark.parametrize(
    ("probability", "phantom", "expected"),
    [
        (0.2, True, "HC"),
        (0.45, True, "undecided"),
        (0.55, True, "undecided"),
        (0.6, True, "PD"),
        (0.6, False, "none (demonstration model)"),
    ],
)
def test_decision(random_bundle, probability, phantom, expected):
    manifest = open_bundle(random_bundle).manifest
    limits = manifest.calibration.model_copy(update={"abstain_low": 0.4, "abstain_high": 0.6})
    manifest = manifest.model_copy(update={"calibration": limits})
    assert decide(probability, manifest, phantom) == expected


def test_the_headline_names_phantom_and_what_was_left_out():
    said = headline("PD", 0.84, ["QSM3"], phantom=True)
    assert said == (
        "P(PD) = 0.84 (digital phantom): Parkinson's disease more likely. Degraded: without QSM3."
    )
