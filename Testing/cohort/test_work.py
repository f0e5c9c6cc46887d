"""One case to its record, and whether an earlier record still holds."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from stub_diagnoser import stub, write_cases

from MRNLib.bundle import open_bundle
from MRNLib.casefiles import find_case
from MRNLib.cluster.tasks import Outcome
from MRNLib.cohort import loading, work
from MRNLib.cohort.loading import Models, loaded
from MRNLib.cohort.records import read_case, result_folder
from MRNLib.cohort.ticket import TICKET
from MRNLib.cohort.work import CaseTask, run_case
from MRNLib.errors import Cancelled
from MRNLib.parameters import Parameters
from MRNLib.progress import silent


@pytest.fixture
def make_task(tmp_path, random_bundle):
    """A case with its orders for the stub, and a run that the folder belongs to."""
    sha256 = open_bundle(random_bundle).sha256
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / TICKET).write_text("this run")
    loading._loaded.clear()

    def make(order=None, **changes) -> CaseTask:
        if not (tmp_path / "in").exists():
            write_cases(tmp_path / "in", 1, case_0000=order or {})
        models = Models(Parameters(bundle=str(random_bundle)), sha256, None, stub)
        case = find_case(tmp_path / "in" / "case_0000")
        values = {"keep": "report", "ticket": "this run"} | changes
        return CaseTask("case_0000", "person", case, tmp_path / "out", models, **values)

    return make


def run_anew(task):
    """The task as a run of its own does it."""
    run = uuid.uuid4().hex
    (task.out / TICKET).write_text(run)
    return run_case(dataclasses.replace(task, ticket=run), silent, 0)


def states(*tasks):
    return [run_anew(task).value.state for task in tasks]


def test_a_record_holds_the_diagnosis_and_what_was_kept(make_task):
    task = make_task()
    outcome = run_case(task, silent, 3)
    record = read_case(task.out, task.key)
    assert (record.state, record.error, record.subject) == ("done", None, "person")
    assert record.worker.startswith("3 on ")
    assert record.examination.identifier == "case_0000"
    assert outcome.value.probability_pd == record.diagnosis["probability_pd"]
    names = ["NM_mask.nii.gz", "QSM_mask.nii.gz", "report.html"]
    assert record.files == names
    assert sorted(path.name for path in result_folder(task.out, task.key).iterdir()) == names


def test_what_is_done_is_passed_over_as_long_as_it_holds(make_task):
    task = make_task()
    assert states(task, task) == ["done", "done before"]
    assert states(dataclasses.replace(task, keep="none")) == ["done before"]
    (result_folder(task.out, task.key) / "report.html").unlink()
    assert states(task, task) == ["done", "done before"]
    task.case.nm.write_text("another volume")
    assert states(task, task) == ["done", "done before"]
    parameters = dataclasses.replace(task.models.parameters, margin_mm=8.0)
    models = dataclasses.replace(task.models, parameters=parameters)
    assert states(dataclasses.replace(task, models=models), task) == ["done", "done"]
    (task.out / "cases" / "case_0000.json").write_text("{")
    assert states(task) == ["done"]


def test_what_a_worker_did_before_it_died_is_done_by_this_run(make_task):
    """It is found by the worker that is given the case next."""
    task = make_task()
    found = [run_case(task, silent, 0).value.state for _ in range(2)]
    assert found == ["done", "done"]
    assert states(task) == ["done before"]


def snapshot(task):
    files = [path for path in task.out.rglob("*") if path.is_file() and path.name != TICKET]
    return {path: path.read_bytes() for path in files}


def test_a_diagnosis_outlives_its_files(make_task):
    task = make_task()
    assert states(task) == ["done"]
    before = snapshot(task)
    task.case.nm.unlink()
    other = dataclasses.replace(task.models.parameters, margin_mm=8.0)
    for parameters in (task.models.parameters, other):
        models = dataclasses.replace(task.models, parameters=parameters)
        outcome = run_anew(dataclasses.replace(task, models=models, retry_failed=True))
        assert (outcome.error, outcome.value.state) == ("", "done before")
        assert "Its earlier diagnosis is kept." in outcome.value.note
        assert "NM.nii.gz" in outcome.value.note
        assert snapshot(task) == before
    task.case.nm.write_text("another volume")
    assert states(task) == ["done"]
    assert snapshot(task) != before


def test_a_failure_with_the_same_files_leaves_the_diagnosis(make_task):
    """A report is wanted again, and the memory does not suffice today."""
    task = make_task(keep="masks")
    assert states(task) == ["done"]
    before = snapshot(task)

    def make(models, worker):
        def diagnose(case, progress):
            raise MemoryError

        return diagnose

    models = dataclasses.replace(task.models, make=make)
    outcome = run_anew(dataclasses.replace(task, keep="report", models=models))
    assert "memory of this machine" in outcome.value.note
    assert snapshot(task) == before
    assert states(dataclasses.replace(task, keep="report")) == ["done"]


def test_a_failure_with_other_files_takes_the_diagnosis_place(make_task):
    task = make_task()
    assert states(task) == ["done"]
    task.case.qsm.write_text('{"error": "no midbrain"}')
    assert states(task) == ["failed"]
    assert read_case(task.out, task.key).error == "no midbrain"
    assert not result_folder(task.out, task.key).exists()
    (task.out / "cases" / "case_0000.json").write_text("{")  # nothing that could be kept
    assert states(task) == ["failed"]


def test_less_is_kept_than_before(make_task):
    task = make_task(keep="none")
    assert states(task) == ["done"]
    assert not result_folder(task.out, task.key).exists()
    masks, report = (dataclasses.replace(task, keep=keep) for keep in ("masks", "report"))
    assert states(masks, report, masks) == ["done", "done", "done before"]
    task.case.nm.write_text("another volume")
    assert states(masks) == ["done"]
    # No report of the volume before stays beside the masks of this one.
    assert sorted(path.name for path in result_folder(task.out, task.key).iterdir()) == [
        "NM_mask.nii.gz",
        "QSM_mask.nii.gz",
    ]


@pytest.mark.parametrize(
    ("order", "said"),
    [({"error": "no midbrain"}, "no midbrain"), ({"defect": "a\nb"}, "RuntimeError: a (all of it")],
)
def test_a_failed_case_is_a_record_and_waits_for_a_retry(make_task, order, said):
    task = make_task(order)
    outcome = run_case(task, silent, 0)
    record = read_case(task.out, task.key)
    assert outcome.value.state == record.state == "failed"
    assert said in record.error
    assert record.diagnosis is None
    traces = list((task.out / "cases").glob("*.error.txt"))
    assert len(traces) == ("defect" in order)
    # Passed over, until it is asked for or its files are others.
    written = (task.out / "cases" / "case_0000.json").stat().st_mtime_ns
    assert states(task) == ["failed"]
    assert (task.out / "cases" / "case_0000.json").stat().st_mtime_ns == written
    again = dataclasses.replace(task, retry_failed=True)
    assert states(again) == ["failed"]
    assert (task.out / "cases" / "case_0000.json").stat().st_mtime_ns != written
    task.case.qsm.write_text("{}")
    assert states(task) == ["done"]
    assert not list((task.out / "cases").glob("*.error.txt"))


def test_what_is_wrong_for_every_case_is_no_record(make_task, monkeypatch):
    task = make_task({"bundle": "damaged"})
    assert run_case(task, silent, 0) == Outcome(task.key, "damaged", cause="all")
    task.case.qsm.write_text("{}")

    def full(*_):
        raise OSError(28, "No space left on device", "results")

    monkeypatch.setattr(work, "replaced_folder", full)
    outcome = run_case(task, silent, 0)
    assert (outcome.error, outcome.cause) == ("results: No space left on device", "all")
    other = dataclasses.replace(task, models=dataclasses.replace(task.models, bundle_sha256="x"))
    assert "another bundle" in run_case(other, silent, 0).error
    nowhere = dataclasses.replace(task, out=task.out / "nowhere")
    assert "does not see this folder" in run_case(nowhere, silent, 0).error
    assert read_case(task.out, task.key) is None


def test_a_case_of_a_run_that_was_taken_over_writes_nothing(make_task, monkeypatch):
    task = make_task()
    assert run_case(dataclasses.replace(task, ticket="an earlier run"), silent, 0).stopped
    (task.out / TICKET).unlink()
    assert run_case(task, silent, 0).stopped
    (task.out / TICKET).write_text("this run")

    def make(models, worker):
        def diagnose(case, progress):
            (task.out / TICKET).write_text("the next run")  # while it is at work
            return stub(models, worker)(case, progress)

        return diagnose

    late = dataclasses.replace(task, models=dataclasses.replace(task.models, make=make))
    assert run_case(late, silent, 0).stopped
    assert read_case(task.out, task.key) is None
    assert not (task.out / "results").exists()


def test_a_case_is_cancelled_where_it_is(make_task):
    task = make_task({"sleep": 100})

    def cancel(fraction, message):
        if message == "sleeping":
            raise Cancelled

    assert run_case(task, cancel, 0).stopped
    assert read_case(task.out, task.key) is None


def test_models_are_loaded_once_for_all_cases(make_task):
    made = []

    def make(models, worker):
        made.append(json.dumps(models.parameters.to_jsonable()))
        return stub(models, worker)

    models = dataclasses.replace(make_task().models, make=make)
    assert loaded(models, 0) is loaded(models, 0)
    other = dataclasses.replace(models, parameters=dataclasses.replace(models.parameters, tta=True))
    loaded(other, 0)
    assert len(made) == 2
    assert len(loading._loaded) == 1


def test_a_process_does_one_case_at_a_time(make_task):
    at_once, most = [], []

    def make(models, worker):
        def diagnose(case, progress):
            at_once.append(case)
            most.append(len(at_once))
            time.sleep(0.1)
            at_once.pop()
            return stub(models, worker)(case, progress)

        return diagnose

    task = make_task()
    task = dataclasses.replace(task, models=dataclasses.replace(task.models, make=make))
    tasks = [dataclasses.replace(task, key=f"case {number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda one: run_case(one, silent, 0), tasks))
    assert [outcome.value.state for outcome in ended] == ["done"] * 3
    assert max(most) == 1


def test_gpus_are_dealt_out_to_workers(monkeypatch):
    import torch

    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: taken.append(str(device)))
    for kind in ("auto", "cuda"):
        for worker in range(3):
            loading._take_gpu(kind, worker)
    assert taken == ["cuda:0", "cuda:1", "cuda:0"] * 2
