#!/usr/bin/env python
"""Cuts the four ROIs of many patients into small .npz files to train from.

Digital patients of seeds 0 to 1199, or a cohort in the challenge's layout:

    python Training/prepare_crops.py --phantoms 0:1200 --out CROPS
    python Training/prepare_crops.py --data COHORT --out CROPS

Patients already in CROPS are skipped, so a stopped run goes on where it was.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.run import GOES_ON, run_script, script_app
from MRNLib.errors import InputError
from MRNLib.training.data import save_crops
from MRNLib.training.sources import case_crops, phantom_crops, phantom_name
from MRNLib.workers import ignore_interrupts, starting_workers

Job = tuple[str, Callable[[], object]]
CORES = os.cpu_count() or 1


def prepare(
    out: Annotated[Path, typer.Option(help="Folder for the .npz files; made if missing.")],
    phantoms: Annotated[
        str | None,
        typer.Option(metavar="FIRST:COUNT", help="Seeds of digital patients; or give --data."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="COHORT", help="The challenge's folder layout; or give --phantoms."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="The cohort's table of diagnoses; by default labels.csv in the cohort."),
    ] = None,
    predicted: Annotated[
        Path | None, typer.Option(help="Predicted masks, for a second set of boxes.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0 or 1: no other than this one.")
    ] = CORES,
) -> None:
    """Cuts the crops that are not there yet."""
    if phantoms is not None and data is None:
        jobs = _phantoms(phantoms)
    elif data is not None and phantoms is None:
        jobs = _cohort(data, labels, predicted)
    else:
        raise InputError("name either --phantoms or --data")
    out.mkdir(parents=True, exist_ok=True)
    todo = [job for job in jobs if not (out / f"{job[0]}.npz").is_file()]
    print(f"{len(jobs)} patients, {len(jobs) - len(todo)} already there", flush=True)
    with contextlib.closing(_run(todo, out, workers)) as names:
        for number, name in enumerate(names, start=1):
            if number % 20 == 0 or number == len(todo):
                print(f"{number}/{len(todo)} {name}", flush=True)


def _phantoms(seeds: str) -> list[Job]:
    found = re.fullmatch(r"(\d+):(\d+)", seeds)
    if found is None or int(found[2]) == 0:
        raise InputError(
            f"--phantoms '{seeds}' is no range of seeds", expected="FIRST:COUNT, as in 0:1200"
        )
    first, count = int(found[1]), int(found[2])
    return [
        (phantom_name(seed), functools.partial(phantom_crops, seed))
        for seed in range(first, first + count)
    ]


def _cohort(cohort: Path, labels: Path | None, predicted: Path | None) -> list[Job]:
    from MRNLib.casefiles import read_cohort

    return [
        (case.identifier, functools.partial(case_crops, case, predicted))
        for case in read_cohort(cohort, labels)
    ]


def _write(job: Job, folder: Path) -> str:
    name, make = job
    save_crops(make(), folder)  # type: ignore[arg-type]
    return name


def _run(jobs: list[Job], folder: Path, workers: int) -> Generator[str]:
    work = functools.partial(_write, folder=folder)
    if workers <= 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, ignore_interrupts) as pool:
        with starting_workers():  # the pool starts a worker as it is given work
            futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            # What is under way ends within seconds; the rest is for the next call.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


app = script_app(prepare, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
