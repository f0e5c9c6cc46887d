"""A whole cohort: killed workers, killed commands, nothing lost and nothing twice."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import stub_diagnoser
from stub_diagnoser import stub, write_cases

from MRNLib.cluster import scheduling
from MRNLib.cohort import run as running
from MRNLib.cohort.board import CohortBoard, in_words
from MRNLib.cohort.order import Order, chosen_workers
from MRNLib.cohort.records import read_case, read_cases, read_cohort
from MRNLib.cohort.run import run_cohort
from MRNLib.cohort.tables import write_tables
from MRNLib.errors import Cancelled, InputError
from MRNLib.parameters import Parameters

STUB = Path(stub_diagnoser.__file__)
ROOT = STUB.parents[2]
WAIT_SECONDS = 120
# A case whose worker died after it had written the record is found to be done.
DONE = {"done", "done before"}


def order(folder, out, workers=0, **changes) -> Order:
    return Order(folder, out, workers=workers, make=stub, **changes)


def go(what: Order, show=lambda fraction, message: None):
    """Runs it; gives how each case ended."""
    ended = {}

    def tell(outcome):
        assert outcome.key not in ended
        ended[outcome.key] = outcome.value.state

    run_cohort(what, CohortBoard(show, tell, lambda text: None))
    return ended


def results(out):
    """What does not depend on when and where it was computed."""
    return {
        record.identifier: (record.state, record.error, record.identity, record.diagnosis)
        for record in read_cases(out)
    }


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """Results of an undisturbed run over ten cases, by identifier."""
    folder = tmp_path_factory.mktemp("calm")
    go(order(write_cases(folder / "in", 10), folder / "out"))
    return {name: found[3] for name, found in results(folder / "out").items()}


def diagnoses(out):
    return {name: found[3] for name, found in results(out).items()}


def wait_for(what):
    end = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


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
    with running._alone(out), pytest.raises(InputError, match="is at work in this folder"):
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


def test_two_workers_find_what_one_process_does(tmp_path, calm):
    ended = go(order(write_cases(tmp_path / "in", 10), tmp_path / "out", workers=2))
    assert list(ended.values()) == ["done"] * 10
    assert diagnoses(tmp_path / "out") == calm
    workers = {record.worker.split()[0] for record in read_cases(tmp_path / "out")}
    assert workers <= {"0", "1"}
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "."]


def test_a_worker_killed_in_mid_case_loses_nothing(tmp_path, calm):
    once = {"die_once": str(tmp_path / "died"), "sleep": 0.2}
    folder = write_cases(tmp_path / "in", 10, case_0004=once)
    ended = go(order(folder, tmp_path / "out", workers=2))
    assert (tmp_path / "died").exists()
    assert sorted(ended) == sorted(calm)
    assert set(ended.values()) <= DONE
    assert diagnoses(tmp_path / "out") == calm


def test_a_case_that_kills_every_worker_fails_alone(tmp_path, calm, monkeypatch):
    monkeypatch.setattr(scheduling, "DEATHS", 1)
    folder = write_cases(tmp_path / "in", 10, case_0006={"die": True})
    ended = go(order(folder, tmp_path / "out", workers=2))
    assert [name for name, state in ended.items() if state == "failed"] == ["case_0006"]
    record = read_case(tmp_path / "out", "case_0006")
    assert "died again and again" in record.error
    assert record.identity is not None
    found = diagnoses(tmp_path / "out")
    assert found.pop("case_0006") is None
    assert found == {name: calm[name] for name in found}
    # It is passed over by the next run, like any failed case.
    assert go(order(folder, tmp_path / "out"))["case_0006"] == "failed"


def test_what_is_wrong_for_every_case_ends_the_run(tmp_path):
    folder = write_cases(tmp_path / "in", 6, case_0002={"bundle": "the bundle is damaged"})
    for workers in (0, 1):
        with pytest.raises(InputError, match="the bundle is damaged"):
            go(order(folder, tmp_path / f"out{workers}", workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_wish_to_stop_is_heard_within_seconds(tmp_path, workers, calm):
    folder = write_cases(tmp_path / "in", 10, case_0003={"sleep": 60})
    out, asked = tmp_path / "out", []

    def show(fraction, message):
        if "sleeping" in message:
            asked.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        go(order(folder, out, workers=workers), show)
    assert time.monotonic() - asked[0] < 20
    assert 2 <= len(results(out)) < 10
    (folder / "case_0003" / "QSM.nii.gz").write_text("{}")
    ended = go(order(folder, out))
    assert ended["case_0003"] == "done"
    assert "done before" in ended.values()
    assert diagnoses(out) == calm


def start(folder, out, where) -> subprocess.Popen[str]:
    path = f"{ROOT}{os.pathsep}{STUB.parent}"
    return subprocess.Popen(
        [sys.executable, str(STUB), str(folder), str(out), str(where)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


SLOW = {f"case_{number:04d}": {"sleep": 0.3} for number in range(10)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_command_goes_on_when_it_is_given_again(tmp_path, calm, workers):
    folder, out = write_cases(tmp_path / "in", 10, **SLOW), tmp_path / "out"
    first = start(folder, out, workers)
    wait_for(lambda: len(list((out / "cases").glob("case_*.json"))) >= 3)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=WAIT_SECONDS)
    done = {path: path.read_bytes() for path in (out / "cases").glob("case_*.json")}
    assert 3 <= len(done) < 10
    second = start(folder, out, workers)
    said, _ = second.communicate(timeout=WAIT_SECONDS)
    assert second.returncode == 0, said
    assert "10 of 10 cases done" in said
    assert diagnoses(out) == calm
    for path, before in done.items():
        assert path.read_bytes() == before
    assert len(list((out / "cases").iterdir())) == 10
    assert sorted(path.name for path in (out / "results").iterdir()) == sorted(calm)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 2), (15, 0)])
def test_ctrl_c_and_sigterm_end_the_command_in_order(tmp_path, calm, number, workers):
    slow = {**SLOW, "case_0005": {"sleep": 60}}
    folder, out = write_cases(tmp_path / "in", 10, **slow), tmp_path / "out"
    process = start(folder, out, workers)
    wait_for(lambda: len(list((out / "cases").glob("case_*.json"))) >= 5)
    asked = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal does: the whole group, workers included
    said, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, said
    assert time.monotonic() - asked < 20
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not [path.name for path in out.iterdir() if path.name[0] == "."]
    (folder / "case_0005" / "QSM.nii.gz").write_text("{}")
    go(order(folder, out))
    assert diagnoses(out) == calm


def test_a_schedulers_worker_is_killed(tmp_path, calm):
    from distributed import LocalCluster

    folder, out = write_cases(tmp_path / "in", 10, **SLOW), tmp_path / "out"
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:

        def kill():
            wait_for(lambda: len(list((out / "cases").glob("case_*.json"))) >= 3)
            os.kill(cluster.workers[0].pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        ended = go(order(folder, out, None, scheduler=cluster.scheduler_address))
        thread.join()
    assert len(ended) == 10
    assert set(ended.values()) <= DONE
    assert diagnoses(out) == calm


def test_no_scheduler_there(tmp_path):
    folder = write_cases(tmp_path / "in", 1)
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        go(order(folder, tmp_path / "out", None, scheduler="tcp://127.0.0.1:9"))


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


def test_time_left(monkeypatch):
    clock, shown = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    board = CohortBoard(lambda fraction, message: shown.append((fraction, message)))
    board.begin([f"case {number}" for number in range(4)])
    clock[0] = 60.0
    board.progress("case 0", 0.5, "half")
    assert shown[-1] == (0.125, "0 of 4 cases, case 0: half")
    clock[0] = 120.0
    from MRNLib.cluster.tasks import Outcome
    from MRNLib.cohort.work import Found

    board.ended(Outcome("case 0", value=Found("done", 0.5, "PD")), 120.0)
    board.pulse()
    assert shown[-1] == (0.25, "1 of 4 cases, 6 min left")
    assert [in_words(seconds) for seconds in (5, 90, 3600, 7260)] == [
        "5 s left",
        "2 min left",
        "1 h 00 min left",
        "2 h 01 min left",
    ]


def test_a_cluster_still_computes_for_a_command_that_was_killed(tmp_path, calm):
    from distributed import LocalCluster

    folder, out = write_cases(tmp_path / "in", 10, **SLOW), tmp_path / "out"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        first = start(folder, out, cluster.scheduler_address)
        wait_for(lambda: len(list((out / "cases").glob("case_*.json"))) >= 3)
        os.kill(first.pid, signal.SIGKILL)
        first.communicate(timeout=WAIT_SECONDS)
        ended = go(order(folder, out, None, scheduler=cluster.scheduler_address))
    assert len(ended) == 10
    assert set(ended.values()) == DONE
    assert diagnoses(out) == calm
    assert len(list((out / "cases").iterdir())) == 10
