"""``mrn cohort run`` on a small bundle: what it says, whatever is the matter with a case."""

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
def command(cohort, random_bundle, tmp_path, capfd):
    """Runs the command; gives the exit code, the events and what was said of errors."""

    def go(*options, folder=cohort):
        settings = [f"--bundle={random_bundle}", "--no-jitter", "--folds=0", "--progress=json"]
        settings += [f"--out={tmp_path / 'out'}", "--workers=0"]
        code = run(["cohort", "run", str(folder), *settings, *options])
        said = capfd.readouterr()
        assert "Traceback" not in said.err + said.out
        return code, [json.loads(line[5:]) for line in said.out.splitlines()], said.err

    return go


def states(events):
    return {e["identifier"]: e["state"] for e in events if e["event"] == "case"}


def test_cases_that_cannot_be_used_are_reported_and_the_others_go_on(command, tmp_path):
    code, events, _ = command()
    assert code == EXIT_SOME_FAILED
    assert states(events) == {"P1": "done", "P2": "failed", "P3": "failed"}
    texts = {event["identifier"]: event["text"] for event in events if event["event"] == "case"}
    assert "no NM file" in texts["P2"]
    assert "the file is damaged" in texts["P3"]
    assert events[-1] == {
        "event": "result",
        "cases": 3,
        "done": 1,
        "failed": 2,
        "folder": str(tmp_path / "out"),
    }
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert [path.name for path in (tmp_path / "out" / "results").iterdir()] == ["P1"]
    written = json.loads((tmp_path / "out/results/P1/diagnosis.json").read_text("utf-8"))
    record = json.loads((tmp_path / "out/cases/P1.json").read_text("utf-8"))
    assert record["diagnosis"] == written
    names = [path for path in (tmp_path / "out/results/P1").rglob("*") if path.is_file()]
    assert len(record["files"]) == len(names)
    (done,) = [event for event in events if event.get("state") == "done"]
    assert (done["probability_pd"], done["decision"]) == (
        written["probability_pd"],
        written["decision"],
    )


def test_what_is_done_is_passed_over(command, cohort):
    assert states(command()[1])["P1"] == "done"
    for name in ("P2", "P3"):
        shutil.rmtree(cohort / name)
    code, events, _ = command("--resume")  # what it does without this, too
    assert code == 0
    assert states(events) == {"P1": "done before"}
    assert states(command("--margin=8")[1]) == {"P1": "done"}


def test_a_diagnosis_is_kept_when_its_files_are_gone(command, cohort, tmp_path):
    for name in ("P2", "P3"):
        shutil.rmtree(cohort / name)
    first = command()
    assert first[0] == 0, [one for one in first[1] if one["event"] != "progress"]
    (cohort / "P1" / "NM.nii.gz").unlink()
    code, events, _ = command()
    assert code == 0
    assert states(events) == {"P1": "done before"}
    (said,) = [event["text"] for event in events if event["event"] == "case"]
    assert said.startswith("Its earlier diagnosis is kept. ")
    assert "no NM file" in said
    assert (tmp_path / "out/results/P1/report.html").is_file()
    table = (tmp_path / "out/tables/cases.csv").read_text("utf-8")
    assert "P1,P1,done" in table


def test_what_concerns_every_case_ends_the_command(command, tmp_path):
    code, events, said = command("--no-given-masks")  # this bundle cannot outline nuclei
    assert code == EXIT_INPUT
    assert "no segmenter" in said
    assert states(events) == {}
    code, _, said = command(folder=tmp_path / "nowhere")
    assert code == EXIT_INPUT
    assert "no such folder" in said
    code, events, said = command("--device=abacus")
    assert code == EXIT_INPUT
    assert events[-1]["event"] == "error"
    assert "abacus" in events[-1]["text"]
    assert not (tmp_path / "out").exists()


def test_a_cancel_file_stops_the_command(command, tmp_path):
    (tmp_path / "stop").touch()
    code, events, _ = command(f"--cancel-file={tmp_path / 'stop'}")
    assert code == EXIT_CANCELLED
    assert states(events) == {}
    assert not (tmp_path / "out").exists()


def test_people_read_a_table(cohort, random_bundle, tmp_path, capfd):
    arguments = ["cohort", "run", str(cohort), f"--out={tmp_path / 'out'}", "--progress=none"]
    arguments += [f"--bundle={random_bundle}", "--no-jitter", "--folds=0", "--workers=0"]
    assert run(arguments) == EXIT_SOME_FAILED
    said = capfd.readouterr()
    assert "1 of 3 cases done" in said.out
    assert "Not for clinical use" in said.out
    # One line for each case, its sentences kept apart there and in the table.
    (line,) = [line for line in said.err.splitlines() if "P2" in line]
    assert line.startswith("Warning: P2 was left out. ")
    reason = "no NM file in the folder. Expected: "
    assert reason in line
    assert reason in (tmp_path / "out/tables/failed.csv").read_text("utf-8")
    left_out = [line for line in said.err.splitlines() if "left out" in line]
    assert len(left_out) == len(said.err.splitlines()) == 2


def test_a_worker_finds_what_this_process_does(command, cohort, tmp_path):
    for name in ("P2", "P3"):
        shutil.rmtree(cohort / name)
    found = []
    for name, workers in (("here", 0), ("worker", 1)):
        code, _, _ = command(f"--out={tmp_path / name}", f"--workers={workers}", "--keep=masks")
        assert code == 0
        record = json.loads((tmp_path / name / "cases" / "P1.json").read_text("utf-8"))
        assert record["files"] == ["NM_mask.nii.gz", "QSM_mask.nii.gz"]
        assert record["diagnosis"]["provenance"].pop("created")
        found.append((record["identity"], record["diagnosis"]))
    assert found[0] == found[1]


def test_tables_are_made_again(command, tmp_path, capfd):
    command()
    (tmp_path / "out/tables/cases.csv").unlink()
    assert run(["cohort", "tables", str(tmp_path / "out")]) == 0
    assert str(tmp_path / "out/tables/cases.csv") in capfd.readouterr().out
    assert "P1" in (tmp_path / "out/tables/cases.csv").read_text("utf-8")
    assert run(["cohort", "tables", str(tmp_path)]) == EXIT_INPUT
    assert "no cohort was run into this folder" in capfd.readouterr().err
