"""A whole cohort: what is run, by how many workers, and what of it is in the tables."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter

import pytest
from cohort_run_helpers import (
    diagnoses,
    go,
    order,
    results,
)
from stub_diagnoser import write_cases

from MRNLib.cli.app import run as run_command
from MRNLib.cohort import report
from MRNLib.cohort import run as running
from MRNLib.cohort.board import CohortBoard
from MRNLib.cohort.order import chosen_workers
from MRNLib.cohort.records import read_case, read_cases, read_cohort
from MRNLib.cohort.run import run_cohort
from MRNLib.cohort.tables import write_tables
from MRNLib.cohort.ticket import alone
from MRNLib.diagnoses import read_diagnoses
from MRNLib.errors import Cancelled, InputError
from MRNLib.parameters import Parameters


def test_a_folder_is_worked_through_and_put_into_tables(tmp_path):
    folder = write_cases(tmp_path / "in", 4, case_0001={"error": "no midbrain,\nor so"})
    (folder / "case_0002" / "NM.nii.gz").unlink()
    out = tmp_path / "out"
    ended = go(order(folder, out))
    assert list(ended.values()).count("done") == 2
    assert [name for name, state in ended.items() if state == "failed"] == [
        "case_0002",
        "case_0001",
    ]
    cohort = read_cohort(out)
    assert cohort.cases == [f"case_{number:04d}" for number in range(4)]
    assert (cohort.layout, cohort.keep, cohort.folder) == ("challenge", "report", str(folder))
    with (out / "tables" / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["identifier"] for row in rows] == cohort.cases
    assert rows[1]["error"] == "no midbrain, or so"
    assert rows[1]["probability_pd"] == ""
    found = read_case(out, "case_0000").diagnosis
    assert float(rows[0]["probability_pd"]) == found["probability_pd"]
    with (out / "tables" / "failed.csv").open(newline="") as stream:
        failed = list(csv.DictReader(stream))
    assert [row["identifier"] for row in failed] == ["case_0001", "case_0002"]
    with (out / "tables" / "biomarkers.csv").open(newline="") as stream:
        measured = list(csv.DictReader(stream))
    assert Counter(row["identifier"] for row in measured) == {
        name: len(found["biomarkers"]) for name in ("case_0000", "case_0003")
    }
    # Once more: nothing is done again, and the tables come out the same.
    before = {path.name: path.read_bytes() for path in (out / "tables").iterdir()}
    assert set(go(order(folder, out)).values()) == {"done before", "failed"}
    write_tables(out)
    assert {path.name: path.read_bytes() for path in (out / "tables").iterdir()} == before
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_a_bids_data_set_takes_its_groups_from_its_participants(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    for session in ("sub-01/ses-1", "sub-01/ses-2", "sub-02", "sub-03"):
        place = folder / session / "anat"
        place.mkdir(parents=True)
        name = session.replace("/", "_")
        (place / f"{name}_Chimap.nii.gz").write_text("{}")
        (place / f"{name}_MTw.nii.gz").write_text(name)
    participants = folder / "participants.tsv"
    participants.write_text("participant_id\tgroup\nsub-01\tPD\nsub-02\tcontrol\nsub-03\tn/a\n")
    go(order(folder, out))
    shown = report.read(out, read_cohort(out), read_diagnoses(participants))
    assert {case.identifier: case.group for case in shown.cases} == {
        "sub-01_ses-1": "PD",
        "sub-01_ses-2": "PD",
        "sub-02": "HC",
        "sub-03": None,
    }


def test_parquet_holds_what_csv_does(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    go(order(write_cases(tmp_path / "in", 2, case_0001={"error": "no midbrain"}), out))
    for name in ("cases", "biomarkers", "failed"):
        table = pandas.read_parquet(out / "tables" / f"{name}.parquet")
        same = pandas.read_csv(out / "tables" / f"{name}.csv")
        assert list(table) == list(same)
        assert len(table) == len(same)
    cases = pandas.read_parquet(out / "tables" / "cases.parquet")
    assert cases["probability_pd"].dtype == float
    assert cases["probability_pd"].isna().tolist() == [False, True]


def test_another_cohort_or_another_run_is_refused(tmp_path):
    folder, out = write_cases(tmp_path / "in", 1), tmp_path / "out"
    go(order(folder, out))
    with pytest.raises(InputError, match="results of another cohort"):
        go(order(write_cases(tmp_path / "other", 1), out))
    with alone(out), pytest.raises(InputError, match="is at work in this folder"):
        go(order(folder, out))
    with pytest.raises(InputError, match="There is no fold 7"):
        go(order(folder, out, parameters=Parameters(folds=(7,))))


def test_other_settings_are_done_again_and_failed_ones_on_request(tmp_path):
    folder = write_cases(tmp_path / "in", 2, case_0000={"error": "no midbrain"})
    out = tmp_path / "out"
    assert list(go(order(folder, out)).values()) == ["failed", "done"]
    again = go(order(folder, out, retry_failed=True))
    assert again == {"case_0000": "failed", "case_0001": "done before"}
    other = Parameters(margin_mm=9.0)
    assert go(order(folder, out, parameters=other))["case_0001"] == "done"
    assert read_cohort(out).settings["margin_mm"] == 9.0


def hashes(out, table="cases"):
    with (out / "tables" / f"{table}.csv").open(newline="") as stream:
        return [row["settings_hash"] for row in csv.DictReader(stream)]


def test_records_of_several_settings_are_told_apart(tmp_path, capfd):
    """A run, and the same with another margin that is cancelled halfway."""
    folder, out = write_cases(tmp_path / "in", 6, case_0001={"error": "none"}), tmp_path / "out"
    go(order(folder, out))
    assert write_tables(out)[1] == ""
    (old,) = set(hashes(out))
    other = order(folder, out, parameters=Parameters(margin_mm=9.0))

    def stop(fraction, message):
        if len(list((out / "cases").glob("*.json"))) == 6 and message.startswith("3 of 6"):
            raise Cancelled

    board = CohortBoard(stop)
    board.pulse = lambda: stop(0.0, f"{board._ended} of 6")
    with pytest.raises(Cancelled):
        run_cohort(other, board)
    for command in ("tables", "report"):
        assert run_command(["cohort", command, str(out)]) == 0
        said = " ".join(capfd.readouterr().err.split())
        assert said.startswith("Warning: 3 of 6 records were made with another bundle or other")
    assert "3 of 6 records were made with another bundle" in (out / "cohort.html").read_text(
        encoding="utf-8"
    )
    new = read_cohort(out).settings_hash
    assert hashes(out) == [new] * 3 + [old] * 3
    assert hashes(out, "failed") == [new]
    assert set(hashes(out, "biomarkers")) == {old, new}
    go(other)
    assert set(hashes(out)) == {new}
    assert run_command(["cohort", "report", str(out)]) == 0
    assert "Warning" not in capfd.readouterr().err


def test_settings_that_make_no_difference_and_old_records_are_no_mixture(tmp_path):
    """There are no masks that could be passed over; versions before noted no settings."""
    folder, out = write_cases(tmp_path / "in", 3, case_0001={"error": "none"}), tmp_path / "out"
    go(order(folder, out))
    for number in range(3):
        path = out / "cases" / f"case_{number:04d}.json"
        path.write_text(
            json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"settings_hash": None})
        )
    assert write_tables(out)[1] == ""
    assert set(hashes(out)) == {""}
    assert "done" not in go(order(folder, out, given_masks=False)).values()
    assert set(hashes(out)) == {read_cohort(out).settings_hash}
    assert write_tables(out)[1] == ""


def test_two_workers_find_what_one_process_does(tmp_path, calm):
    ended = go(order(write_cases(tmp_path / "in", 10), tmp_path / "out", workers=2))
    assert list(ended.values()) == ["done"] * 10
    assert diagnoses(tmp_path / "out") == calm
    workers = {record.worker.split()[0] for record in read_cases(tmp_path / "out")}
    assert workers <= {"0", "1"}
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "."]


def test_what_is_wrong_for_every_case_ends_the_run(tmp_path):
    folder = write_cases(tmp_path / "in", 6, case_0002={"bundle": "the bundle is damaged"})
    for workers in (0, 1):
        with pytest.raises(InputError, match="the bundle is damaged"):
            go(order(folder, tmp_path / f"out{workers}", workers=workers))


def test_no_scheduler_there(tmp_path):
    folder = write_cases(tmp_path / "in", 1)
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        go(order(folder, tmp_path / "out", None, scheduler="tcp://127.0.0.1:9"))


def test_workers_beside_a_scheduler_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"--workers.*--scheduler") as refused:
        order(tmp_path, tmp_path, 2, scheduler="tcp://127.0.0.1:9")
    assert "\n" not in str(refused.value)


def test_how_many_workers(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("MRNLib.cohort.order._memory", lambda: 10 * 2**30)
    chosen = order(tmp_path, tmp_path, None)
    assert [chosen_workers(chosen, cases) for cases in (1, 2, 100)] == [1, 2, 3]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert chosen_workers(chosen, 100) == 4
    assert chosen_workers(order(tmp_path, tmp_path, None, parameters=Parameters(device="cpu")), 9)
    assert chosen_workers(order(tmp_path, tmp_path, 7), 100) == 7


def test_without_dask_cases_are_done_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_installed", lambda name: False)
    said = []
    board = CohortBoard(say=said.append)
    run_cohort(order(write_cases(tmp_path / "in", 2), tmp_path / "out", None), board)
    assert len(results(tmp_path / "out")) == 2
    assert "Dask is not installed" in said[0]
