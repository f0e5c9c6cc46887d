#!/usr/bin/env python
"""Cuts the four ROIs of many patients into small .npz files to train from.

    prepare_crops.py --phantoms 0:1200 --out CROPS          digital patients of seeds 0 to 1199
    prepare_crops.py --data COHORT --out CROPS              a cohort in the challenge's layout
                     [--labels labels.csv] [--predicted MASKS]

Patients already in CROPS are skipped, so a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from MRNLib.cli.run import GOES_ON, exit_code
from MRNLib.errors import InputError
from MRNLib.training.data import save_crops
from MRNLib.training.sources import case_crops, phantom_crops, phantom_name
from MRNLib.workers import ignore_interrupts, starting_workers

Job = tuple[str, Callable[[], object]]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _prepare(options), stopped=GOES_ON)


def _prepare(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = _phantoms(options) if options.phantoms else _cohort(options)
    todo = [job for job in jobs if not (options.out / f"{job[0]}.npz").is_file()]
    print(f"{len(jobs)} patients, {len(jobs) - len(todo)} already there", flush=True)
    with contextlib.closing(_run(todo, options.out, options.workers)) as names:
        for number, name in enumerate(names, start=1):
            if number % 20 == 0 or number == len(todo):
                print(f"{number}/{len(todo)} {name}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--phantoms", metavar="FIRST:COUNT", help="seeds of digital patients")
    source.add_argument("--data", type=Path, metavar="COHORT", help="the challenge's folder layout")
    parser.add_argument("--labels", type=Path, help="the cohort's table of diagnoses")
    parser.add_argument("--predicted", type=Path, help="predicted masks, for a second set of boxes")
    parser.add_argument("--out", type=Path, required=True, help="folder for the .npz files")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser


def _phantoms(options: argparse.Namespace) -> list[Job]:
    found = re.fullmatch(r"(\d+):(\d+)", options.phantoms)
    if found is None or int(found[2]) == 0:
        raise InputError(
            f"--phantoms '{options.phantoms}' is no range of seeds",
            expected="FIRST:COUNT, as in 0:1200",
        )
    first, count = int(found[1]), int(found[2])
    return [
        (phantom_name(seed), functools.partial(phantom_crops, seed))
        for seed in range(first, first + count)
    ]


def _cohort(options: argparse.Namespace) -> list[Job]:
    from MRNLib.casefiles import read_cohort

    return [
        (case.identifier, functools.partial(case_crops, case, options.predicted))
        for case in read_cohort(options.data, options.labels)
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


if __name__ == "__main__":
    sys.exit(main())
