"""What is said of how far a cohort has come."""

from __future__ import annotations

import time

from MRNLib.cluster.tasks import Outcome
from MRNLib.cohort.board import CohortBoard, in_words
from MRNLib.cohort.work import Found


def test_time_left(monkeypatch):
    clock, shown = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    board = CohortBoard(lambda fraction, message: shown.append((fraction, message)))
    board.begin([f"case {number}" for number in range(4)])
    clock[0] = 60.0
    board.progress("case 0", 0.5, "half")
    assert shown[-1] == (0.125, "0 of 4 cases, case 0: half")
    clock[0] = 120.0
    board.ended(Outcome("case 0", value=Found("done", 0.5, "PD")), 120.0)
    board.pulse()
    assert shown[-1] == (0.25, "1 of 4 cases, 6 min left")
    assert [in_words(seconds) for seconds in (5, 90, 3600, 7260)] == [
        "5 s left",
        "2 min left",
        "1 h 00 min left",
        "2 h 01 min left",
    ]
