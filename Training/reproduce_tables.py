#!/usr/bin/env python
"""Trains what the paper's tables compare and writes them, the paper's figures beside ours.

All of them, on digital patients:

    python Training/reproduce_tables.py --tables all --data DIR --scale tiny \\
        --out OUT --workers 2

DIR/train and DIR/evaluation hold crops of prepare_crops.py, or are cohorts in the challenge's
layout (volumes, masks, labels.csv), which are cut first, once, into OUT/crops. OUT gets
tables.md, a CSV file for each table and pictures; OUT/cells holds what each training predicted,
OUT/trainings its weights. A stopped or killed command goes on where it was when it is given again.
On a cluster OUT and DIR must have the same path everywhere, and MRN be installed there.
"""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from MRNLib.cli.run import GOES_ON, run_script, script_app
from MRNLib.cli.training import Threads, ready_crops

CONFIGS = Path(__file__).resolve().parent / "configs"
# Exit code when some cells failed but the tables of the others were written.
SOME_FAILED = 1


def reproduce(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Holds train and evaluation, each a cohort or its crops."),
    ],
    scale: Annotated[
        Literal["smoke", "tiny", "paper"], typer.Option(help="How large everything is.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables, trainings and cells.")],
    tables: Annotated[str, typer.Option(help="all, or some of 2,3,...,9,systems.")] = "all",
    workers: Annotated[
        int, typer.Option(min=0, help="Processes on this machine; 0 does without Dask.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="A running Dask scheduler.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Threads = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME:GROUP.KEY=VALUE",
            help="A setting of all cells of a system (mrn, m3d-clip, ...) or of one cell, such as "
            "mrn:train.seed=2; can be repeated.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Run cells of other settings or patients again.")
    ] = False,
    no_training: Annotated[
        bool, typer.Option("--no-training", help="Write the tables from what is finished.")
    ] = False,
    draws: Annotated[
        int | None, typer.Option(help="Bootstrap draws; the scale's by default.")
    ] = None,
    notes: Annotated[
        Path | None, typer.Option(help="Markdown about this run, for the page.")
    ] = None,
) -> int:
    """Runs the cells that are missing and writes the tables."""
    # Libraries' notes to their developers; worker processes inherit the variable.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning,ignore::DeprecationWarning")

    from MRNLib.cli.longwork import shown_progress
    from MRNLib.experiments.board import Board
    from MRNLib.experiments.experiment import make_plan, run_plan, write_pages
    from MRNLib.experiments.preparing import prepared_data

    plan = make_plan(
        tables,
        data,
        scale,
        out,
        configs=CONFIGS,
        device=device,
        threads=threads,
        extra=settings or (),
        draws=draws,
        prepared=lambda folder: prepared_data(folder, out, partial(ready_crops, workers=workers)),
    )
    about = "" if notes is None else notes.read_text(encoding="utf-8")
    failed: dict[str, str] = {}
    if not no_training:
        with shown_progress() as show:
            failed = run_plan(
                plan,
                Board(show, lambda line: print(line, flush=True)),
                workers=workers,
                scheduler=scheduler,
                replace=replace,
            )
    command = shlex.join(["python", "Training/reproduce_tables.py", *context.obj])
    written = write_pages(plan, failed, command=command, notes=about)
    print(f"written: {written}")
    if failed:
        print(f"{len(failed)} cells failed: {', '.join(sorted(failed))}", file=sys.stderr)
    return SOME_FAILED if failed else 0


app = script_app(reproduce, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
