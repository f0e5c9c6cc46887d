"""Somebody asks a run to stop: it does so within seconds, and the same command goes on."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from cohort_run_helpers import (
    SLOW,
    WAIT_SECONDS,
    diagnoses,
    go,
    order,
    results,
    start,
    wait_for,
)
from stub_diagnoser import write_cases

from MRNLib.cli.cohort import run_order
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_SOME_FAILED, ProgressStyle, Talk
from MRNLib.cli.run import exit_code
from MRNLib.cohort import run as running
from MRNLib.cohort.ticket import TICKET, alone
from MRNLib.errors import Cancelled


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


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("newcomer", ["another run", None])
def test_a_run_that_lost_its_folder_does_not_end_as_if_all_were_done(
    tmp_path, capfd, workers, newcomer
):
    """What happens without file locks, or where somebody removes ``.run``."""
    slow = {f"case_{number:04d}": {"sleep": 1.5} for number in range(2, 8)}
    folder, out = write_cases(tmp_path / "in", 8, **slow), tmp_path / "out"

    def displace():
        wait_for(lambda: len(list((out / "cases").glob("case_*.json"))) >= 2)
        if newcomer is None:
            (out / TICKET).unlink()
        else:
            (out / TICKET).write_text(newcomer)

    thread = threading.Thread(target=displace)
    thread.start()
    what = order(folder, out, workers=workers)
    code = exit_code(lambda: run_order(what, Talk(ProgressStyle.none)))
    thread.join()
    said = capfd.readouterr()
    assert code == EXIT_CANCELLED
    assert "cases done" not in said.out
    assert len(results(out)) < 8
    if newcomer is None:
        assert "the same command goes on" in said.out
    else:
        assert "another run goes on with this folder" in said.out
        assert (out / TICKET).read_text(encoding="utf-8") == newcomer


def test_cases_that_did_not_end_are_no_success(tmp_path, capfd, monkeypatch):
    """Whatever lost them: the numbers come from the cases that ended."""
    folder, out = write_cases(tmp_path / "in", 3), tmp_path / "out"
    run_here = running.run_here
    monkeypatch.setattr(running, "run_here", lambda tasks, *rest: run_here(tasks[:2], *rest))
    code = exit_code(lambda: run_order(order(folder, out), Talk(ProgressStyle.json)))
    assert code == EXIT_SOME_FAILED
    assert '"cases": 3, "done": 2, "failed": 0' in capfd.readouterr().out
    code = exit_code(lambda: run_order(order(folder, out), Talk(ProgressStyle.none)))
    assert code == EXIT_SOME_FAILED
    assert "2 of 3 cases done (2 before), 1 not ended" in capfd.readouterr().out


def test_a_displaced_run_leaves_the_newcomers_ticket(tmp_path):
    with alone(tmp_path):
        (tmp_path / TICKET).write_text("another run")
    assert (tmp_path / TICKET).read_text(encoding="utf-8") == "another run"
    with alone(tmp_path) as ticket:
        assert (tmp_path / TICKET).read_text(encoding="utf-8") == ticket
    assert not (tmp_path / TICKET).exists()
