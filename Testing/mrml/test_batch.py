"""A folder of cases: real runs, and the order of things with a runner that answers at once."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from MRNDiagnosisLib.batch import Batch, Row
from MRNDiagnosisLib.jobs import RETRY, ProcessRunner
from MRNDiagnosisLib.panel import present
from MRNDiagnosisLib.panel_batch import cells, not_yet, tip
from MRNDiagnosisLib.panel_facts import BatchFacts, Facts

from MRNLib.casefiles import read_cohort
from MRNLib.errors import InputError
from MRNLib.finished import finished_result
from MRNLib.parameters import Parameters


class Instant:
    """A runner whose program has ended before ``launch`` returns.

    Args:
        codes: Exit codes in turn, by case.
        stop: Called in the middle of every run.
    """

    def __init__(self, codes=(), stop=None):
        self.codes, self.stop, self.started = list(codes), stop, []

    def launch(self, args, on_line, on_end):
        self.started.append(next(a for a in args if a.startswith("--name=")).split("=")[1])
        code = self.codes.pop(0) if self.codes else 0
        on_line('@mrn {"event": "progress", "fraction": 0.5, "message": "half"}')
        if self.stop is not None:
            self.stop()
            code = 130
        result = {"event": "result", "probability_pd": 0.7, "decision": "PD", "headline": "h"}
        error = {"event": "error", "text": "what is wrong"}
        on_line("@mrn " + json.dumps(error if code else result))
        on_end(code)
        return self

    def kill_tree(self):
        raise AssertionError("nothing to kill")


@pytest.fixture
def cohort(tmp_path):
    """Three cases whose volumes are no images: enough for a runner that reads none."""
    folder = tmp_path / "cohort"
    for name in ("A", "B", "C"):
        (folder / name).mkdir(parents=True)
        for role in ("QSM", "NM"):
            (folder / name / f"{role}.nii.gz").write_text(f"{name} {role}")
    return folder


def run(batch, runner):
    done = []
    batch.on_done = done.append
    batch.start(runner)
    assert batch.wait(300)
    assert not batch.running
    (rows,) = done
    assert rows == batch.rows
    return rows


def test_every_case_is_run_and_a_bad_one_stops_no_other(cohort, tmp_path):
    rows_seen, shares = [], []
    batch = Batch(
        cohort,
        Parameters(),
        tmp_path / "out",
        on_row=lambda number, row: rows_seen.append((number, row.state)),
        on_progress=lambda share, message: shares.append(share),
    )
    runner = Instant(codes=[0, 2, 0])
    rows = run(batch, runner)
    assert runner.started == ["A", "B", "C"]
    assert [row.state for row in rows] == ["done", "failed", "done"]
    assert [row.probability for row in rows] == [0.7, None, 0.7]
    assert rows[1].message == "what is wrong"
    assert all(row.seconds is not None for row in rows)
    assert [state for number, state in rows_seen if number == 0] == ["running", "running", "done"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_a_run_warns_of_stays_with_its_row(cohort, tmp_path):
    class OutOfMemory(Instant):
        """Warns, and lacks memory on the GPU in the first case."""

        def launch(self, args, on_line, on_end):
            if self.started.count("A") == 0:
                self.started.append("A")
                on_line('@mrn {"event": "warning", "text": "the masks are doubtful"}')
                on_line("torch.OutOfMemoryError: CUDA out of memory")
                on_end(1)
                return self
            return super().launch(args, on_line, on_end)

    lines = []
    batch = Batch(cohort, Parameters(), tmp_path / "out", on_log=lines.append)
    rows = run(batch, OutOfMemory())
    assert [row.state for row in rows] == ["done"] * 3
    assert rows[0].warnings == ("the masks are doubtful", RETRY)
    assert rows[0].message == "h"
    assert rows[1].warnings == ()
    assert "A: the masks are doubtful" in lines
    assert f"A: {RETRY}" in lines
    assert tip(rows[0]) == f"h\nthe masks are doubtful\n{RETRY}"
    assert cells(rows[0])[1] == "done, with warnings"
    assert cells(rows[1])[1] == "done"


def test_finished_rows_can_be_opened_while_others_run():
    rows = {state: Row("A", state) for state in ("waiting", "running", "done", "failed", "stopped")}
    closed = {state for state, row in rows.items() if not_yet(row, "batch")}
    assert closed == {"waiting", "running", "stopped"}
    assert not_yet(rows["running"], "batch") == "A can be opened when it is done."
    assert not any(not_yet(row, "") for row in rows.values())
    said = not_yet(rows["done"], "diagnose")
    assert said == "A diagnosis is being made. Open the case afterwards."
    facts = BatchFacts("in", "out", 3, 1, note=not_yet(rows["waiting"], "batch"))
    line = present(Facts(running="batch", message="B: half", batch=facts)).lines["batchLabel"]
    assert line.text == "1 of 3 cases done. B: half\nA can be opened when it is done."


def test_stop_leaves_the_others_waiting(cohort, tmp_path):
    batch = Batch(cohort, Parameters(), tmp_path / "out")
    runner = Instant(stop=batch.stop)
    rows = run(batch, runner)
    assert runner.started == ["A"]
    assert [row.state for row in rows] == ["stopped", "waiting", "waiting"]
    with pytest.raises(RuntimeError):
        batch.start(runner)


def test_many_cases_that_end_at_once_do_not_pile_up(tmp_path):
    for number in range(400):
        folder = tmp_path / "cohort" / f"P{number:03}"
        folder.mkdir(parents=True)
        (folder / "QSM.nii").touch()
        (folder / "NM.nii").touch()
    batch = Batch(tmp_path / "cohort", Parameters(), tmp_path / "out")
    assert {row.state for row in run(batch, Instant())} == {"done"}


def test_a_folder_that_cannot_be_used_is_refused_in_the_librarys_words(cohort, tmp_path):
    with pytest.raises(InputError, match="holds no patients"):
        Batch(tmp_path / "cohort" / "A", Parameters(), tmp_path / "out")


def test_a_case_that_lacks_a_file_is_one_failed_row(cohort, tmp_path):
    (cohort / "B" / "NM.nii.gz").unlink()
    (cohort / "C" / "QSM.mha").touch()
    batch = Batch(cohort, Parameters(), tmp_path / "out")
    assert [row.state for row in batch.rows] == ["waiting", "failed", "failed"]
    runner = Instant()
    rows = run(batch, runner)
    assert runner.started == ["A"]
    assert [row.state for row in rows] == ["done", "failed", "failed"]
    assert "no NM file" in rows[1].message
    assert "What to do" in rows[1].message
    assert "QSM is there 2 times" in rows[2].message
    (cohort / "B" / "NM.nii.gz").touch()
    assert Batch(cohort, Parameters(), tmp_path / "out").rows[1].state == "waiting"


def test_a_folder_of_unusable_cases_alone_ends_at_once(cohort, tmp_path):
    for name in ("A", "B", "C"):
        (cohort / name / "QSM.nii.gz").unlink()
    runner = Instant()
    assert {row.state for row in run(Batch(cohort, Parameters(), tmp_path / "out"), runner)} == {
        "failed"
    }
    assert runner.started == []


@pytest.fixture(scope="module")
def small_cohort(phantom_case, tmp_path_factory):
    """Two real cases, one of them twice, and one that cannot be used."""
    folder = tmp_path_factory.mktemp("cohort")
    for name in ("P1", "P2", "P3"):
        shutil.copytree(phantom_case.qsm.parent, folder / name)
    (folder / "P2" / "NM.nii.gz").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def settings(random_bundle):
    return Parameters(bundle=str(random_bundle), folds=(0,), jitter=False)


@pytest.fixture(scope="module")
def first_run(small_cohort, settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    batch = Batch(small_cohort, settings, out)
    return out, run(batch, ProcessRunner())


def test_real_runs_fill_the_table(first_run, small_cohort):
    out, rows = first_run
    assert [row.identifier for row in rows] == ["P1", "P2", "P3"]
    assert [row.state for row in rows] == ["done", "failed", "done"]
    written = json.loads((out / "P1" / "diagnosis.json").read_text("utf-8"))
    assert rows[0].probability == written["probability_pd"]
    assert rows[0].decision == written["decision"]
    assert rows[0].message == written["headline"]
    assert "the file is damaged" in rows[1].message
    assert not (out / "P2").exists()


def test_what_is_finished_is_not_run_again(first_run, small_cohort, settings):
    out, rows = first_run
    batch = Batch(small_cohort, Parameters(**{**vars(settings), "device": "cpu"}), out)
    runner = Instant(codes=[2])
    again = run(batch, runner)
    assert runner.started == ["P2"]
    assert [row.state for row in again] == ["done", "failed", "done"]
    assert again[0].probability == rows[0].probability
    assert again[0].message == "done before"
    assert again[0].seconds is None


@pytest.mark.parametrize("change", ["bundle", "fold", "volume", "mask", "no mask", "damage"])
def test_another_bundle_input_or_setting_is_run_again(
    change, first_run, small_cohort, settings, tmp_path
):
    out = shutil.copytree(first_run[0], tmp_path / "out")
    cohort = shutil.copytree(small_cohort, tmp_path / "cohort")
    values = dict(vars(settings))
    case = read_cohort(cohort)[0]
    folder = out / "P1"
    assert finished_result(folder, case, settings) is not None
    if change == "bundle":
        values["bundle"] = Parameters().bundle
    elif change == "fold":
        values["folds"] = (1,)
    elif change in ("volume", "mask"):
        path = case.qsm if change == "volume" else case.nm_mask
        path.write_bytes(path.read_bytes() + b"\0")
    elif change == "no mask":
        case.qsm_mask.unlink()
        case = read_cohort(cohort)[0]
    else:
        (folder / "diagnosis.json").write_text('{"provenance": []}')
    assert finished_result(folder, case, Parameters(**values)) is None


def test_a_real_batch_is_stopped_and_goes_on(small_cohort, settings, tmp_path):
    out = tmp_path / "out"
    batch = Batch(small_cohort, settings, out)
    seen = []
    batch.on_progress = lambda share, message: seen.append(message)
    batch.on_done = lambda rows: None
    batch.start(ProcessRunner())
    limit = time.monotonic() + 60
    while not seen and time.monotonic() < limit:
        time.sleep(0.02)
    batch.stop()
    assert batch.wait(30)
    assert [row.state for row in batch.rows] == ["stopped", "waiting", "waiting"]
    assert not out.exists() or list(out.iterdir()) == []
    runner = Instant()
    run(Batch(small_cohort, settings, out), runner)
    assert runner.started == ["P1", "P2", "P3"]
