#!/usr/bin/env python
"""Trains what the paper's tables compare and writes them, the paper's figures beside ours.

    reproduce_tables.py --tables all --data DIR --scale smoke|tiny|paper --out OUT [--workers 2]
                        [--scheduler tcp://host:8786] [--device cuda]

DIR/train and DIR/evaluation hold crops of prepare_crops.py. OUT gets tables.md, a CSV file for each
table and pictures; OUT/cells holds what each training predicted, OUT/trainings its weights. A
stopped or killed command goes on where it was when it is given again. On a cluster OUT and DIR
must have the same path everywhere, and MRN be installed there.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import warnings
from pathlib import Path

from MRNLib.cli.run import GOES_ON, exit_code
from MRNLib.errors import InputError

CONFIGS = Path(__file__).resolve().parent / "configs"
# Exit code when some cells failed but the tables of the others were written.
SOME_FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    # Libraries' notes to their developers; worker processes inherit the variable.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning,ignore::DeprecationWarning")
    warnings.simplefilter("ignore", FutureWarning)
    options = _parser().parse_args(given)
    return exit_code(lambda: _reproduce(options, given), stopped=GOES_ON)


def _reproduce(options: argparse.Namespace, given: list[str]) -> int:
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.experiments.board import Board
    from MRNLib.experiments.experiment import make_plan, run_plan, write_pages

    if options.workers < 0:
        raise InputError(f"--workers {options.workers}: there are no fewer than none")
    plan = make_plan(
        options.tables,
        options.data,
        options.scale,
        options.out,
        configs=CONFIGS,
        device=options.device,
        threads=options.threads,
        extra=options.set,
    )
    notes = "" if options.notes is None else options.notes.read_text(encoding="utf-8")
    failed: dict[str, str] = {}
    if not options.no_training:
        with shown_progress() as show:
            failed = run_plan(
                plan,
                Board(show, lambda line: print(line, flush=True)),
                workers=options.workers,
                scheduler=options.scheduler,
                replace=options.replace,
            )
    command = shlex.join(["python", "Training/reproduce_tables.py", *given])
    written = write_pages(plan, failed, command=command, draws=options.draws, notes=notes)
    print(f"written: {written}")
    if failed:
        print(f"{len(failed)} cells failed: {', '.join(sorted(failed))}", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", default="all", help="all, or some of 2,3,...,9,systems")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--scale", required=True, choices=("smoke", "tiny", "paper"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--workers", type=int, default=1, help="processes on this machine; 0: no Dask"
    )
    parser.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="a running Dask scheduler")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME:GROUP.KEY=VALUE",
        help="a setting of all cells of a system (mrn, m3d-clip, ...) or of one cell, such as "
        "mrn:model.backbone.weights=FILE",
    )
    parser.add_argument(
        "--replace", action="store_true", help="run cells of other settings or patients again"
    )
    parser.add_argument(
        "--no-training", action="store_true", help="write the tables from what is finished"
    )
    parser.add_argument("--draws", type=int, help="bootstrap draws instead of the scale's")
    parser.add_argument("--notes", type=Path, help="Markdown about this run, for the page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
