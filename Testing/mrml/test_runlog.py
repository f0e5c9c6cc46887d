"""The lines of the Log tab."""

from __future__ import annotations

import re

import pytest
from MRNDiagnosisLib.runlog import RunLog
from MRNDiagnosisLib.runs import Runs
from panel_helpers import FakeRunner

TIME = re.compile(r"\d\d:\d\d:\d\d  ")


@pytest.fixture
def lines():
    return []


def test_a_run_leaves_its_start_steps_warnings_and_end(lines):
    runner = FakeRunner()
    runs = Runs(runner, lambda: None, lines.append)
    runs.start("bundle", ["bundle", "add", "x"], lambda result: None)
    runner.event("progress", fraction=0.1, message="Reading")
    runner.event("progress", fraction=0.2, message="Reading")
    runner.on_line("a line of the program")
    runner.event("warning", text="the unit was ppm")
    runner.finish(bundle="x")
    said = [TIME.sub("", line) for line in lines]
    assert said[:-1] == [
        "bundle: started",
        "10 % Reading",
        "a line of the program",
        "Warning: the unit was ppm",
    ]
    assert re.fullmatch(r"bundle: done after \d+\.\d s", said[-1])
    assert sum(bool(TIME.match(line)) for line in lines) == 4


@pytest.mark.parametrize(
    ("error", "cancelled", "said"),
    [
        ("no volume", False, "failed after"),
        ("", True, "cancelled after"),
        ("", False, "done after"),
    ],
)
def test_the_end(lines, error, cancelled, said):
    log = RunLog(lines.append)
    log.begin("segment")
    log.end("segment", error, cancelled)
    assert said in lines[1]
    assert lines[2:] == ([error] if error else [])
