"""Runs of a cohort of stub cases: in this process, on workers, or as a command of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import stub_diagnoser
from stub_diagnoser import stub

from MRNLib.cohort.board import CohortBoard
from MRNLib.cohort.order import Order
from MRNLib.cohort.records import read_cases
from MRNLib.cohort.run import run_cohort

STUB = Path(stub_diagnoser.__file__)
ROOT = STUB.parents[2]
WAIT_SECONDS = 120


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


def diagnoses(out):
    return {name: found[3] for name, found in results(out).items()}


def wait_for(what):
    end = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


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
