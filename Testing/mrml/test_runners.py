"""Programs started as Slicer starts them, and ended with all that they started."""

from __future__ import annotations

import os
import shutil
import sys
import types
from pathlib import Path

import pytest
from job_helpers import STUBBORN, Heard, running
from MRNDiagnosisLib import runners
from MRNDiagnosisLib.jobs import SlicerRunner
from MRNDiagnosisLib.runners import kill_descendants

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_descendants_are_found_without_a_group(program, tmp_path):
    """What :class:`SlicerRunner` has to do, as its process shares Slicer's own group."""
    heard = Heard(out=tmp_path / "results" / "out")
    heard.job.start(program(STUBBORN))
    heard.until(lambda: heard.log)
    pids = [int(word) for word in heard.log[0].split()[1:]]
    kill_descendants(pids[0])
    outcome = heard.end(20)
    assert "signal 9" in outcome.error
    heard.until(lambda: not any(map(running, pids)), 5)


@pytest.fixture
def inside(scene, monkeypatch, tmp_path):
    """Slicer's real non-blocking launch; only Qt's timer and PythonSlicer are stand-ins.

    PythonSlicer is a launcher that waits for the real Python, as Slicer's own is.
    """
    due = []
    timer = types.SimpleNamespace(singleShot=lambda ms, call: due.append(call))
    monkeypatch.setitem(sys.modules, "qt", types.SimpleNamespace(QTimer=timer))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def turn():
        for call in [due.pop(0) for _ in range(len(due))]:
            call()

    def launcher(*program):
        path = tmp_path / "PythonSlicer"
        words = " ".join(f"'{word}'" for word in (sys.executable, *program))
        path.write_text(f'#!/bin/sh\n{words} "$@"\nexit $?\n')
        path.chmod(0o755)

    launcher()
    return types.SimpleNamespace(turn=turn, launcher=launcher)


def test_slicers_own_launch_runs_the_command(inside, phantom_case, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    heard = Heard("check", phantom_case)
    heard.job.start(SlicerRunner())
    heard.until(lambda: inside.turn() or not heard.job.running)
    outcome = heard.end(0)
    assert outcome.code == 0, heard.log
    assert outcome.result["identifier"] == phantom_case.identifier
    assert heard.progress[-1][0] == 1.0


def test_slicers_own_launch_is_killed_with_what_it_started(inside, program, tmp_path):
    program(STUBBORN)
    inside.launcher("-u", str(tmp_path / "program.py"))
    heard = Heard(out=tmp_path / "results" / "out", grace=0.2)
    heard.job.start(SlicerRunner())
    heard.until(lambda: inside.turn() or heard.log)
    pids = [int(word) for word in heard.log[0].split()[1:]]
    assert all(map(running, pids))
    heard.job.cancel()
    heard.until(lambda: inside.turn() or not heard.job.running, 20)
    assert heard.end(0).cancelled
    heard.until(lambda: not any(map(running, pids)), 5)


def test_a_slicer_without_its_python_is_said(inside, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    outcome = Heard().run(SlicerRunner())
    assert "PythonSlicer" in outcome.error


HAS_PROC = Path("/proc/self/stat").exists()
in_proc = pytest.mark.skipif(not HAS_PROC, reason="a platform without /proc")
by_ps = pytest.mark.skipif(
    HAS_PROC and shutil.which("ps") is None, reason="a platform with /proc, where ps is not asked"
)


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(runners._parents_in_proc, marks=in_proc),
        pytest.param(runners._parents_by_ps, marks=by_ps),
    ],
)
def test_parents_are_found_with_and_without_proc(look):
    assert look()[os.getpid()] == os.getppid()
