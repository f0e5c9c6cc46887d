"""One cell in this process: trained, evaluated, stopped, taken up again, failed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
import torch
from experiment_helpers import make_job, write_patients

from MRNLib.cluster.taskqueue import OnWorker
from MRNLib.errors import Cancelled
from MRNLib.experiments import running
from MRNLib.experiments.cells import CELLS, FULL, ORACLES, Cell
from MRNLib.experiments.results import Job, read_result, state
from MRNLib.experiments.running import run_cell
from MRNLib.training.export import load_exported

CELL = dataclasses.replace(CELLS[FULL], key="cell")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_patients(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> Job:
    job = make_job(CELL, data, tmp_path_factory.mktemp("out"))
    assert run_cell(job).error == ""
    return job


def test_the_predictions_are_the_exported_models(finished):
    result = read_result(finished.result_file)
    assert result.identifiers == [f"case_{number}" for number in range(100, 110)]
    assert result.labels == [0, 1] * 5
    assert result.weights == "random"
    assert result.seconds > 0
    assert {"torch", "python", "mrn"} <= set(result.versions)
    assert len(result.margins) == 16
    model = load_exported(finished.folder / "fold_0.safetensors")
    # Every masking alone, patient by patient, zeros put in by hand.
    from MRNLib.experiments.cohorts import EVALUATION, patients_of
    from MRNLib.training.dataset import CropDataset

    patients = patients_of(finished.data, EVALUATION)
    dataset = CropDataset(patients, model.config.preprocess, model.regions)
    for masked in ((), ("NM",), ("QSM1", "QSM3"), ("NM", "QSM1", "QSM2", "QSM3")):
        found = []
        for place in range(len(patients)):
            batch = dataset.plain([place])
            for name in masked:
                image = torch.zeros_like(batch[name].images)
                batch[name] = dataclasses.replace(batch[name], images=image)
            stacks = [one.stacks for one in model.prepare(batch)]
            with torch.no_grad():
                logits = model(stacks, segment=False).logits[0]
            found.append(float(logits[1] - logits[0]))
        wanted = result.scores("+".join(masked))
        assert found == pytest.approx(wanted.tolist(), abs=1e-5), masked


def test_a_finished_cell_is_not_run_again(finished, monkeypatch):
    def never(*_):
        raise AssertionError("run again")

    monkeypatch.setitem(running._KINDS, "network", never)
    written = finished.result_file.stat().st_mtime_ns
    assert run_cell(finished).error == ""
    assert finished.result_file.stat().st_mtime_ns == written


def test_only_weights_and_the_record_stay(finished):
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {"cell.json", "fold_0.json", "fold_0.safetensors", "metrics.jsonl"}
    assert not (finished.folder.parent.parent / "cells" / "cell.error.txt").exists()


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_a_stopped_cell_goes_on_to_the_same_predictions(finished, data, tmp_path, steps):
    left = [steps + 1]  # the first report comes before the first step

    def stop(fraction: float, message: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Cancelled("enough")

    job = make_job(CELL, data, tmp_path)
    assert run_cell(job, stop).stopped
    assert state(job) == ("unfinished", [])
    assert (job.folder / "checkpoint.safetensors").is_file()
    assert run_cell(job).error == ""
    wanted = read_result(finished.result_file).margins
    found = read_result(job.result_file).margins
    assert found == wanted


def test_a_file_asks_to_stop(data, tmp_path, monkeypatch):
    worker = SimpleNamespace(name=0, log_event=lambda *_: None)
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    job = make_job(CELL, data, tmp_path)
    (tmp_path / "stop").touch()
    assert OnWorker(run_cell, tmp_path / "stop", "")(job)[0].stopped
    assert not job.folder.exists()


def test_several_gpus_are_dealt_out_to_the_workers(data, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for kind in ("network", "oracles"):
        monkeypatch.setitem(running._KINDS, kind, lambda job, _: used.append(job.device))
    for device in ("cuda", "cuda:1", "cpu", "auto"):
        for name in (0, 1, 2, "tcp://another:1"):
            worker = SimpleNamespace(name=name, log_event=lambda *_: None)
            monkeypatch.setattr(distributed, "get_worker", lambda worker=worker: worker)
            job = dataclasses.replace(make_job(CELL, data, tmp_path), device=device)
            assert OnWorker(run_cell, tmp_path / "stop", "")(job)[0].error == ""
    dealt = ["cuda:0", "cuda:1", "cuda:0", "cuda:0"]
    assert used == [*dealt, *["cuda:1"] * 4, *["cpu"] * 4, *dealt]
    used.clear()
    oracles = dataclasses.replace(job, cell=CELLS[ORACLES])
    assert run_cell(oracles).error == ""
    assert used == ["cpu"]  # which its record says too


def test_what_a_user_can_cause_is_one_line(data, tmp_path):
    job = make_job("m3d-clip", data, tmp_path, "m3d-clip:model.weights=nowhere.safetensors")
    outcome = run_cell(job)
    assert "nowhere.safetensors" in outcome.error
    assert "\n" not in outcome.error
    assert not job.error_file.exists()
    assert not job.result_file.exists()


def test_a_defect_is_one_line_and_a_file(data, tmp_path, monkeypatch):
    def broken(job, progress):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setitem(running._KINDS, "network", broken)
    job = make_job(CELL, data, tmp_path)
    outcome = run_cell(job)
    assert outcome.error == f"RuntimeError: first line (all of it in {job.error_file})"
    assert "second line" in job.error_file.read_text(encoding="utf-8")


def test_a_full_disk_is_one_line(data, tmp_path, monkeypatch):
    def full(job, progress):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setitem(running._KINDS, "network", full)
    outcome = run_cell(make_job(CELL, data, tmp_path))
    assert outcome.error == "somewhere: No space left on device"


def test_a_row_of_another_fold_trains_on_others(data, tmp_path, finished):
    import json

    cell = Cell("other", "mrn", fold=1)
    job = make_job(cell, data, tmp_path)
    assert run_cell(job).error == ""
    record = json.loads((job.folder / "fold_1.json").read_text(encoding="utf-8"))
    first = json.loads((finished.folder / "fold_0.json").read_text(encoding="utf-8"))
    assert not set(record["held_out_patients"]) & set(first["held_out_patients"])
    assert len(record["held_out_patients"]) == 2
    assert list(read_result(job.result_file).margins) == [""]
    assert np.isfinite(read_result(job.result_file).scores()).all()
