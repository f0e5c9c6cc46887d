#!/usr/bin/env python
"""Cuts the four ROIs of many patients into small .npz files to train from.

Digital patients of seeds 0 to 1199, or a cohort in the challenge's layout:

    python Training/prepare_crops.py --phantoms 0:1200 --out CROPS
    python Training/prepare_crops.py --data COHORT --out CROPS

Patients already in CROPS are skipped, so a stopped run goes on where it was; a cohort's patient
whose volumes, masks or diagnosis have changed since is cut again. CROPS holds crops of one margin:
another --margin-mm or --margin-slices needs a folder of its own. The training scripts also take
COHORT itself and cut it, with the default margins, below their --out folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.run import GOES_ON, run_script, script_app
from MRNLib.cli.training import read_seeds
from MRNLib.errors import InputError
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES

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
    margin_mm: Annotated[
        float, typer.Option(help="In-plane margin of the boxes around the nuclei, in mm.")
    ] = MARGIN_MM,
    margin_slices: Annotated[
        int, typer.Option(help="Margin of the boxes at each end of their slices, in slices.")
    ] = MARGIN_SLICES,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0 or 1: no other than this one.")
    ] = CORES,
) -> None:
    """Cuts the crops that are not there yet."""
    from MRNLib.training.cropping import (
        Margins,
        cohort_jobs,
        cut_crops,
        phantom_jobs,
        remaining,
    )

    margins = Margins(margin_mm, margin_slices)
    if phantoms is not None and data is None:
        jobs = phantom_jobs(read_seeds("--phantoms", phantoms), margins)
    elif data is not None and phantoms is None:
        jobs = cohort_jobs(data, margins, labels=labels, predicted=predicted)
    else:
        raise InputError("name either --phantoms or --data")
    todo = remaining(jobs, out, margins)
    changed = f", {len(todo.changed)} changed since" if todo.changed else ""
    total = len(todo.jobs)
    print(f"{len(jobs)} patients, {len(jobs) - total} already there{changed}", flush=True)
    with contextlib.closing(cut_crops(todo.jobs, out, workers)) as names:
        for number, name in enumerate(names, start=1):
            if number % 20 == 0 or number == total:
                print(f"{number}/{total} {name}", flush=True)


app = script_app(prepare, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
