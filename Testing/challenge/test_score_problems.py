"""``mrn challenge score``: every way a case, or the whole, can fail."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from score_cases import NAMES, SPACING, answer, predicted, write_mask

from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT, EXIT_SOME_FAILED

FIRST = NAMES[0]


def no_prediction(folder):
    shutil.rmtree(folder)


def no_mask(folder):
    (folder / "NM_pred.nii.gz").unlink()


def other_size(folder):
    write_mask(folder / "NM_pred.nii.gz", predicted("NM", 0)[:, :, :-1])


def other_spacing(folder):
    write_mask(folder / "NM_pred.nii.gz", predicted("NM", 0), (1, 1, 2))


def wrong_labels(folder):
    write_mask(folder / "NM_pred.nii.gz", predicted("QSM", 0))


def fractional_labels(folder):
    write_mask(folder / "NM_pred.nii.gz", predicted("NM", 0).astype(np.float32) * 0.5)


def unreadable(folder):
    (folder / "NM_pred.nii.gz").write_bytes(b"no image")


def cut_off(folder):
    path = folder / "NM_pred.nii.gz"
    path.write_bytes(path.read_bytes()[:-60])


def twice(folder):
    write_mask(folder / "NM_pred.nii", predicted("NM", 0))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_prediction, "there is no folder"),
        (no_mask, "there is no NM_pred.nii.gz"),
        (other_size, "on another grid than the true mask (47 x 48 x 14 voxels"),
        (other_spacing, "on another grid than the true mask (48 x 48 x 14 voxels of 1 x 1 x 2 mm"),
        (wrong_labels, "NM_pred.nii.gz: wrong labels, up to 16 where the NM mask has 0 to 2"),
        (fractional_labels, "labels are not whole numbers: 0.5"),
        (unreadable, "NM_pred.nii.gz: the file is damaged"),
        (cut_off, "NM_pred.nii.gz: the file is damaged"),
        (twice, "NM_pred is there 2 times"),
    ],
)
def test_a_case_that_cannot_be_scored_is_one_line(scoring, cases, spoil, said):
    spoil(cases[1] / FIRST)
    code, result, _ = scoring()
    assert code == EXIT_SOME_FAILED
    (line,) = result["problems"].values()
    assert said in line
    assert "\n" not in line
    counted = {(one["mask"], one["cases"]) for one in result["segmentation"]["structures"]}
    assert counted == {("QSM", 2 if spoil is no_prediction else 3), ("NM", 2)}


@pytest.mark.parametrize(
    ("said", "probability", "problem"),
    [
        ("PD", None, "PD_pred.txt: 'PD' is neither 0 nor 1"),
        ("", None, "PD_pred.txt: '' is neither 0 nor 1"),
        ("1", "1.5", "PD_prob.txt: '1.5' is no probability"),
        ("1", "nan", "PD_prob.txt: 'nan' is no probability"),
        ("1", "high", "PD_prob.txt: 'high' is no probability"),
    ],
)
def test_an_answer_that_is_none(scoring, cases, said, probability, problem):
    for name in NAMES:
        answer(cases[1], name, "1", "0.5")
    answer(cases[1], FIRST, said, probability)
    code, result, _ = scoring()
    assert code == EXIT_SOME_FAILED
    assert result["problems"] == {FIRST: problem}
    assert result["classification"]["cases"] == 2


def test_an_answer_that_is_no_text(scoring, cases):
    answer(cases[1], NAMES[1], "1")
    (cases[1] / FIRST / "PD_pred.txt").write_bytes(b"\xff\xfe\x00")
    _, result, _ = scoring()
    assert result["problems"][FIRST] == "PD_pred.txt: cannot be read as text"


def test_an_empty_prediction_is_scored(scoring, cases):
    write_mask(cases[1] / FIRST / "NM_pred.nii.gz", np.zeros_like(predicted("NM", 0)))
    code, result, _ = scoring()
    assert code == 0
    assert result["empty"][FIRST] == [
        "no voxel of NM-SN left, NM-SN right in the predicted NM mask"
    ]
    found = {(one["nucleus"], one["side"]): one for one in result["segmentation"]["structures"]}
    assert found["NM-SN", "R"]["infinite"] == 1


def test_an_empty_truth_is_not(scoring, cases):
    write_mask(cases[0] / FIRST / "NM_mask.nii.gz", np.zeros_like(predicted("NM", 0)))
    code, result, _ = scoring()
    assert code == EXIT_SOME_FAILED
    assert result["problems"] == {FIRST: "NM_mask: the true mask is empty"}


def test_what_lies_outside_is_noted(scoring, cases):
    truth, predictions = cases
    shutil.copytree(predictions / FIRST, predictions / "RJPD_009")
    answer(predictions, FIRST, "0")
    table = truth.parent / "labels.csv"
    table.write_text(f"id,diagnosis\n{FIRST},0\nRJPD_500,1\n", "utf-8")
    code, result, _ = scoring(f"--labels={table}")
    assert code == 0
    assert result["notes"] == [
        "Predictions without a truth, not scored: RJPD_009",
        f"Cases without a diagnosis in the table, not classified: {NAMES[1]}, {NAMES[2]}",
        "Cases of the table that are in neither folder, not scored: RJPD_500",
    ]


def test_truth_of_one_modality(scoring, cases):
    for name in NAMES:
        (cases[0] / name / "QSM_mask.nii.gz").unlink()
    code, result, _ = scoring()
    assert code == 0
    assert "QSM is not scored" in result["notes"][0]
    assert result["segmentation"]["composite_as_printed"] is None


def test_all_cases_failed(scoring, cases, tmp_path):
    for name in NAMES:
        shutil.rmtree(cases[1] / name)
    code, result, _ = scoring()
    assert code == EXIT_SOME_FAILED
    assert result["segmentation"] is None
    assert len(result["problems"]) == 3
    assert not (tmp_path / "out" / "batch_seg_eval_results_nm.csv").exists()


@pytest.mark.parametrize("which", [0, 1])
def test_a_folder_that_is_not_there(scoring, cases, which):
    shutil.rmtree(cases[which])
    code, _, said = scoring()
    assert code == EXIT_INPUT
    assert "there is no such folder" in said


def test_a_folder_without_cases(scoring, cases):
    shutil.rmtree(cases[0])
    cases[0].mkdir()
    code, _, said = scoring()
    assert code == EXIT_INPUT
    assert "nothing to compare" in said


def test_cancelled(scoring, tmp_path):
    stop = tmp_path / "stop"
    stop.touch()
    for workers in (1, 2):
        code, _, _ = scoring(f"--cancel-file={stop}", f"--workers={workers}")
        assert code == EXIT_CANCELLED
    assert not (tmp_path / "out").exists()


def test_grids_may_differ_by_rounding(scoring, cases):
    spacing = tuple(np.float32(mm) for mm in SPACING)
    write_mask(
        cases[1] / FIRST / "NM_pred.nii.gz", predicted("NM", 0), [float(mm) for mm in spacing]
    )
    assert scoring()[0] == 0
