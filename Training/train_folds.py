#!/usr/bin/env python
"""Trains the folds of an ensemble: the paper's protocol (section 4.1.1) in two calls.

Settings are chosen on validation with fold 0, then all folds are trained with them:

    python Training/train_folds.py --config Training/configs/paper.yaml \\
        --data TRAIN --validation VALIDATION \\
        --try loss.temperature=0.07,0.1 --out OUT

The same settings, with train and validation merged:

    python Training/train_folds.py --config OUT/settings.yaml \\
        --data TRAIN --validation VALIDATION --merge --out FINAL

TRAIN and VALIDATION are crops of prepare_crops.py, or cohorts in the challenge's layout (volumes,
masks, labels.csv), which are cut first, once, into OUT/crops/data and OUT/crops/validation.

Training/export_bundle.py then makes a bundle of FINAL. OUT holds the folds, settings.yaml, the
report (report.md, report.json) and with --try the table of the trials (search/search.md). Ctrl-C
and SIGTERM save all trainings; the same command goes on exactly where they stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from MRNLib.cli.run import GOES_ON, run_script, script_app
from MRNLib.cli.training import (
    Config,
    Data,
    Device,
    Draws,
    Settings,
    Threads,
    ready_crops,
    say,
)
from MRNLib.errors import InputError


def train(
    config: Config,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the folds and the report.")],
    validation: Annotated[
        Path | None,
        typer.Option(help="Patients as for --data, to judge on, or with --merge to add."),
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Train on data and validation.")] = False,
    folds: Annotated[int, typer.Option(min=2, help="How many folds to train.")] = 5,
    settings: Settings = None,
    tries: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            metavar="GROUP.KEY=VALUE,VALUE",
            help="Values to choose from on validation; repeated, they make a grid.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time.")] = 1,
    threads: Threads = 1,
    device: Device = "auto",
    draws: Draws = 1000,
) -> None:
    """Trains all folds, after a search if --try asks for one."""
    _check(validation, merge, tries)

    from MRNLib.training.config import load_config

    load_config(config, settings or ())
    # Only now, since it takes seconds: mistakes in these settings have been told.
    from MRNLib.cli.longwork import shown_progress
    from MRNLib.markdown import figure_text
    from MRNLib.training.cohortcrops import CROPS
    from MRNLib.training.distributed import own_device
    from MRNLib.training.protocol import FoldTraining, Protocol
    from MRNLib.writing import require_folder

    require_folder(out)
    own_device(device)
    data = ready_crops(data, out / CROPS / "data")
    if validation is not None:
        validation = ready_crops(validation, out / CROPS / "validation")
    judged = None if validation is None else str(validation.absolute())
    if merge:
        protocol = Protocol((str(data.absolute()), str(judged)), None, folds)
    else:
        protocol = Protocol((str(data.absolute()),), judged, folds)
    work = FoldTraining(protocol, out, device, jobs, threads, draws)
    with shown_progress() as progress:
        rows = work.run(
            lambda overrides: load_config(config, [*(settings or ()), *overrides]),
            tries or (),
            progress,
            say,
        )
    for row in rows:
        print(f"{row.name} (n={row.patients}): AUC {figure_text(row.measures['auc'])}")


def _check(validation: Path | None, merge: bool, tries: list[str] | None) -> None:
    """Refuses combinations that would not be the protocol."""
    if validation is None and (merge or tries):
        raise InputError(
            f"{'--merge' if merge else '--try'} needs validation patients",
            remedy="name their crops or their cohort: --validation VALIDATION",
        )
    if merge and tries:
        raise InputError(
            "--try cannot be judged on patients that --merge trains on",
            remedy="choose the settings without --merge, then give --config OUT/settings.yaml",
        )


app = script_app(train, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments, GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
