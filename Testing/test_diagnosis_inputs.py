"""What a diagnosis makes of doubtful inputs and settings, with a random model."""

from __future__ import annotations

import dataclasses

import pytest
import SimpleITK as sitk
from diagnosis_helpers import edited

from MRNLib import diagnosis
from MRNLib.anatomy import nucleus
from MRNLib.boxes import Box
from MRNLib.cases import load_case
from MRNLib.diagnosis import Diagnoser
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters


def test_stray_voxels_are_neither_boxed_nor_measured(phantom_case, random_bundle, tmp_path, plain):
    def add_stray(array):
        array[40:43, 20:26, 20:26] = nucleus("RN").right

    case = edited(phantom_case, tmp_path, add_stray)
    parameters = Parameters(bundle=str(random_bundle), jitter=False)
    found = Diagnoser(parameters).diagnose(case).examination
    assert any("RN right 108" in text for text in found.warnings)
    assert found.biomarkers == plain.examination.biomarkers
    assert [roi.box for roi in found.rois] == [roi.box for roi in plain.examination.rois]


def test_folders_stay_out_of_the_result(phantom_case, random_bundle, tmp_path, plain):
    """They often carry a patient's or a user's name."""
    folder = str(phantom_case.qsm.parent)
    case = edited(phantom_case, tmp_path, lambda array: array.__setitem__((0, 0, 0), 3))
    written = Diagnoser(Parameters(bundle=str(random_bundle), jitter=False, cache=tmp_path))
    files = written.diagnose(case).write(tmp_path / "out")
    for name in ("diagnosis.json", "report.html", "biomarkers.csv"):
        text = files[name].read_text("utf-8")
        assert folder not in text
        assert str(tmp_path) not in text


def test_a_t1_that_is_not_used_cannot_stop_a_diagnosis(phantom_case, random_bundle, tmp_path):
    wrong = tmp_path / "T1.nii.gz"
    sitk.WriteImage(sitk.Image(40, 40, 20, sitk.sitkFloat32), str(wrong))  # constant
    case = dataclasses.replace(phantom_case, t1=wrong)
    parameters = Parameters(bundle=str(random_bundle), jitter=False)
    found = Diagnoser(parameters).diagnose(case).examination
    assert any("T1.nii.gz: left out, this model does not use it" in text for text in found.warnings)
    with pytest.raises(InputError):
        load_case(case)


@pytest.mark.parametrize(
    "settings", [{"folds": (7,)}, {"boxes": {"NM": Box((0, 0, 0), (9, 9, 999))}}]
)
def test_settings_that_cannot_be_are_refused_before_the_long_work(
    phantom_case, random_bundle, settings, monkeypatch
):
    monkeypatch.setattr(diagnosis, "outline", lambda *_: pytest.fail("outlined first"))
    diagnoser = Diagnoser(Parameters(bundle=str(random_bundle), **settings))
    with pytest.raises(InputError):
        diagnoser.diagnose(phantom_case)
