"""From a command to a plan: what is refused before any work, and what is taken as it is."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from experiment_helpers import CONFIGS, drawn_result, write_patients
from script_helpers import script

from MRNLib.errors import InputError
from MRNLib.experiments import experiment, running
from MRNLib.experiments.board import Board
from MRNLib.experiments.cells import (
    CELLS,
    FULL,
    ORACLES,
    SCALES,
    cell_config,
    check_extra,
    chosen,
)
from MRNLib.experiments.cohorts import EVALUATION, patients_of
from MRNLib.experiments.experiment import make_plan, run_plan, write_pages
from MRNLib.experiments.results import CellResult, Job, write_result
from MRNLib.experiments.tables import needed, parse_tables
from MRNLib.training.crops import NO_SEED
from MRNLib.training.folder import CHECKPOINT


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_patients(tmp_path_factory.mktemp("data"), train=18)  # enough for radiomics


def plan(data: Path, out: Path, tables: str = "8", *extra: str):
    return make_plan(tables, data, "smoke", out, configs=CONFIGS, extra=extra)


def made_up(job: Job) -> CellResult:
    """A result of this cell that nobody trained for."""
    patients = patients_of(job.data, EVALUATION)
    result = drawn_result(job.cell.key, 1.0, len(patients))
    return dataclasses.replace(
        result,
        identity=job.identity,
        identifiers=[one.identifier for one in patients],
        labels=[one.diagnosis for one in patients],
    )


@pytest.fixture
def no_training(monkeypatch) -> list[str]:
    """Every cell is made up; the list says which were asked for."""
    ran: list[str] = []

    def run(job, progress):
        ran.append(job.cell.key)
        write_result(job, made_up(job))

    for kind in ("network", "radiomics", "oracles"):
        monkeypatch.setitem(running._KINDS, kind, run)
    return ran


def test_cells_of_several_tables_are_run_once(data, tmp_path, no_training):
    whole = plan(data, tmp_path / "out", "all")
    assert len(whole.jobs) == len(CELLS)
    assert run_plan(whole, Board(say=lambda _: None), workers=0, replace=False) == {}
    assert no_training == list(CELLS)
    page = write_pages(whole, {}, command="a command").read_text(encoding="utf-8")
    for number in range(2, 10):
        assert f"## Table {number}. " in page
    assert "not run" not in page
    assert "not available" not in page
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert {"table_4.csv", "table_systems.csv", "roc.png", "components.png"} <= names


def test_what_is_finished_is_not_run_again(data, tmp_path, no_training):
    lines: list[str] = []
    run_plan(plan(data, tmp_path), Board(say=lines.append), workers=0, replace=False)
    assert sorted(no_training) == sorted([FULL, "mrn-global", "seres10-msupmoco", ORACLES])
    no_training.clear()
    run_plan(plan(data, tmp_path, "7,8"), Board(say=lines.append), workers=0, replace=False)
    assert no_training == ["mrn-small"]
    assert "5 cells, 4 of them finished" in lines


def test_changed_settings_are_refused_or_trained_again(data, tmp_path, no_training):
    board = Board(say=lambda _: None)
    run_plan(plan(data, tmp_path), board, workers=0, replace=False)
    no_training.clear()
    changed = plan(data, tmp_path, "8", "mrn:train.batch_size=2")
    with pytest.raises(InputError) as caught:
        run_plan(changed, board, workers=0, replace=False)
    assert "mrn (train.batch_size: 4 there, 2 asked for); mrn-global" in str(caught.value)
    assert "--replace" in str(caught.value)
    assert no_training == []
    # The tables of what is asked for are without the cells of other settings.
    assert "not run" in write_pages(changed, {}, command="").read_text(encoding="utf-8")
    run_plan(changed, board, workers=0, replace=True)
    assert no_training == [FULL, "mrn-global"]
    assert changed.unfinished() == []


def test_changed_patients_are_refused(data, tmp_path, no_training):
    run_plan(plan(data, tmp_path), Board(say=lambda _: None), workers=0, replace=False)
    other = write_patients(tmp_path / "other", train=20)
    with pytest.raises(InputError, match="other patients in train") as caught:
        plan(other, tmp_path).unfinished()
    assert "and 1 more" in str(caught.value)


def test_without_oracles_none_is_asked_for(tmp_path, no_training):
    data = write_patients(tmp_path / "data", train=18, phantom=False, seed=NO_SEED)
    whole = plan(data, tmp_path / "out", "systems")
    assert ORACLES not in [job.cell.key for job in whole.jobs]
    assert {job.settings["trained_on"] for job in whole.jobs if job.settings} == {"human"}
    run_plan(whole, Board(say=lambda _: None), workers=0, replace=False)
    assert "oracle" not in write_pages(whole, {}, command="").read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("name", ["draws", "threads"])
@pytest.mark.parametrize("number", [0, -5])
def test_too_few_of_something_are_told_before_the_work(data, tmp_path, name, number):
    with pytest.raises(InputError, match=f"--{name} {number}: too few"):
        make_plan("8", data, "smoke", tmp_path, configs=CONFIGS, **{name: number})


def test_a_gpu_of_a_clusters_workers_need_not_be_here(data, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "run_with_dask", lambda todo, board, **_: {})
    far = make_plan("8", data, "smoke", tmp_path, configs=CONFIGS, device="cuda:9999")
    run_plan(far, Board(say=lambda _: None), scheduler="tcp://far:1", replace=False)
    with pytest.raises(InputError, match="GPU"):
        run_plan(far, Board(say=lambda _: None), replace=False)


def test_radiomics_count_their_patients_only_where_they_are_asked_for(tmp_path):
    few = write_patients(tmp_path / "data", train=16)
    plan(few, tmp_path / "out", "8")
    with pytest.raises(InputError, match="8 HC and 8 PD are too few to train on"):
        plan(few, tmp_path / "out", "systems")


def test_what_a_kill_left_of_finished_cells_is_removed(data, tmp_path, no_training):
    board = Board(say=lambda _: None)
    whole = plan(data, tmp_path)
    run_plan(whole, board, workers=0, replace=False)
    folder = whole.jobs[0].folder
    left = [folder / CHECKPOINT, folder / f".partial-0123abcd-{CHECKPOINT}"]
    kept = folder / "fold_0.safetensors"
    for path in (*left, kept):
        path.write_bytes(b"weights")
    no_training.clear()
    run_plan(plan(data, tmp_path), board, workers=0, replace=False)
    assert no_training == []
    assert [path.exists() for path in (*left, kept)] == [False, False, True]


def test_two_commands_do_not_share_a_folder(data, tmp_path):
    hold = (
        "import fcntl, sys, time; stream = open(sys.argv[1], 'a');"
        "fcntl.flock(stream, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / ".lock")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=r"another reproduce_tables\.py is at work"):
            run_plan(plan(data, tmp_path), Board(), workers=0, replace=False)
    finally:
        process.kill()
        process.wait()


def arguments(patients: Path, folder: Path, **changed: str) -> list[str]:
    usual = {"tables": "8", "data": str(patients), "scale": "smoke", "out": str(folder)}
    usual["workers"] = "0"
    return [f"--{name}={value}" for name, value in (usual | changed).items()]


def test_fewer_workers_than_none_are_refused(data, tmp_path, capsys, no_training):
    assert script("reproduce_tables").main(arguments(data, tmp_path, workers="-1")) == 2
    assert "'--workers': Input" in capsys.readouterr().err
    assert no_training == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tables": "1"}, "there is no table 1"),
        ({"data": "nowhere"}, "nowhere/train: no crops found"),
        ({"set": "mrn:model.ffa=1"}, "did you mean model.ffa_blocks?"),
        ({"set": "mr:model.ffa_blocks=1"}, "'mr' is neither a system nor a cell"),
        ({"device": "cdua"}, "--device cdua: unknown"),
        ({"device": "cuda:9999"}, "GPU"),
        ({"out": __file__}, "This is a file, not a folder."),
        ({"notes": "nowhere.md"}, "nowhere.md: No such file or directory"),
    ],
)
def test_mistakes_are_told_before_the_work(data, tmp_path, capsys, no_training, changed, said):
    assert script("reproduce_tables").main(arguments(data, tmp_path, **changed)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) <= 3
    assert no_training == []


def test_a_failed_cell_is_in_the_exit_code_and_the_tables_are_there(
    data, tmp_path, capsys, no_training, monkeypatch
):
    made = running._KINDS["network"]

    def run(job, progress):
        if job.cell.key == "mrn-global":
            raise InputError("the loss became nan")
        made(job, progress)

    monkeypatch.setitem(running._KINDS, "network", run)
    assert script("reproduce_tables").main(arguments(data, tmp_path, draws="20")) == 1
    told = capsys.readouterr()
    assert "mrn-global: failed: the loss became nan" in told.out
    assert "1 cells failed: mrn-global" in told.err
    page = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert "failed: the loss became nan" in page
    assert "python Training/reproduce_tables.py --tables=8" in page


def test_the_tables_can_be_written_without_training(data, tmp_path, no_training):
    assert (
        script("reproduce_tables").main([*arguments(data, tmp_path, draws="20"), "--no-training"])
        == 0
    )
    assert no_training == []
    assert "not run" in (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_the_readmes_commands_are_understood(tmp_path):
    text = (CONFIGS.parent / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith("python Training/reproduce_")]
    assert len(lines) == 2
    for line in lines:
        command = typer.main.get_command(script("reproduce_tables").app)
        options = command.make_context("script", shlex.split(line)[2:]).params
        extra = options["settings"] or ()
        check_extra(extra)
        for cell in chosen(needed(parse_tables(options["tables"]), oracles=True)):
            if cell.kind == "network":
                cell_config(cell, SCALES[options["scale"]], CONFIGS, "human", extra)
