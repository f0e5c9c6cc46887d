"""Cells on Dask's workers: one is killed, one fails, somebody presses Ctrl-C."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from experiment_helpers import CONFIGS, make_job, write_patients

from MRNLib.cluster import scheduling, taskqueue
from MRNLib.cluster.tasks import Outcome
from MRNLib.errors import InputError
from MRNLib.experiments import scheduling as of_cells
from MRNLib.experiments.board import Board
from MRNLib.experiments.cells import CELLS, Cell
from MRNLib.experiments.results import Job, read_result, state
from MRNLib.experiments.running import run_cell
from MRNLib.experiments.scheduling import run_here, run_with_dask
from MRNLib.training.crops import NO_SEED
from MRNLib.training.folder import CHECKPOINT

SCRIPT = CONFIGS.parent / "reproduce_tables.py"
# Saves after every step, for long enough to be killed in the middle.
LONG = ("train.phase2_epochs=11", "train.checkpoint_minutes=0.000001")
BROKEN = ("m3d-clip:model.weights=nowhere.safetensors",)
WAIT_SECONDS = 300


class Lines:
    """A board that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[tuple[float, str]] = []
        self.board = Board(lambda done, text: self.shown.append((done, text)), self.said.append)


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_patients(tmp_path_factory.mktemp("data"), seed=NO_SEED)  # no oracles


def long_job(data: Path, out: Path) -> Job:
    return make_job(Cell("long", "mrn"), data, out, *(f"mrn:{one}" for one in LONG))


def weights(job: Job) -> bytes:
    return (job.folder / "fold_0.safetensors").read_bytes()


def test_a_killed_workers_cell_is_run_again_from_its_checkpoint(data, tmp_path):
    from distributed import LocalCluster

    job, killed = long_job(data, tmp_path / "killed"), []
    short = make_job("seres10", data, tmp_path / "killed")
    lines = Lines()
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:

        def kill() -> None:
            wait_for(lambda: _updates(job) >= 5)
            killed.append((cluster.workers[0].pid, _updates(job)))
            os.kill(cluster.workers[0].pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        failed = run_with_dask([job, short], lines.board, scheduler=cluster.scheduler_address)
        thread.join()
        assert failed == {}
        assert cluster.workers[0].pid != killed[0][0]
    assert [line.split(":")[0] for line in lines.said] == ["long", "seres10"]
    assert max(done for done, _ in lines.shown) == 1.0
    # The same weights and predictions as without the kill, and no epoch twice in its record.
    calm = long_job(data, tmp_path / "calm")
    assert run_cell(calm).error == ""
    assert weights(job) == weights(calm)
    assert read_result(job.result_file).margins == read_result(calm.result_file).margins
    records = (job.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in records] == list(range(1, 13))


def _updates(job: Job) -> int:
    """Optimizer steps of the last checkpoint."""
    from MRNLib.training.checkpoint import read_checkpoint

    if not (job.folder / CHECKPOINT).is_file():
        return 0
    try:
        return read_checkpoint(job.folder / CHECKPOINT)[1]["position"]["updates"]
    except InputError:
        return 0  # a new one was moved into place between two looks at the file


def test_a_failed_cell_is_a_line_and_the_rest_goes_on(data, tmp_path):
    jobs = [
        make_job("m3d-clip", data, tmp_path, *BROKEN),
        make_job("mrn-d", data, tmp_path),
    ]
    for run in (run_here, run_with_dask):
        lines = Lines()
        failed = run(jobs, lines.board)
        assert list(failed) == ["m3d-clip"]
        assert "nowhere.safetensors" in failed["m3d-clip"]
        assert any(line.startswith("m3d-clip: failed: ") for line in lines.said)
        assert any(line.startswith("mrn-d: done") for line in lines.said)
        assert state(jobs[1]) == ("finished", [])
    assert not (tmp_path / ".dask").exists()


def test_a_cell_that_kills_every_worker_fails_alone(data, tmp_path, monkeypatch):

    monkeypatch.setattr(scheduling, "DEATHS", 1)
    monkeypatch.setattr(taskqueue, "LOST_SECONDS", 20.0)
    monkeypatch.setattr(of_cells, "run_cell", die_or_run)
    jobs = [make_job("mrn-d", data, tmp_path), make_job("seres10", data, tmp_path)]
    lines = Lines()
    failed = run_with_dask(jobs, lines.board)
    assert failed == {"mrn-d": scheduling.KILLER}
    assert "seres10: done after 0 s" in lines.said


def test_a_cell_that_empties_the_cluster_fails_alone(data, tmp_path, monkeypatch):

    @contextlib.contextmanager
    def connected(*_):
        yield FragileClient()

    monkeypatch.setattr(scheduling, "connected", connected)
    monkeypatch.setattr(taskqueue, "LOST_SECONDS", 0.3)
    monkeypatch.setattr(taskqueue, "ROOM_SECONDS", 0.0)
    jobs = [make_job("mrn-d", data, tmp_path), make_job("seres10", data, tmp_path)]
    lines = Lines()
    assert run_with_dask(jobs, lines.board) == {"mrn-d": scheduling.KILLER}
    lost = "no worker process is left; starting them again"
    assert lines.said == [
        lost,
        lost,
        f"mrn-d: failed: {scheduling.KILLER}",
        "seres10: done after 0 s",
    ]


class FragileClient:
    """Of a cluster whose one worker never comes back after the cell mrn-d."""

    def __init__(self) -> None:
        self.threads = {"worker": 1}

    def subscribe_topic(self, *_) -> None:
        pass

    def nthreads(self) -> dict[str, int]:
        return self.threads

    def submit(self, function, job, **_):
        from distributed import Future

        future = MagicMock(spec=Future)
        if job.cell.key == "mrn-d":
            self.threads = {}
            future.done.return_value = False
        else:
            future.done.return_value, future.status = True, "finished"
            future.result.return_value = (Outcome(job.cell.key), 0.0)
        return future


def die_or_run(job: Job, *_) -> Outcome:
    """In the worker's place: one cell ends its process, the other does nothing."""
    if job.cell.key == "mrn-d":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(job.cell.key)


def test_workers_that_are_gone_are_started_again(data, tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    sizes = [0, 1]

    @contextlib.contextmanager
    def connected(*_):
        with (
            LocalCluster(
                n_workers=sizes.pop(0),
                processes=False,
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client

    monkeypatch.setattr(scheduling, "connected", connected)
    monkeypatch.setattr(taskqueue, "LOST_SECONDS", 0.5)
    monkeypatch.setattr(taskqueue, "ROOM_SECONDS", 0.1)
    monkeypatch.setattr(of_cells, "run_cell", die_or_run)
    lines = Lines()
    assert run_with_dask([make_job("seres10", data, tmp_path)], lines.board) == {}
    assert lines.said == [
        "no worker process is left; starting them again",
        "seres10: done after 0 s",
    ]
    sizes[:] = [0, 0, 0]
    with pytest.raises(InputError, match="worker processes do not start"):
        run_with_dask([make_job("seres10", data, tmp_path)], lines.board)


def test_no_scheduler_there(data, tmp_path):
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        run_with_dask([make_job("mrn-d", data, tmp_path)], Board(), scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 0)])
def test_after_an_interrupt_the_same_command_goes_on(data, tmp_path, number, workers):
    out = tmp_path / "out"
    arguments = ["--tables", "8", "--data", str(data), "--scale", "smoke", "--out", str(out)]
    arguments += ["--workers", str(workers)]
    for one in LONG:
        arguments += ["--set", f"mrn-global:{one}"]
    process = start(arguments)
    jobs = {
        key: dataclasses.replace(long_job(data, out), cell=CELLS[key])
        for key in ("mrn", "mrn-global", "seres10-msupmoco")
    }
    wait_for(lambda: process.poll() is not None or _updates(jobs["mrn-global"]) >= 5)
    # As a terminal does: the whole group, workers included.
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, output
    assert "the same command goes on" in output
    assert "Traceback" not in output
    saved = _updates(jobs["mrn-global"])
    assert saved >= 5
    done = [key for key, job in jobs.items() if job.result_file.is_file()]
    assert done == ["mrn", "seres10-msupmoco"]
    assert not list(out.glob(".stop-*"))
    before = {key: jobs[key].result_file.read_bytes() for key in done}
    process = start(arguments)
    output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, output
    assert {key: jobs[key].result_file.read_bytes() for key in done} == before
    records = (jobs["mrn-global"].folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(records) == 12
    assert "Table 8" in (out / "tables.md").read_text(encoding="utf-8")


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
