"""``mrn challenge score``: what it writes and says."""

from __future__ import annotations

import csv
import json
import re

import pytest
import SimpleITK as sitk
from score_cases import NAMES, answer, predicted, write_mask

from MRNLib.challenge import page
from MRNLib.challenge.layout import no_vote_mark
from MRNLib.cli import console
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_SOME_FAILED
from MRNLib.images import PHANTOM_MARK

FILES = {
    "batch_seg_eval_results_nm.csv",
    "batch_seg_eval_results_qsm.csv",
    "challenge_measures.csv",
    "challenge_score.json",
    "challenge_score.md",
}
FIRST = NAMES[0]


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


def test_digital_patients_are_told_from_patients(scoring, cases, tmp_path):
    """A place among results on patients would mean something that it does not."""
    path = cases[0] / FIRST / "QSM_mask.nii.gz"
    image = sitk.ReadImage(str(path))
    image.SetMetaData("ITK_FileNotes", PHANTOM_MARK)
    sitk.WriteImage(image, str(path))
    for name in NAMES:
        answer(cases[1], name, "0")
    assert scoring()[0] == 0
    page = (tmp_path / "out" / "challenge_score.md").read_text("utf-8")
    assert page.count("1 of the cases scored here are digital patients") == 2


def test_a_row_of_the_shown_tables_is_a_line(cases, capfd, monkeypatch):
    """In the 80 columns of a pipe, also with long numbers."""
    monkeypatch.setattr(console.out, "width", 80)
    (cases[1] / FIRST / "NM_pred.nii.gz").unlink()
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
    (cases[1] / FIRST / "NM_pred.nii.gz").unlink()
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
