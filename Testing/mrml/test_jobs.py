"""Runs of the real ``mrn`` command in a process of its own, and of programs that misbehave."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from job_helpers import CASE, STUBBORN, Heard, running
from MRNDiagnosisLib import jobs
from MRNDiagnosisLib.jobs import Outcome, ProcessRunner, arguments, parse

from MRNLib.casefiles import Case
from MRNLib.cli import console
from MRNLib.parameters import Parameters
from Testing.bad_inputs import ROWS

pytestmark = pytest.mark.usefixtures("nothing_left")


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
    assert list((tmp_path / "results" / "out").iterdir()) == []  # nor what it had half written


def test_a_front_end_that_goes_ends_the_run_and_hears_no_more(program, tmp_path):
    place = tmp_path / "session"
    place.mkdir()
    heard = Heard(out=tmp_path / "results" / "out", place=place)
    heard.job.start(program(STUBBORN))
    assert heard.job.folder.parent == place
    heard.until(lambda: heard.log)
    pids = [int(word) for word in heard.log[0].split()[1:]]
    heard.job.kill()
    assert list(place.iterdir()) == []
    assert list((tmp_path / "results" / "out").iterdir()) == []
    heard.until(lambda: not any(map(running, pids)), 5)
    heard.job.kill()
    assert heard.outcomes == []


def test_a_program_that_is_missing_is_said(tmp_path):
    outcome = Heard().run(ProcessRunner([str(tmp_path / "nowhere")]))
    assert "nowhere" in outcome.error
    assert outcome.result is None


def test_a_defect_while_files_are_written_leaves_nothing(nothing_left):
    def prepare(folder):
        (folder / "half").touch()
        raise ZeroDivisionError

    heard = Heard(case=prepare)
    with pytest.raises(ZeroDivisionError):
        heard.job.start(ProcessRunner())
    assert list(nothing_left.iterdir()) == []
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
