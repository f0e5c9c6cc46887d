"""Runs of the real ``mrn`` command in a process of its own, and of programs that misbehave."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import textwrap
import time
import types
from dataclasses import replace
from pathlib import Path

import pytest
from MRNDiagnosisLib import jobs, runners
from MRNDiagnosisLib.jobs import Job, Outcome, ProcessRunner, SlicerRunner, arguments, parse
from MRNDiagnosisLib.runners import kill_descendants

from MRNLib.casefiles import Case
from MRNLib.cli import console
from MRNLib.parameters import Parameters
from Testing.bad_inputs import ROWS

CASE = Case("P1", Path("q.nii.gz"), Path("n.nii.gz"))
DEFAULTS = Parameters()


class Heard:
    """What the callbacks of a job were told, and the job run to its end."""

    def __init__(self, command="diagnose", case=CASE, parameters=DEFAULTS, out=None, **more):
        self.progress, self.log, self.warnings, self.outcomes = [], [], [], []
        self.job = Job(
            command,
            case,
            parameters,
            out,
            on_progress=lambda fraction, message: self.progress.append((fraction, message)),
            on_log=self.log.append,
            on_warning=self.warnings.append,
            on_done=self.done,
            **more,
        )

    def done(self, outcome):
        assert not self.job.running
        self.outcomes.append(outcome)

    def run(self, runner=None, timeout=120) -> Outcome:
        self.job.start(runner or ProcessRunner())
        return self.end(timeout)

    def end(self, timeout=120) -> Outcome:
        assert self.job.wait(timeout), self.log
        assert not self.job.folder.exists()
        (outcome,) = self.outcomes
        return outcome

    def until(self, condition, timeout=60):
        limit = time.monotonic() + timeout
        while not condition() and time.monotonic() < limit:
            time.sleep(0.02)
        assert condition(), self.log


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A temporary place of the test's own, in which nothing may be left."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    yield place
    assert list(place.iterdir()) == []


@pytest.fixture
def program(tmp_path):
    """A runner of a small Python program; its source finds the cancel file as ``cancel``."""

    def write(source):
        path = tmp_path / "program.py"
        start = """
            import json, os, subprocess, sys, time
            options = dict(a.split("=", 1) for a in sys.argv if a.startswith("--") and "=" in a)
            cancel = options["--cancel-file"]
        """
        path.write_text(textwrap.dedent(start) + textwrap.dedent(source))
        return ProcessRunner([sys.executable, "-u", str(path)])

    return write


def running(pid):
    """Whether a process is there and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_a_real_run_reports_progress_and_its_result(phantom_case, random_bundle, tmp_path):
    parameters = Parameters(bundle=str(random_bundle), folds=(1,), jitter=False)
    heard = Heard(case=phantom_case, parameters=parameters, out=tmp_path / "out")
    outcome = heard.run()
    assert outcome.code == 0, heard.log
    assert outcome.error is None
    assert not outcome.cancelled
    fractions = [fraction for fraction, _ in heard.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert not any("@mrn" in line for line in heard.log)
    written = json.loads((tmp_path / "out" / "diagnosis.json").read_text("utf-8"))
    assert outcome.result["probability_pd"] == written["probability_pd"]
    assert heard.warnings == written["warnings"]
    assert written["identifier"] == phantom_case.identifier
    assert [fold["fold"] for fold in written["folds"]] == [1]


def test_files_made_for_the_run_and_its_results_live_until_it_was_looked_at(phantom_case, tmp_path):
    made, seen = [], []

    def prepare(folder):
        made.append(folder)
        assert folder.is_dir()
        return phantom_case

    heard = Heard("check", prepare)
    heard.job.on_done = lambda outcome: (heard.done(outcome), seen.append(made[0].is_dir()))
    outcome = heard.run()
    assert outcome.code == 0, heard.log
    assert outcome.result["phantom"] is True
    assert seen == [True]


def test_a_bad_input_ends_with_the_librarys_own_text(tmp_path):
    row = next(row for row in ROWS if row.kind == "error" and not row.options)
    paths = row.build(tmp_path)
    heard = Heard("check", Case("bad", **paths))
    outcome = heard.run()
    assert outcome.code == console.EXIT_INPUT
    assert outcome.result is None
    for fragment in row.expected:
        assert fragment in outcome.error
    assert "Traceback" not in outcome.error
    assert 1 <= len(outcome.error.splitlines()) <= 3


def test_a_command_without_a_case_runs_too(random_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("MRN_BUNDLES", str(tmp_path / "bundles"))
    heard = Heard(["bundle", "add", str(random_bundle)], None)
    outcome = heard.run()
    assert outcome.code == 0, heard.log
    assert outcome.result["bundle"] == "random"
    assert heard.progress[-1][0] == 1.0
    refused = Heard(["bundle", "add", str(tmp_path / "nowhere")], None).run()
    assert "no such file" in refused.error


def test_cancel_ends_a_real_run_within_seconds(phantom_case, random_bundle, tmp_path):
    parameters = Parameters(bundle=str(random_bundle))
    heard = Heard(case=phantom_case, parameters=parameters, out=tmp_path / "out", grace=30)
    heard.job.start(ProcessRunner())
    heard.until(lambda: heard.progress)
    asked = time.monotonic()
    heard.job.cancel()
    heard.job.cancel()  # a second click
    outcome = heard.end(20)
    assert time.monotonic() - asked < 15
    assert outcome == Outcome(console.EXIT_CANCELLED, None, None, True)
    assert not (tmp_path / "out").exists()


def test_lines_that_are_no_events_are_the_log(program):
    runner = program("""
        print("@mrn {broken")
        print("@mrn")
        print("@mrn 5")
        print('@mrn {"event": 1}')
        print('@mrn {"event": "progress"}')
        print('@mrn {"event": "warning", "text": 3}')
        print("a word on the way", file=sys.stderr)
        sys.stdout.buffer.write(b"not \\xff text\\n")
        print('50%|###  @mrn {"event": "progress", "fraction": 0.5, "message": "half"}')
        print('@mrn {"event": "unknown to this front end"}')
        print('@mrn {"event": "result", "value": 7}')
    """)
    heard = Heard()
    outcome = heard.run(runner)
    assert outcome == Outcome(0, {"event": "result", "value": 7}, None, False)
    assert heard.progress == [(0.5, "half")]
    assert heard.warnings == []
    assert len(heard.log) == 9
    assert "a word on the way" in heard.log
    assert heard.log[-1].startswith("50%")


@pytest.mark.parametrize("line", ["", "@mrn ", "@mrn {}", "@mrn []", '{"event": "result"}'])
def test_parse_takes_events_only(line):
    assert parse(line) is None


OUT_OF_MEMORY = """
    if "--device=cpu" in sys.argv:
        print('@mrn {"event": "result", "device": "cpu"}')
        sys.exit()
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 MiB")
    sys.exit(1)
"""


def test_out_of_gpu_memory_is_tried_once_more_on_the_cpu(program):
    heard = Heard()
    outcome = heard.run(program(OUT_OF_MEMORY))
    assert outcome.code == 0
    assert outcome.result["device"] == "cpu"
    assert heard.warnings == [jobs.RETRY]


def test_out_of_memory_on_the_cpu_is_not_tried_for_ever(program):
    heard = Heard()
    source = OUT_OF_MEMORY.replace('if "--device=cpu" in sys.argv:', "if False:")
    outcome = heard.run(program(source))
    assert outcome.code == 1
    assert heard.warnings == [jobs.RETRY]
    assert "out of memory" in outcome.error


def test_an_input_error_that_speaks_of_memory_is_not_retried(program):
    heard = Heard()
    heard.run(program("print('out of memory'); sys.exit(2)"))
    assert heard.warnings == []


def test_a_crash_says_code_and_last_line(program):
    outcome = Heard().run(program("print('Segmentation fault'); os.abort()"))
    assert "signal 6" in outcome.error
    assert "Segmentation fault" in outcome.error
    assert "What to do" in outcome.error


def test_success_without_a_result_is_no_success(program):
    outcome = Heard().run(program("pass"))
    assert outcome.code == 0
    assert "without a result" in outcome.error


STUBBORN = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    out = options["--out"]
    os.makedirs(os.path.join(os.path.dirname(out), ".partial-" + os.path.basename(out) + "-x"))
    print("pids", os.getpid(), child.pid)
    time.sleep(600)
"""


def test_a_child_that_ignores_the_cancel_is_killed_with_its_own_child(program, tmp_path):
    heard = Heard(out=tmp_path / "results" / "out", grace=0.5)
    heard.job.start(program(STUBBORN))
    heard.until(lambda: heard.log)
    pids = [int(word) for word in heard.log[0].split()[1:]]
    assert all(map(running, pids))
    heard.job.cancel()
    outcome = heard.end(20)
    assert outcome.cancelled
    assert outcome.error is None
    heard.until(lambda: not any(map(running, pids)), 5)
    assert list((tmp_path / "results").iterdir()) == []  # nor what it had half written


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


def test_a_program_that_is_missing_is_said(tmp_path):
    outcome = Heard().run(ProcessRunner([str(tmp_path / "nowhere")]))
    assert "nowhere" in outcome.error
    assert outcome.result is None


def test_a_defect_while_files_are_written_leaves_nothing(temporary):
    def prepare(folder):
        (folder / "half").touch()
        raise ZeroDivisionError

    heard = Heard(case=prepare)
    with pytest.raises(ZeroDivisionError):
        heard.job.start(ProcessRunner())
    assert list(temporary.iterdir()) == []
    assert not heard.job.running


def test_a_defect_in_a_callback_does_not_hang_the_run(program, caplog):
    heard = Heard()
    heard.job.on_log = lambda text: 1 / 0
    outcome = heard.run(program("""print("x"); print('@mrn {"event": "result"}')"""))
    assert outcome.code == 0
    assert "ZeroDivisionError" in caplog.text


def test_cancel_before_and_after_a_run_is_without_effect(program):
    heard = Heard()
    heard.job.cancel()
    outcome = heard.run(program("""print('@mrn {"event": "result"}')"""))
    heard.job.cancel()
    assert not outcome.cancelled
    with pytest.raises(RuntimeError):
        heard.job.start(ProcessRunner())


def test_each_command_is_told_what_it_takes(tmp_path):
    case = replace(CASE, t1=Path("t.nii"), qsm_mask=Path("a b.nii"), nm_mask=Path("m.nii"))
    parameters = Parameters(tta=True, swap_modalities=True, swap_sides=True)
    by_command = {
        command: arguments(command, case, parameters, tmp_path, tmp_path / "stop")
        for command in ("segment", "diagnose", "check")
    }
    assert "--qsm-mask=a b.nii" in by_command["diagnose"]
    assert "--tta" in by_command["diagnose"]
    assert not any("mask" in option or "tta" in option for option in by_command["segment"])
    assert not any(option.startswith(("--out", "--tta")) for option in by_command["check"])
    assert all("--swap-modalities" in options for options in by_command.values())
    assert all("--progress=json" in options for options in by_command.values())


def test_exit_codes_are_the_commands_own():
    assert (jobs.EXIT_INPUT, jobs.EXIT_CANCELLED) == (console.EXIT_INPUT, console.EXIT_CANCELLED)


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


@pytest.mark.parametrize("look", [runners._parents_in_proc, runners._parents_by_ps])
def test_parents_are_found_with_and_without_proc(look):
    if look is runners._parents_in_proc and not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this system")
    if look is runners._parents_by_ps and shutil.which("ps") is None:
        pytest.skip("no ps on this system")
    assert look()[os.getpid()] == os.getppid()
