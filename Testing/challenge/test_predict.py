"""``mrn challenge predict``: the challenge's files for every case, whatever is wrong with one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from predict_cases import FILES, cases, read, states

from MRNLib.challenge import prediction
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT, EXIT_SOME_FAILED


def test_a_case_that_cannot_be_used_is_one_line_and_the_others_go_on(predict, tmp_path):
    code, events, _ = predict()
    assert code == EXIT_SOME_FAILED
    assert states(events) == {"RJPD_001": "done", "RJPD_002": "failed", "sub-3": "failed"}
    found = cases(events)
    assert "no NM file" in found["RJPD_002"]["text"]
    assert "sub-3" in found["sub-3"]["text"]
    assert not any("\n" in case["text"] for case in found.values())
    assert found["RJPD_001"]["seconds"] > 0
    assert events[-1] == {
        "event": "result",
        "cases": 3,
        "failed": 2,
        "without_vote": 0,
        "slowest": "RJPD_001",
        "folder": str(tmp_path / "outputs"),
    }
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["RJPD_001"]
    assert {path.name for path in (tmp_path / "outputs" / "RJPD_001").iterdir()} == FILES


def test_a_patient_of_whom_nothing_was_copied_has_failed(predict, tmp_path):
    (tmp_path / "inputs" / "RJPD_003").mkdir()
    code, events, _ = predict()
    assert code == EXIT_SOME_FAILED
    assert "no QSM and NM file" in cases(events)["RJPD_003"]["text"]


def test_what_a_killed_run_left_goes_before_its_case_is_looked_at(predict, tmp_path):
    left = tmp_path / "outputs" / "sub-3" / ".partial-abcdefgh"
    left.mkdir(parents=True)
    (left / "NM_pred.nii.gz").write_text("half")
    assert states(predict()[1])["sub-3"] == "failed"
    assert not left.exists()


def test_masks_are_the_challenges_labels_on_the_input_grid(predict, small_case, tmp_path):
    predict()
    for modality in ("QSM", "NM"):
        mask, labels = read(tmp_path / "outputs" / "RJPD_001" / f"{modality}_pred.nii.gz")
        volume, _ = read(small_case / f"{modality}.nii.gz")
        _, truth = read(small_case / f"{modality}_mask.nii.gz")
        np.testing.assert_array_equal(labels, truth)
        assert mask.GetPixelID() == sitk.sitkUInt8
        assert mask.GetSize() == volume.GetSize()
        for values in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(
                getattr(mask, values)(), getattr(volume, values)(), atol=1e-4
            )


def test_each_mask_is_on_its_own_volumes_grid(predict, inputs, tmp_path):
    """NM comes turned over and in other voxels than QSM."""
    path = inputs / "RJPD_001" / "NM.nii.gz"
    volume = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LAS")
    volume = volume[1:-1, 1:-1, :]
    sitk.WriteImage(volume, str(path))
    assert states(predict()[1])["RJPD_001"] == "done"
    mask, labels = read(tmp_path / "outputs" / "RJPD_001" / "NM_pred.nii.gz")
    assert mask.GetSize() == volume.GetSize()
    np.testing.assert_allclose(mask.GetDirection(), volume.GetDirection(), atol=1e-4)
    assert set(np.unique(labels)) == {0, 1, 2}


def test_the_vote_is_that_of_a_diagnosis(predict, small_case, small_bundle, tmp_path):
    from MRNLib.casefiles import find_case
    from MRNLib.diagnosis import Diagnoser
    from MRNLib.parameters import Parameters

    parameters = Parameters(bundle=str(small_bundle), jitter=False)
    expected = Diagnoser(parameters).diagnose(find_case(small_case)).examination.probability_pd
    _, events, _ = predict()
    out = tmp_path / "outputs" / "RJPD_001"
    assert float((out / "PD_prob.txt").read_text(encoding="utf-8")) == pytest.approx(
        expected, abs=1e-6
    )
    assert (out / "PD_pred.txt").read_text(encoding="utf-8") == str(int(expected >= 0.5))
    assert cases(events)["RJPD_001"]["probability_pd"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("probability", "vote"), [(0.5, 1), (0.4999, 0), (None, 0)])
def test_the_vote_is_taken_at_one_half(probability, vote):
    found = prediction.Prediction(None, probability, "", ())  # type: ignore[arg-type]
    assert found.vote == vote


def test_models_are_loaded_once(predict, inputs, networks, monkeypatch):
    from MRNLib.bundle import Bundle

    encoders, real = [], Bundle.encoder

    def encoder(bundle, fold):
        encoders.append(fold)
        return real(bundle, fold)

    monkeypatch.setattr(Bundle, "encoder", encoder)
    for name in ("RJPD_002", "sub-3"):
        shutil.rmtree(inputs / name)
    for number in (4, 5):
        shutil.copytree(inputs / "RJPD_001", inputs / f"RJPD_00{number}")
        path = inputs / f"RJPD_00{number}" / "NM.nii.gz"
        # Not scaled, which dividing by the tissue's median would undo.
        brighter = sitk.ReadImage(str(path), sitk.sitkFloat32) + 500 * number
        sitk.WriteImage(brighter, str(path))  # found by content, so that no token is known
    code, events, _ = predict()
    assert code == 0
    assert len({case["probability_pd"] for case in cases(events).values()}) == 3
    assert sorted(networks.loaded) == ["NM", "QSM"]
    assert encoders == [0]


def test_a_defect_costs_one_case(predict, inputs, monkeypatch):
    real = prediction.predict

    def break_one(diagnoser, case, progress, **options):
        if case.identifier == "RJPD_001":
            raise RuntimeError("a kernel\ndid not like it")
        return real(diagnoser, case, progress, **options)

    monkeypatch.setattr(prediction, "predict", break_one)
    shutil.copytree(inputs / "RJPD_001", inputs / "RJPD_009")
    code, events, _ = predict()
    assert code == EXIT_SOME_FAILED
    assert cases(events)["RJPD_001"]["text"] == "unexpected RuntimeError: a kernel did not like it"
    assert states(events)["RJPD_009"] == "done"


def test_what_concerns_every_case_ends_the_command(predict, random_bundle, tmp_path):
    code, events, said = predict(bundle=random_bundle)
    assert code == EXIT_INPUT
    assert "no segmenter" in said
    assert states(events) == {}
    assert predict(folder=tmp_path / "nowhere")[0] == EXIT_INPUT
    assert predict(folder=tmp_path / "inputs" / "notes")[0] == EXIT_INPUT
    assert predict("--device=tpu")[0] == EXIT_INPUT
    assert not (tmp_path / "outputs").exists()


def test_a_cancel_file_stops_it(predict, tmp_path):
    (tmp_path / "stop").touch()
    code, events, _ = predict(f"--cancel-file={tmp_path / 'stop'}")
    assert (code, states(events)) == (EXIT_CANCELLED, {})
    assert not (tmp_path / "outputs").exists()


def test_people_read_a_line_a_case_and_a_last_one(inputs, small_bundle, networks, tmp_path, capfd):
    arguments = ["challenge", "predict", str(inputs), str(tmp_path / "outputs")]
    code = run([*arguments, f"--bundle={small_bundle}", "--progress=none"])
    said = capfd.readouterr()
    assert code == EXIT_SOME_FAILED
    assert "no meaning for a patient" in said.err
    assert len([line for line in said.err.splitlines() if "RJPD_002: failed" in line]) == 1
    lines = said.out.splitlines()
    assert any(line.startswith("RJPD_001: ") and line.endswith(" s") for line in lines)
    assert "1 of 3 cases predicted" in lines[-1]
    assert "slowest RJPD_001 with" in lines[-1]


def test_help_says_what_the_shipped_model_is_worth(capfd):
    assert run(["challenge", "predict", "--help"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "trained on digital patients" in said
    assert "no meaning for a patient" in said
