"""Somebody asks a run to stop: it does so within seconds, and the same command goes on."""

from __future__ import annotations

import os
import signal
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
