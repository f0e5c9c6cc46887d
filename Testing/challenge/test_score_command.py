"""``mrn challenge score``: what it writes, and every way a case can fail."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
from score_cases import NAMES, SPACING, answer, predicted, write_cases, write_mask

from MRNLib.challenge import page
from MRNLib.challenge.layout import no_vote_mark
from MRNLib.cli import console
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT, EXIT_SOME_FAILED

FILES = {
    "batch_seg_eval_results_nm.csv",
    "batch_seg_eval_results_qsm.csv",
    "challenge_measures.csv",
    "challenge_score.json",
    "challenge_score.md",
}
FIRST = NAMES[0]


@pytest.fixture
def cases(tmp_path):
    return write_cases(tmp_path)


@pytest.fixture
def scoring(cases, tmp_path, capfd):
    """Runs the command; gives the exit code, the result and what was said."""

    def go(*options):
        truth, predictions = cases
        arguments = ["challenge", "score", str(truth), str(predictions), "--workers=1"]
        code = run([*arguments, f"--out={tmp_path / 'out'}", "--progress=json", *options])
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        events = [json.loads(line[5:]) for line in said.out.splitlines()]
        results = [event for event in events if event["event"] == "result"]
        return code, results[0] if results else None, said.err

    return go


def test_whole_cases(scoring, tmp_path):
    code, result, _ = scoring()
    out = tmp_path / "out"
    assert code == 0
    assert {path.name for path in out.iterdir()} == FILES
    assert json.loads((out / "challenge_score.json").read_text("utf-8")).items() <= result.items()
    assert (result["cases"], result["problems"], result["classification"]) == (3, {}, None)
    page = (out / "challenge_score.md").read_text("utf-8")
    assert "| CN right | 3 | 0.722" in page
    assert "**this result**" in page
    assert "Research use only" in page
    assert "RJPD_002: no voxel of STN right in the predicted QSM mask" in page
    rows = list(csv.DictReader((out / "challenge_measures.csv").open(encoding="utf-8")))
    assert len(rows) == 3 * 16
    assert {row["nucleus"] for row in rows} >= {"CN", "NM-SN"}


def test_a_row_of_the_shown_tables_is_a_line(cases, capfd, monkeypatch):
    """In the 80 columns of a pipe, also with long numbers."""
    monkeypatch.setattr(console.out, "width", 80)
    no_mask(cases[1] / FIRST)
    far = predicted("QSM", 0)
    far[far == 14] = 0
    far[0, 0, 0] = 14
    write_mask(cases[1] / FIRST / "QSM_pred.nii.gz", far)
    run(["challenge", "score", *map(str, cases), "--workers=1"])
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines[: 2 + 16 + 2 + 4])) <= 80
    assert [cell.strip() for cell in re.split("  +", lines[0])] == [*page.STRUCTURE_HEADER]
    assert [line.split("  ")[0] for line in lines[2:18]] == [
        f"{name} {side}"
        for name in ("CN", "PUT", "GP", "STN", "SN", "RN", "DN", "NM-SN")
        for side in ("right", "left")
    ]
    assert not any("…" in line for line in lines)


def test_the_tables_lie_with_the_predictions_by_default(cases):
    truth, predictions = cases
    assert run(["challenge", "score", str(truth), str(predictions), "--workers=1"]) == 0
    assert {path.name for path in predictions.iterdir()} == FILES | set(NAMES)


def test_workers_give_the_same(scoring, tmp_path):
    scoring()
    alone = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    scoring("--workers=2")
    assert alone == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_diagnoses_are_scored_when_there_are_answers(scoring, cases):
    for name, said, probability in zip(NAMES, "010", (".2", ".9", ".1"), strict=True):
        answer(cases[1], name, said, probability)
    code, result, _ = scoring()
    assert code == 0
    assert result["classification"]["accuracy"] == 1
    assert result["classification"]["figures"]["auc"]["value"] == 1


def test_a_table_that_is_named_asks_for_answers(scoring, cases):
    answer(cases[1], FIRST, "0")
    code, result, _ = scoring(f"--labels={cases[0] / 'labels.csv'}")
    assert code == EXIT_SOME_FAILED
    assert result["problems"] == dict.fromkeys(NAMES[1:], "there is no PD_pred.txt")
    assert result["classification"]["cases"] == 1
    assert result["segmentation"]["structures"][0]["cases"] == 3


def page_parts(tmp_path):
    """The page's text by its second headings."""
    page = (tmp_path / "out" / "challenge_score.md").read_text("utf-8")
    return {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}


def test_missing_votes_are_said_and_have_no_place(scoring, cases, tmp_path, capfd):
    """Two patients told right and a control without a vote: not 1.000 and first."""
    table = tmp_path / "labels.csv"
    rows = ["id,diagnosis", *map(",".join, zip(NAMES, "110", strict=True))]
    table.write_text("\n".join(rows), "utf-8")
    for name in NAMES[:2]:
        answer(cases[1], name, "1")
    code, result, _ = scoring(f"--labels={table}")
    assert code == EXIT_SOME_FAILED
    found = result["classification"]
    assert (found["asked"], found["cases"], found["correct"]) == (3, 2, 2)
    assert found["over_asked"]["value"] == pytest.approx(2 / 3)
    part = page_parts(tmp_path)["Classification"]
    assert "2 of 2 votes correct; without a vote: 1 of 3 cases" in part
    assert "| Accuracy, no vote as wrong | 0.667 [" in part
    assert "**this result**" not in part
    assert "No place among the published results" in part
    assert "**this result**" in page_parts(tmp_path)["Segmentation"]
    run(["challenge", "score", *map(str, cases), f"--labels={table}", "--workers=1"])
    said = capfd.readouterr().out
    assert "2 of 2 votes correct; without a vote: 1 of 3 cases" in said
    assert "Accuracy, no vote as wrong: 0.667 [" in said


def test_missing_masks_are_said_and_have_no_place(scoring, cases, tmp_path):
    no_mask(cases[1] / FIRST)
    _, result, _ = scoring()
    found = result["segmentation"]
    assert found["missing"] == {"NM": 1}
    assert found["over_asked"]["as_printed"] < found["composite_as_printed"]
    part = page_parts(tmp_path)["Segmentation"]
    assert "NM masks: 1 of 3 cases could not be compared" in part
    assert "| left + right, over all cases |" in part
    assert "**this result**" not in part
    assert "No place among the published results" in part


def test_stand_ins_among_the_votes_are_noted(scoring, cases):
    for name in NAMES:
        answer(cases[1], name, "0")
    mark = no_vote_mark(cases[1] / FIRST)
    mark.parent.mkdir()
    mark.write_text("refused\n")
    code, result, _ = scoring()
    assert code == 0
    assert result["classification"]["cases"] == 3
    assert result["notes"] == [f"Votes that only stand in for a refused classification: {FIRST}"]


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
