"""From a command to finished tables: which cells, what of them is there, the rest run, pages."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MRNLib.errors import InputError
from MRNLib.experiments.board import Board
from MRNLib.experiments.cells import (
    RADIOMICS,
    SCALES,
    Scale,
    cell_config,
    check_extra,
    chosen,
)
from MRNLib.experiments.cohorts import ExperimentData, open_data
from MRNLib.experiments.layout import Table
from MRNLib.experiments.measuring import Measurer
from MRNLib.experiments.plots import write_plots
from MRNLib.experiments.recipes import Departure, departures
from MRNLib.experiments.rendering import Facts, page, write_csv
from MRNLib.experiments.results import Job, forget, read_result, state, tidy
from MRNLib.experiments.scheduling import run_here, run_with_dask
from MRNLib.experiments.tables import needed, parse_tables
from MRNLib.training.distributed import check_device_name, own_device
from MRNLib.writing import replaced, require_folder

PAGE = "tables.md"
# How many cells of other settings are named before the rest is counted.
NAMED = 3


@dataclass(frozen=True)
class Plan:
    """What is to be there in the end.

    Attributes:
        tables: The tables asked for.
        jobs: All their cells.
        data: The patients.
        out: Where everything is written.
        scale: How large everything is.
        device: Where networks compute.
        draws: Bootstrap draws of an interval.
        departures: Where the settings are not the paper-scale files'.
    """

    tables: tuple[Table, ...]
    jobs: tuple[Job, ...]
    data: ExperimentData
    out: Path
    scale: Scale
    device: str
    draws: int
    departures: tuple[Departure, ...]

    def unfinished(self, replace: bool = False) -> list[Job]:
        """Cells still to run; what a kill left of finished ones beyond their results is removed.

        Args:
            replace: Throw results of other settings or patients away instead of refusing.

        Raises:
            InputError: There are such results.
        """
        states = {job.cell.key: state(job) for job in self.jobs}
        others = [job for job in self.jobs if states[job.cell.key][0] == "other"]
        if others and not replace:
            named = "; ".join(
                f"{job.cell.key} ({states[job.cell.key][1][0]})" for job in others[:NAMED]
            )
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            raise InputError(
                f"holds cells of other settings or patients: {named}{more}",
                file=self.out,
                remedy="use another --out folder, or --replace to run these cells again",
            )
        for job in others:
            forget(job)
        for job in self.jobs:
            if states[job.cell.key][0] == "finished":
                tidy(job)
        return [job for job in self.jobs if states[job.cell.key][0] != "finished"]


def make_plan(
    tables: str,
    data: Path,
    scale: str,
    out: Path,
    *,
    configs: Path,
    device: str = "cpu",
    threads: int = 1,
    draws: int | None = None,
    extra: Sequence[str] = (),
    prepared: Callable[[Path], Path] = lambda folder: folder,
) -> Plan:
    """Checks all that can be checked before the long work, wherever that is done.

    Args:
        tables: ``all`` or numbers with commas between.
        data: Folder with ``train`` and ``evaluation``.
        scale: Name of a scale.
        out: Where everything is written.
        configs: ``Training/configs``.
        device: Where networks compute: ``cpu``, ``cuda`` (dealt out to workers), ``cuda:N`` or
            ``auto``.
        threads: Of each process.
        draws: Bootstrap draws; the scale's if not given.
        extra: ``NAME:group.key=value``, see :func:`~MRNLib.experiments.cells.cell_config`.
        prepared: Gives the folder of crops where ``data`` holds volumes.

    Raises:
        InputError: A table, a setting, another argument or the patients cannot be used.
    """
    wanted, size = parse_tables(tables), SCALES[scale]
    check_extra(extra)
    check_device_name(device)
    _at_least_one("--threads", threads)
    draws = _at_least_one("--draws", size.draws if draws is None else draws)
    require_folder(out)
    radiomics = RADIOMICS in needed(wanted, oracles=False)
    patients = open_data(prepared(data), radiomics=radiomics)
    jobs, cells = [], chosen(needed(wanted, patients.oracles))
    for cell in cells:
        settings: dict[str, Any] = {}
        own: dict[str, Any] = {}
        if cell.kind == "network":
            config = cell_config(cell, size, configs, patients.trained_on, extra)
            settings, own = config.as_json(), config.identity()
        jobs.append(Job(cell, settings, own, patients, out.absolute(), device, threads))
    apart = departures(cells, size, configs, patients.trained_on, extra)
    return Plan(tuple(wanted), tuple(jobs), patients, out, size, device, draws, apart)


def _at_least_one(option: str, number: int) -> int:
    if number < 1:
        raise InputError(f"{option} {number}: too few", expected="1 or more")
    return number


def run_plan(
    plan: Plan, board: Board, *, workers: int = 1, scheduler: str | None = None, replace: bool
) -> dict[str, str]:
    """Runs what is not finished.

    Args:
        plan: From :func:`make_plan`.
        board: Where progress is shown.
        workers: Processes of the local cluster; 0 runs the cells one by one in this process.
        scheduler: Address of a Dask scheduler instead.
        replace: See :meth:`Plan.unfinished`.

    Returns:
        Why cells failed, by key.

    Raises:
        Cancelled: Somebody asked to stop.
        InputError: The folder holds other results, there is no scheduler, or this machine, which is
            to compute, lacks the device.
    """
    if scheduler is None:
        own_device(plan.device)
    plan.out.mkdir(parents=True, exist_ok=True)
    with _alone(plan.out):
        todo = plan.unfinished(replace)
        board.say(f"{len(plan.jobs)} cells, {len(plan.jobs) - len(todo)} of them finished")
        if scheduler is None and workers == 0:
            return run_here(todo, board)
        return run_with_dask(todo, board, workers=workers, scheduler=scheduler)


def write_pages(plan: Plan, failed: dict[str, str], *, command: str, notes: str = "") -> Path:
    """Measures finished cells and writes Markdown, CSV and pictures.

    Args:
        plan: From :func:`make_plan`.
        failed: Why cells are missing, by key.
        command: What the page says it was made by.
        notes: Markdown for the page.

    Returns:
        The Markdown file.
    """
    results = {
        job.cell.key: read_result(job.result_file)
        for job in plan.jobs
        if job.cell.key not in failed and state(job)[0] == "finished"
    }
    measurer = Measurer(results, failed, plan.draws)
    facts = Facts(
        plan.data.trained_on,
        command,
        plan.scale.name,
        len(plan.data.train.identifiers),
        len(plan.data.evaluation.identifiers),
        notes,
        plan.departures,
    )
    plots = write_plots(
        {table.number: table for table in plan.tables}, measurer, facts.data, plan.out
    )
    for table in plan.tables:
        write_csv(table, measurer, facts, plan.out / f"table_{table.number}.csv")
    target = plan.out / PAGE
    with replaced(target) as partial:
        partial.write_text(page(plan.tables, measurer, facts, plots), encoding="utf-8")
    return target


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps a second command out of the folder while the block runs, where files can be locked.

    Raises:
        InputError: Another command is at work there.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (out / ".lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another reproduce_tables.py is at work in this folder",
                file=out,
                remedy="wait for it, or use another --out folder",
            ) from error
        except OSError:  # a file system without locks
            pass
        yield
