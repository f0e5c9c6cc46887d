"""``mrn batch``: every case of a folder, whatever is the matter with one of them."""

from __future__ import annotations

import json
import shutil

import pytest

from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT, EXIT_SOME_FAILED


@pytest.fixture
def cohort(phantom_case, tmp_path):
    """One sound case, one that lacks its NM file, one whose NM file is damaged."""
    folder = tmp_path / "cohort"
    for name in ("P1", "P2", "P3"):
        shutil.copytree(phantom_case.qsm.parent, folder / name)
    (folder / "P2" / "NM.nii.gz").unlink()
    (folder / "P3" / "NM.nii.gz").write_bytes(b"no image")
    return folder


@pytest.fixture
def batch(cohort, random_bundle, tmp_path, capfd):
    """Runs the command; gives the exit code, the events and what was said of errors."""

    def go(*options, folder=cohort):
        settings = [f"--bundle={random_bundle}", "--no-jitter", "--folds=0", "--progress=json"]
        code = run(["batch", str(folder), f"--out={tmp_path / 'out'}", *settings, *options])
        said = capfd.readouterr()
        assert "Traceback" not in said.err + said.out
        return code, [json.loads(line[5:]) for line in said.out.splitlines()], said.err

    return go


def states(events):
    return {e["identifier"]: e["state"] for e in events if e["event"] == "case"}


def test_cases_that_cannot_be_used_are_reported_and_the_others_go_on(batch, tmp_path):
    code, events, _ = batch()
    assert code == EXIT_SOME_FAILED
    assert states(events) == {"P1": "done", "P2": "failed", "P3": "failed"}
    texts = [event["text"] for event in events if event["event"] == "case"]
    assert "no NM file" in texts[1]
    assert "the file is damaged" in texts[2]
    assert events[-1] == {
        "event": "result",
        "cases": 3,
        "failed": 2,
        "folder": str(tmp_path / "out"),
    }
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["P1"]
    written = json.loads((tmp_path / "out" / "P1" / "diagnosis.json").read_text("utf-8"))
    (done,) = [event for event in events if event.get("state") == "done"]
    assert (done["probability_pd"], done["decision"]) == (
        written["probability_pd"],
        written["decision"],
    )


def test_what_is_done_is_passed_over(batch, cohort):
    assert states(batch()[1])["P1"] == "done"
    for name in ("P2", "P3"):
        shutil.rmtree(cohort / name)
    code, events, _ = batch()
    assert code == 0
    assert states(events) == {"P1": "done before"}
    assert states(batch("--margin=8")[1]) == {"P1": "done"}


def test_what_concerns_every_case_ends_the_batch(batch, tmp_path):
    code, events, said = batch("--no-given-masks")  # this bundle cannot outline nuclei
    assert code == EXIT_INPUT
    assert "no segmenter" in said
    assert states(events) == {}
    code, _, said = batch(folder=tmp_path / "nowhere")
    assert code == EXIT_INPUT
    assert "no such folder" in said
    assert not (tmp_path / "out").exists()


def test_a_cancel_file_stops_the_batch(batch, tmp_path):
    (tmp_path / "stop").touch()
    code, events, _ = batch(f"--cancel-file={tmp_path / 'stop'}")
    assert code == EXIT_CANCELLED
    assert states(events) == {}
    assert not (tmp_path / "out").exists()


def test_people_read_a_table(cohort, random_bundle, tmp_path, capfd):
    arguments = ["batch", str(cohort), f"--out={tmp_path / 'out'}", f"--bundle={random_bundle}"]
    assert run([*arguments, "--no-jitter", "--folds=0", "--progress=none"]) == EXIT_SOME_FAILED
    said = capfd.readouterr()
    assert "1 of 3 cases done" in said.out
    assert "Not for clinical use" in said.out
    assert "P2 was left out" in said.err
    assert "no NM file" in said.err
