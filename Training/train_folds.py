#!/usr/bin/env python
"""Trains the folds of an ensemble: the paper's protocol (section 4.1.1) in two calls.

Settings are chosen on validation with fold 0, then all folds are trained with them:

    train_folds.py --config Training/configs/paper.yaml --data TRAIN --validation VALIDATION
                   --try loss.temperature=0.07,0.1 --out OUT

The same settings, with train and validation merged:

    train_folds.py --config OUT/settings.yaml --data TRAIN --validation VALIDATION --merge
                   --out FINAL

Training/export_bundle.py then makes a bundle of FINAL. OUT holds the folds, settings.yaml, the
report (report.md, report.json) and with --try the table of the trials (search/search.md). Ctrl-C
and SIGTERM save all trainings; the same command goes on exactly where they stopped.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from MRNLib.cli.run import GOES_ON, exit_code
from MRNLib.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries', about one another
        return exit_code(lambda: _train(options), stopped=GOES_ON)


def _train(options: argparse.Namespace) -> None:
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.markdown import figure_text
    from MRNLib.training.config import load_config
    from MRNLib.training.protocol import FoldTraining, Protocol
    from MRNLib.writing import require_folder

    _check(options)
    require_folder(options.out)
    data, validation = str(options.data.absolute()), None
    if options.validation is not None:
        validation = str(options.validation.absolute())
    if options.merge:
        protocol = Protocol((data, str(validation)), None, options.folds)
    else:
        protocol = Protocol((data,), validation, options.folds)
    work = FoldTraining(
        protocol, options.out, options.device, options.jobs, options.threads, options.draws
    )
    with shown_progress() as progress:
        rows = work.run(
            lambda overrides: load_config(options.config, [*options.set, *overrides]),
            options.tries,
            progress,
            lambda line: print(line, flush=True),
        )
    for row in rows:
        print(f"{row.name} (n={row.patients}): AUC {figure_text(row.measures['auc'])}")


def _check(options: argparse.Namespace) -> None:
    """Refuses combinations that would not be the protocol."""
    if options.validation is None and (options.merge or options.tries):
        raise InputError(
            f"{'--merge' if options.merge else '--try'} needs validation patients",
            remedy="name their crops: --validation CROPS",
        )
    if options.merge and options.tries:
        raise InputError(
            "--try cannot be judged on patients that --merge trains on",
            remedy="choose the settings without --merge, then give --config OUT/settings.yaml",
        )
    for name in ("folds", "jobs", "threads", "draws"):
        least = 2 if name in ("folds", "draws") else 1
        if getattr(options, name) < least:
            raise InputError(f"--{name} {getattr(options, name)}", expected=f"{least} or more")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML settings")
    parser.add_argument("--data", type=Path, required=True, help="crops to train on")
    parser.add_argument("--validation", type=Path, help="crops to judge on, or with --merge to add")
    parser.add_argument("--merge", action="store_true", help="train on data and validation")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=VALUE")
    parser.add_argument(
        "--try",
        dest="tries",
        action="append",
        default=[],
        metavar="GROUP.KEY=VALUE,VALUE",
        help="values to choose from on validation; several make a grid",
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws of intervals")
    return parser


if __name__ == "__main__":
    sys.exit(main())
