"""Workers, schedulers' workers and commands are killed: nothing is lost and nothing done twice."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from cohort_run_helpers import (
    SLOW,
    WAIT_SECONDS,
    diagnoses,
    go,
    order,
    start,
    wait_for,
)
from stub_diagnoser import write_cases

from MRNLib.cluster import scheduling
from MRNLib.cohort.records import read_case


def test_a_worker_killed_in_mid_case_loses_nothing(tmp_path, calm):
    once = {"die_once": str(tmp_path / "died"), "sleep": 0.2}
    folder = write_cases(tmp_path / "in", 10, case_0004=once)
    ended = go(order(folder, tmp_path / "out", workers=2))
    assert (tmp_path / "died").exists()
    assert sorted(ended) == sorted(calm)
    assert set(ended.values()) == {"done"}
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
    assert set(ended.values()) == {"done"}
    assert diagnoses(out) == calm


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
    assert set(ended.values()) == {"done", "done before"}
    assert diagnoses(out) == calm
    assert len(list((out / "cases").iterdir())) == 10
